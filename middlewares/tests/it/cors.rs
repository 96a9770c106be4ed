//! Cross-origin requests as browsers send them.

use std::panic::catch_unwind;

use corelane_http::app::App;
use corelane_http::router::get;
use corelane_middlewares::cors::Cors;

use crate::support::{Answer, Site};

fn policy() -> Cors {
    Cors::new()
        .origin("https://app.example")
        .origin_regex(r"https://[a-z0-9-]+\.preview\.example")
        .methods(["GET", "PUT"])
        .headers(["content-type", "x-token"])
        .expose(["x-total"])
        .credentials()
}

fn site() -> Site {
    Site::start(|| {
        App::new()
            .group("/api", |api| api.with(policy()).get("/list", async || ([("vary", "accept")], "list")))
            .group("/public", |public| {
                public.with(Cors::new().any_origin().any_headers()).get("/list", async || "list")
            })
            .route(
                "/one",
                get(async || "one").options(async || ()).with(Cors::new().origin("https://one.example")),
            )
            .get("/none", async || "none")
    })
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.field("access-control-allow-origin")
}

fn preflight(site: &Site, target: &str, origin: &str) -> Answer {
    let fields = [
        ("origin", origin),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-a, x-b"),
    ];
    site.send("OPTIONS", target, &fields, "")
}

#[test]
fn only_origins_that_are_named_are_allowed() {
    let site = site();
    for (why, origin, want) in [
        ("named", "https://app.example", true),
        ("matched", "https://pr-7.preview.example", true),
        ("matched again, from the verdicts", "https://pr-7.preview.example", true),
        ("another scheme", "http://app.example", false),
        ("another port", "https://app.example:8443", false),
        ("named as a prefix", "https://app.example.evil.test", false),
        ("named as a suffix", "https://evil.test/https://app.example", false),
        ("matched inside", "https://pr-7.preview.example.evil.test", false),
        ("a dot is a dot", "https://pr-7.previewxexample", false),
        ("a line end behind a match", "https://pr-7.preview.example\t", true),
        ("null", "null", false),
        ("upper case", "https://APP.example", false),
        ("empty", "", false),
        ("huge", &format!("https://{}.preview.example", "a".repeat(5000)), false),
    ] {
        let answer = site.get("/api/list", &[("origin", origin)]);
        assert_eq!((answer.status, &*answer.body), (200, "list"), "{why}: answered in any case");
        assert_eq!(allowed(&answer), want.then_some(origin.trim()), "{why}");
        assert_eq!(answer.field("access-control-allow-credentials"), want.then_some("true"), "{why}");
        assert_eq!(answer.field("access-control-expose-headers"), want.then_some("x-total"), "{why}");
        let vary: Vec<_> =
            answer.fields.iter().filter(|(name, _)| name == "vary").map(|(_, value)| &**value).collect();
        assert_eq!(vary, ["accept", "origin"], "{why}");
        assert_eq!(preflight(&site, "/api/list", origin).status, if want { 204 } else { 403 }, "{why}");
    }
    let two = [("origin", "https://app.example"), ("origin", "https://app.example")];
    assert_eq!(allowed(&site.get("/api/list", &two)), None, "no browser sends two");
    assert_eq!(allowed(&site.get("/api/list", &[])), None);
    assert_eq!(
        site.get("/api/list", &[]).fields.iter().filter(|(name, _)| name == "vary").count(),
        2,
        "for caches"
    );
}

#[test]
fn a_preflight_is_answered_without_the_handler() {
    let site = site();
    let answer = preflight(&site, "/api/list", "https://app.example");
    for (name, want) in [
        ("access-control-allow-origin", Some("https://app.example")),
        ("access-control-allow-methods", Some("GET, PUT")),
        ("access-control-allow-headers", Some("content-type, x-token")),
        ("access-control-allow-credentials", Some("true")),
        ("access-control-max-age", Some("600")),
        ("vary", Some("origin, access-control-request-method, access-control-request-headers")),
    ] {
        assert_eq!(answer.field(name), want, "{name}");
    }
    let public = preflight(&site, "/public/list", "null");
    assert_eq!(allowed(&public), Some("*"));
    assert_eq!(public.field("access-control-allow-headers"), Some("x-a, x-b"));
    assert_eq!(public.field("access-control-allow-credentials"), None);
    assert_eq!(
        site.get("/public/list", &[("origin", "https://x.test")]).field("vary"),
        None,
        "the same for all"
    );

    let plain = site.send("OPTIONS", "/api/list", &[("origin", "https://app.example")], "");
    assert!(plain.field("allow").is_some(), "an OPTIONS that is no preflight: {plain:?}");
    assert_eq!(preflight(&site, "/one", "https://one.example").status, 204, "one route");
    assert_eq!(allowed(&preflight(&site, "/none", "https://app.example")), None, "no layer, no fields");
}

#[test]
fn null_is_allowed_only_by_name() {
    let site = Site::start(|| {
        App::new()
            .group("/regex", |g| g.with(Cors::new().origin_regex(".*")).get("", async || ""))
            .group("/null", |g| g.with(Cors::new().null_origin()).get("", async || ""))
    });
    assert_eq!(allowed(&site.get("/regex", &[("origin", "null")])), None);
    assert_eq!(allowed(&site.get("/regex", &[("origin", "https://x.test")])), Some("https://x.test"));
    assert_eq!(allowed(&site.get("/null", &[("origin", "null")])), Some("null"));
}

#[test]
fn mistakes_end_the_start() {
    type Make = fn() -> Cors;
    let rows: [(&str, Make); 8] = [
        ("a path", || Cors::new().origin("https://a.test/")),
        ("no scheme", || Cors::new().origin("a.test")),
        ("a star", || Cors::new().origin("https://*.a.test")),
        ("upper case", || Cors::new().origin("https://A.test")),
        ("no expression", || Cors::new().origin_regex("(")),
        ("any origin, then credentials", || Cors::new().any_origin().credentials()),
        ("credentials, then any origin", || Cors::new().credentials().any_origin()),
        ("a line end in a name", || Cors::new().headers(["x\r\ny"])),
    ];
    for (why, make) in rows {
        assert!(catch_unwind(make).is_err(), "{why}");
    }
}
