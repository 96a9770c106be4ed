use corelane_runtime::buf::pool_stats;

use super::*;

/// Address of the box under a request.
fn address(request: &Request) -> *const Parts {
    request.parts()
}

#[test]
fn a_box_is_used_again_with_nothing_left_of_the_request_before() {
    let mut first = Request::builder("POST", "/secret?token=1")
        .header("authorization", "Bearer abc")
        .body("private")
        .peer(PeerAddr::Unix)
        .build();
    first.extensions_mut().insert("attached");
    let before = address(&first);
    drop(first);

    let second = Request::builder("GET", "/").build();
    assert_eq!(address(&second), before, "the box is not used again");
    assert_eq!(second.method(), http::Method::GET);
    assert_eq!(second.query(), None);
    assert_eq!(second.header("authorization"), None);
    assert_eq!(second.headers().count(), 1, "only the host of the builder");
    assert_eq!(second.extensions().get::<&str>(), None);
    assert_eq!(second.params().len(), 0);
    assert_eq!(second.route(), None);
    assert_eq!(second.peer(), &PeerAddr::Memory);
    assert!(second.body().is_empty());
}

#[test]
fn a_dropped_request_gives_its_buffer_back() {
    let before = pool_stats().leases_in_use;
    let request = Request::builder("GET", "/").build();
    assert_eq!(pool_stats().leases_in_use, before + 1);
    drop(request);
    assert_eq!(pool_stats().leases_in_use, before);
}

#[test]
fn debug_shows_neither_query_nor_fields() {
    let request = Request::builder("GET", "/a?token=hush").header("cookie", "hush").build();
    let shown = format!("{request:?}");
    assert!(shown.contains("/a") && !shown.contains("hush"), "{shown}");
}
