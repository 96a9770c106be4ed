//! What is changed before a request is routed.

use corelane_http::app::App;
use corelane_middlewares::method_override::MethodOverride;
use corelane_middlewares::trailing_slash::TrailingSlash;

use crate::support::Site;

#[test]
fn a_slash_too_many_or_too_few_is_redirected_within_the_site() {
    let trim =
        Site::start(|| App::new().get("/users", async || "users").before(TrailingSlash::trim().redirect()));
    let append = Site::start(|| {
        App::new().get("/users/", async || "users").before(TrailingSlash::append().redirect())
    });
    for (why, site, target, want) in [
        ("trimmed", &trim, "/users/", Some("/users")),
        ("all of them", &trim, "/users///", Some("/users")),
        ("with its query", &trim, "/users/?a=/&b", Some("/users?a=/&b")),
        ("right as it is", &trim, "/users", None),
        ("the root", &trim, "/", None),
        ("another host", &trim, "//evil.test/", None),
        ("another host, by a backslash", &trim, "/\\evil.test/", None),
        ("only slashes", &trim, "////", None),
        ("encoded line end", &trim, "/a%0d%0ax:y/", Some("/a%0d%0ax:y")),
        ("appended", &append, "/users?a=1", Some("/users/?a=1")),
        ("a file", &append, "/logo.svg", None),
        ("has one", &append, "/users/", None),
        ("another host", &append, "//evil.test", None),
    ] {
        let answer = site.get(target, &[]);
        assert_eq!(answer.field("location"), want, "{why}");
        assert_eq!(answer.status == 308, want.is_some(), "{why}: {}", answer.status);
    }
}

#[test]
fn a_slash_is_rewritten_without_the_client_seeing_it() {
    let site = Site::start(|| {
        App::new()
            .get("/users/{id}", async |id: corelane_http::extract::Path<String>| id.0)
            .post("/users", async || "made")
            .before(TrailingSlash::trim().rewrite())
    });
    assert_eq!(site.get("/users/7/", &[]).body, "7");
    assert_eq!(site.send("POST", "/users/", &[], "").body, "made");
    assert_eq!(site.get("/other/", &[]).status, 404);
}

#[test]
fn a_post_becomes_what_it_asks_to_be_and_nothing_else() {
    let routes = || {
        App::new()
            .get("/n", async || "get")
            .post("/n", async || "post")
            .put("/n", async || "put")
            .patch("/n", async || "patch")
            .delete("/n", async |body: String| format!("delete {body}"))
    };
    let header = Site::start(move || routes().before(MethodOverride::by_header("x-method").hook()));
    for (why, method, field, want) in [
        ("delete, with its body", "POST", "DELETE", (200, "delete x")),
        ("any case", "POST", "put", (200, "put")),
        ("patch", "POST", "PATCH", (200, "patch")),
        ("only a POST is changed", "GET", "DELETE", (200, "get")),
    ] {
        let body = if method == "POST" { "x" } else { "" };
        let answer = header.send(method, "/n", &[("x-method", field)], body);
        assert_eq!((answer.status, &*answer.body), want, "{why}");
    }
    for forbidden in ["GET", "CONNECT", "TRACE", "", "DELETE, PUT"] {
        assert_eq!(header.send("POST", "/n", &[("x-method", forbidden)], "").status, 400, "{forbidden}");
    }
    assert_eq!(header.send("POST", "/n?_method=DELETE", &[], "").body, "post", "not asked for");
    let query = Site::start(move || routes().before(MethodOverride::by_query("_method").hook()));
    assert_eq!(query.send("POST", "/n?a=b&_method=DELETE", &[], "x").body, "delete x");
    assert_eq!(query.send("POST", "/n?_method=GET", &[], "").status, 400);
    assert_eq!(query.get("/n?_method=DELETE", &[]).body, "get");
}
