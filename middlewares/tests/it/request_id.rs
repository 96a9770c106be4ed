//! Identifiers of requests.

use std::collections::HashSet;

use corelane_http::app::App;
use corelane_http::extract::RequestId;
use corelane_http::server::Server;
use corelane_middlewares::request_id::RequestIds;

use crate::support::Site;

async fn show(id: RequestId) -> String {
    id.to_string()
}

#[test]
fn every_request_gets_its_own_on_every_core_and_learns_it() {
    let site = Site::on_cores(2, || App::new().with(RequestIds::new()).get("/", show));
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let answer = site.get("/", &[("x-request-id", "chosen-by-the-client")]);
        assert_eq!(answer.field("x-request-id"), Some(&*answer.body));
        assert!(answer.body.len() == 32 && answer.body.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(seen.insert(answer.body));
    }
    assert_eq!(site.get("/none", &[]).field("x-request-id").map(str::len), Some(32), "404 too");
}

#[test]
fn one_that_is_brought_is_taken_only_if_asked_for_and_safe() {
    let app =
        || App::new().with(RequestIds::new().accept_from_proxies().header("x-correlation-id")).get("/", show);
    let untrusted = Site::start(app);
    let answer = untrusted.get("/", &[("x-correlation-id", "abc")]);
    assert_ne!(answer.body, "abc", "the peer is no proxy");
    let anyone = Site::start(|| App::new().with(RequestIds::new().accept_from_anyone()).get("/", show));
    assert_eq!(anyone.get("/", &[("x-request-id", "abc")]).body, "abc");
    let site = Site::of(Server::bind("127.0.0.1:0").cores(1).trusted_proxies(["127.0.0.0/8"]), app);
    for (why, brought, taken) in [
        ("a UUID", "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", true),
        ("a quote for the log", "a\"b", false),
        ("markup", "<script>", false),
        ("too long", &"a".repeat(65), false),
        ("empty", "", false),
    ] {
        let answer = site.get("/", &[("x-correlation-id", brought)]);
        assert_eq!(answer.field("x-correlation-id") == Some(brought), taken, "{why}: {}", answer.body);
    }
}
