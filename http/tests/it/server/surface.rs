//! The application's surface over sockets: what is found, by which host and guard, and what answers where nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corelane_http::app::App;
use corelane_http::extract::{Path, Shared};
use corelane_http::request::Request;
use corelane_http::response::{Html, IntoResponse, Response};
use corelane_http::router::{Named, UrlError, UrlFor, get, guard};
use corelane_http::server::Limits;

use super::{Answer, Client, start};

const POST: Named<(String, u64)> = Named::new("post");

async fn page(request: Request, response: Response) -> Response {
    match request.prefers_html() {
        true => Html(format!("<p>{} is lost</p>", request.path())).into_response(),
        false => response,
    }
}

async fn link(urls: UrlFor) -> Result<String, UrlError> {
    urls.to(POST, ("ada".to_owned(), 7))
}

fn app(served: Arc<AtomicUsize>) -> App {
    let blog = App::new()
        .get("/", async || "posts")
        .route(
            "/{user}/{id:[0-9]+}",
            get(async |Path((user, id)): Path<(String, u64)>| format!("{id} of {user}")).name(POST),
        )
        .fallback(async || "no such post");
    App::new()
        .shared(served)
        .get("/count", async |served: Shared<AtomicUsize>| served.fetch_add(1, Ordering::Relaxed).to_string())
        .get("/link", link)
        .get("/panic", async || -> () { panic!("a handler of the tests panics") })
        .route("/", get(async || "second version").guard(guard::header("x-version", "2")))
        .get("/", async || "first version")
        .nest("/blog", blog)
        .host("*.example.com", |tenant| tenant.get("/", async || "a tenant"))
        .before(|request| match request.path().strip_prefix("/old").map(str::to_owned) {
            Some(path) => request.set_path(&path).map_err(IntoResponse::into_response),
            None => Ok(()),
        })
        .on_error([404, 410], page)
        .on_error(500..=599, async |_: Request, _: Response| "sorry")
}

fn sent(client: &mut Client, target: &str, fields: &str) -> Answer {
    client.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n{fields}\r\n")).answer()
}

#[test]
fn routes_are_found_by_pattern_guard_host_and_hook() {
    let served = Arc::new(AtomicUsize::new(0));
    let shared = served.clone();
    let server = start(Limits::default(), move || app(shared.clone()));
    let mut client = Client::connect(server.address());
    for (why, target, fields, want) in [
        ("no guard passes", "/", "", "first version"),
        ("a guard passes", "/", "x-version: 2\r\n", "second version"),
        ("mounted, at its prefix", "/blog", "", "posts"),
        ("a pattern", "/blog/ada/7", "", "7 of ada"),
        ("a pattern that does not match", "/blog/ada/x", "", "no such post"),
        ("a path made of a name", "/link", "", "/blog/ada/7"),
        ("a hook", "/old/blog/ada/7", "", "7 of ada"),
        ("what all cores share", "/count", "", "0"),
        ("an error of a panic", "/panic", "", "sorry"),
    ] {
        assert_eq!(sent(&mut client, target, fields).text(), want, "{why}: {target}");
    }
    assert_eq!(served.load(Ordering::Relaxed), 1);
    client.send("GET / HTTP/1.1\r\nhost: shop.example.com:80\r\n\r\n");
    assert_eq!(client.answer().text(), "a tenant");
    server.shutdown().unwrap();
}

#[test]
fn errors_are_shown_as_the_client_takes_them() {
    let server = start(Limits::default(), || app(Arc::default()));
    let mut client = Client::connect(server.address());
    let browser = "accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let lost = sent(&mut client, "/x/y", browser);
    assert_eq!((lost.status, lost.text()), (404, "<p>/x/y is lost</p>"));
    let problem = sent(&mut client, "/x/y", "accept: application/json\r\n");
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    let panicked = sent(&mut client, "/panic", browser);
    assert_eq!((panicked.status, panicked.text()), (500, "sorry"));
    assert_eq!(server.core_stats()[0].panics, 1);

    client.send("PUT /link HTTP/1.1\r\nhost: test\r\naccept: text/html\r\n\r\n");
    let refused = client.answer();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(refused.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(refused.text().contains("<h1>Method Not Allowed</h1>"), "{}", refused.text());

    client.send("HEAD /x/y HTTP/1.1\r\nhost: test\r\naccept: text/html\r\n\r\n");
    let head = client.interim();
    assert_eq!((head.status, head.header("content-length")), (404, Some("19")), "the length of the page");
    assert_eq!(client.get("/").text(), "first version", "and nothing more was sent");
    server.shutdown().unwrap();
}
