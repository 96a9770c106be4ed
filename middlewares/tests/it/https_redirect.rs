//! Plain requests, in front of and behind a proxy.

use std::panic::catch_unwind;

use corelane_http::app::App;
use corelane_http::server::Server;
use corelane_middlewares::https_redirect::HttpsRedirect;

use crate::support::Site;

fn app(redirect: HttpsRedirect) -> App {
    App::new().with(redirect).get("/a", async || "a").get("/health", async || "well")
}

#[test]
fn plain_requests_are_sent_to_the_same_place_with_tls() {
    let same = Site::start(|| app(HttpsRedirect::same_host().except("/health")));
    let fixed = Site::start(|| app(HttpsRedirect::to_host("shop.example").port(8443)));
    for (why, site, target, host, want) in [
        ("with its query", &same, "/a?b=//c", "example.test", "https://example.test/a?b=//c"),
        ("without its port", &same, "/a", "example.test:8080", "https://example.test/a"),
        ("an address", &same, "/a", "[::1]:8080", "https://[::1]/a"),
        ("an address without a port", &same, "/a", "[::1]", "https://[::1]/a"),
        (
            "a path that looks like a host",
            &same,
            "//evil.test/",
            "example.test",
            "https://example.test//evil.test/",
        ),
        ("what is not there too", &same, "/none", "example.test", "https://example.test/none"),
        ("a fixed host", &fixed, "/a", "evil.test", "https://shop.example:8443/a"),
    ] {
        let answer = site.get(target, &[("host", host)]);
        assert_eq!((answer.status, answer.field("location")), (308, Some(want)), "{why}");
    }
    assert_eq!(same.get("/health", &[]).body, "well");
    assert_eq!(same.get("/health/", &[]).status, 308, "that path and no other");
}

#[test]
fn only_a_trusted_proxy_can_say_that_there_was_tls() {
    let says = [("x-forwarded-proto", "https")];
    let untrusted = Site::start(|| app(HttpsRedirect::same_host()));
    assert_eq!(untrusted.get("/a", &says).status, 308);
    let server = Server::bind("127.0.0.1:0").cores(1).trusted_proxies(["127.0.0.1"]);
    let trusted = Site::of(server, || app(HttpsRedirect::same_host()));
    assert_eq!(trusted.get("/a", &says).body, "a");
    assert_eq!(trusted.get("/a", &[]).status, 308);
    let forwarded = [("x-forwarded-proto", "http"), ("x-forwarded-host", "shop.example")];
    assert_eq!(trusted.get("/a", &forwarded).field("location"), Some("https://shop.example/a"));
}

#[test]
fn a_host_that_is_none_ends_the_start() {
    for host in ["", "a.test:80", "a.test/", "a b", "a\r\nb", "https://a.test"] {
        assert!(catch_unwind(|| HttpsRedirect::to_host(host)).is_err(), "{host:?}");
    }
}
