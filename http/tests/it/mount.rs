//! Patterns, guards, hosts, applications in applications, fallbacks.

use corelane_http::app::App;
use corelane_http::extract::{Path, State};
use corelane_http::middleware::Next;
use corelane_http::request::{Request, RequestBuilder};
use corelane_http::response::{Response, StatusCode};
use corelane_http::router::{get, guard, post};

use crate::support::{call, panic_of};

/// Answers with its own template and parameters.
async fn echo(request: Request) -> String {
    let mut answer = request.route().unwrap_or("none").to_owned();
    for (name, value) in request.params().iter() {
        answer.push_str(&format!(" {name}={}", String::from_utf8_lossy(value)));
    }
    answer
}

fn at(target: &str) -> RequestBuilder {
    Request::builder("GET", target)
}

#[test]
fn a_pattern_chooses_between_text_and_a_plain_name() {
    let service = App::new()
        .get("/{name}", echo)
        .get("/{*rest}", echo)
        .get("/{id:[0-9]+}", echo)
        .get("/{hex:[0-9a-f]+}", echo)
        .get("/7", echo)
        .get("/{year:[0-9]{4}}/{month:[0-9]{2}}", echo)
        .get("/{slug:[^/]+\\.html}/view", echo)
        .into_service();
    for (why, target, want) in [
        ("text first", "/7", "/7"),
        ("then patterns", "/42", "/{id:[0-9]+} id=42"),
        ("in order of registration", "/4f", "/{hex:[0-9a-f]+} hex=4f"),
        ("then names", "/xyz", "/{name} name=xyz"),
        ("then the rest", "/xyz/abc", "/{*rest} rest=xyz/abc"),
        ("two patterns", "/2026/11", "/{year:[0-9]{4}}/{month:[0-9]{2}} year=2026 month=11"),
        ("back from a pattern that led nowhere", "/2026/1", "/{*rest} rest=2026/1"),
        ("a slash inside the braces", "/a.html/view", "/{slug:[^/]+\\.html}/view slug=a.html"),
        ("decoded for the pattern, sent on as it was", "/%34%32", "/{id:[0-9]+} id=%34%32"),
    ] {
        assert_eq!(call(&service, at(target)).body, want, "{why}: {target}");
    }
}

#[test]
fn mistakes_in_patterns_guards_and_hosts_panic_at_the_callers_line() {
    fn checked(wanted: &str, run: impl FnOnce()) {
        let (message, line) = panic_of(run);
        assert!(message.contains(wanted), "{message}");
        assert_ne!(line, 0, "not blamed on a line of this file: {message}");
    }
    checked("`[0-9` is not a regular expression", || drop(App::new().get("/{id:[0-9}", echo)));
    checked("`a)|(b` is not a regular expression", || drop(App::new().get("/{id:a)|(b}", echo)));
    checked("has a handler for GET already", || {
        drop(App::new().get("/{a:x+}", echo).get("/{b:x+}", echo));
    });
    checked("`http://a` is not a host", || drop(App::new().host("http://a", |group| group)));
    checked("`a:80` is not a host", || drop(get(echo).guard(guard::host("a:80"))));
    checked("has a handler for GET already", || {
        let route = || get(echo).guard(guard::header("X-A", "1")).guard(guard::host("a"));
        let turned = get(echo).guard(guard::host("A")).guard(guard::header("x-a", "1"));
        drop(App::new().route("/", route()).route("/", turned));
    });
    checked("cannot stand in a group for the host `a`", || {
        let inner = App::new().host("b", |group| group.get("/", echo));
        drop(App::new().host("a", |group| group.nest("/x", inner)));
    });
    checked("two fallbacks", || drop(App::new().fallback(echo).fallback(echo)));
    checked("is not a prefix", || drop(App::new().group("/{*rest}", |group| group)));
    checked("is not a prefix", || drop(App::new().nest("api", App::new())));
    checked("has a handler for GET already", || {
        drop(App::new().get("/a/b", echo).nest("/a", App::new().get("/b", echo)));
    });
    checked("has the name of another route, `x`", || {
        let other = App::new().route("/", get(echo).name("x"));
        drop(App::new().route("/y", get(echo).name("x")).nest("/a", other));
    });
    checked("two states of type u8", || {
        drop(App::new().state(1_u8).merge(App::new().state(2_u8)));
    });
    let (message, _) = panic_of(|| {
        let other = App::new().fallback(echo);
        drop(App::new().fallback(echo).merge(other).into_service());
    });
    assert!(message.contains("two fallbacks for ``"), "{message}");
}

#[test]
fn guards_tell_routes_of_one_path_apart() {
    let service = App::new()
        .route("/", get(async || "v2").guard(guard::header("x-version", "2")))
        .route("/", get(async || "query").guard(|request: &Request| request.query().is_some()))
        .route("/", get(async || "plain").post(async || "posted"))
        .route("/only", get(async || "only").guard(guard::header("x-version", "2")))
        .get("/{name}", async || "any")
        .into_service();
    let body = |request| call(&service, request).body;
    assert_eq!(body(at("/")), "plain");
    assert_eq!(body(at("/?a")), "query");
    assert_eq!(body(at("/?a").header("X-Version", "2")), "v2", "the first that passes");
    assert_eq!(body(at("/").header("x-version", "22")), "plain");
    assert_eq!(body(at("/").header("x-version", "1").header("x-version", "2")), "v2", "any of its lines");
    assert_eq!(
        body(Request::builder("POST", "/?a").header("x-version", "2")),
        "posted",
        "guards and no method"
    );
    assert_eq!(body(at("/only").header("x-version", "2")), "only");
    assert_eq!(body(at("/only")), "any", "what does not pass is as if it were not there");
}

#[test]
fn allow_lists_the_methods_whose_guards_pass() {
    let service = App::new()
        .route("/", get(async || ()).guard(guard::header("a", "1")))
        .route("/", post(async || ()).guard(guard::header("b", "1")))
        .into_service();
    let sent = |method: &str, fields: &[&str]| {
        let request = Request::builder(method, "/");
        let answer = call(&service, fields.iter().fold(request, |request, name| request.header(name, "1")));
        (answer.status, answer.field("allow").map(str::to_owned))
    };
    assert_eq!(sent("PUT", &["a"]), (405, Some("GET, HEAD, OPTIONS".to_owned())));
    assert_eq!(sent("PUT", &["a", "b"]), (405, Some("GET, HEAD, POST, OPTIONS".to_owned())));
    assert_eq!(sent("OPTIONS", &["b"]), (204, Some("POST, OPTIONS".to_owned())));
    assert_eq!(sent("HEAD", &["a"]).0, 204);
    assert_eq!(sent("PUT", &[]).0, 404);
}

#[test]
fn hosts_have_routes_of_their_own_and_share_the_rest() {
    let service = App::new()
        .get("/", async || "everywhere")
        .get("/health", async || "fine")
        .host("*.example.com", |tenant| tenant.get("/", async || "tenant").get("/{page}", echo))
        .host("*.eu.example.com", |tenant| tenant.get("/", async || "eu"))
        .host("API.example.com", |api| {
            api.group("/v1", |v1| v1.get("/users", async || "users")).fallback(async || "no such api")
        })
        .into_service();
    for (host, target, want) in [
        ("example.com", "/", "everywhere"),
        ("a.example.com", "/", "tenant"),
        ("A.Example.COM:8080", "/", "tenant"),
        ("a.eu.example.com", "/", "eu"),
        ("a.eu.example.com", "/x", "/{page} page=x"),
        ("a.example.com", "/health", "/{page} page=health"),
        ("api.example.com", "/v1/users", "users"),
        ("api.example.com", "/", "tenant"),
        ("api.example.com", "/v1/none", "no such api"),
        ("example.com", "/health", "fine"),
        ("badexample.com", "/", "everywhere"),
    ] {
        assert_eq!(call(&service, at(target).header("host", host)).body, want, "{host} {target}");
    }
    assert_eq!(call(&service, at("/v1/users")).status, 404);
    assert_eq!(call(&service, Request::builder("PUT", "/").header("host", "a.example.com")).status, 405);
    let hosts: Vec<_> = service.routes().iter().map(|route| route.host()).collect();
    assert_eq!(hosts[0], None);
    assert_eq!(hosts[4], Some("*.eu.example.com"));
    assert_eq!(hosts[5], Some("api.example.com"));
}

#[test]
fn an_application_is_mounted_with_all_that_it_has() {
    async fn mark(request: Request, next: Next) -> Response {
        next.run(request).await.with_header("x-blog", "yes").unwrap()
    }
    async fn title(State(title): State<String>) -> String {
        title.as_str().to_owned()
    }
    let blog = || {
        App::new()
            .state("the blog".to_owned())
            .with(mark)
            .get("/", title)
            .get("/{post}/edit", echo)
            .fallback(async || (StatusCode::NOT_FOUND, "no such post"))
            .on_error(404, async |_: Request, response: Response| {
                format!("the blog: {}", response.status().as_u16())
            })
            .before(|request| {
                request.extensions_mut().insert(1_u8);
                Ok(())
            })
    };
    let service = App::new()
        .get("/", async |request: Request| request.extensions().get::<u8>().copied().unwrap_or(0).to_string())
        .nest("/blog", blog())
        .group("/{lang}", |lang| lang.merge(App::new().get("/about", echo)))
        .into_service();
    let answer = call(&service, at("/blog"));
    assert_eq!((&*answer.body, answer.field("x-blog")), ("the blog", Some("yes")));
    assert_eq!(call(&service, at("/blog/")).body, "the blog: 404");
    assert_eq!(call(&service, at("/blog/a/edit")).body, "/blog/{post}/edit post=a");
    let missing = call(&service, at("/blog/a/b"));
    assert_eq!(
        (missing.status, &*missing.body, missing.field("x-blog")),
        (404, "the blog: 404", Some("yes"))
    );
    assert_eq!(call(&service, at("/blogs")).field("content-type"), Some("application/problem+json"));
    assert_eq!(call(&service, at("/de/about")).body, "/{lang}/about lang=de");
    assert_eq!(call(&service, at("/")).body, "1", "hooks are for every request");
}

#[test]
fn the_innermost_fallback_answers() {
    let service = App::new()
        .get("/api/users", echo)
        .fallback(async || "app")
        .group("/api", |api| {
            api.get("/posts", echo).fallback(async || "api").group("/{org}/repos", |repos| {
                repos.get("/{repo}", echo).fallback(async |Path(org): Path<String>| format!("repos of {org}"))
            })
        })
        .method_not_allowed(async || (StatusCode::METHOD_NOT_ALLOWED, "not that"))
        .into_service();
    for (target, want) in [
        ("/x", "app"),
        ("/apix", "app"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/x/y", "api"),
        ("/api/rust/repos", "repos of rust"),
        ("/api/rust/repos/a/b", "repos of rust"),
        ("/api//repos/a/b", "api"),
    ] {
        assert_eq!(call(&service, at(target)).body, want, "{target}");
    }
    let refused = call(&service, Request::builder("PUT", "/api/users"));
    assert_eq!(
        (refused.status, &*refused.body, refused.field("allow")),
        (405, "not that", Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(call(&service, Request::builder("OPTIONS", "/api/users")).status, 204);
    let merged = App::new().merge(App::new().get("/a", echo).fallback(async || "merged")).into_service();
    assert_eq!(call(&merged, at("/b")).body, "merged");
    let whole = call(&merged, Request::builder("OPTIONS", "*"));
    assert_eq!((whole.status, whole.field("allow")), (204, Some("GET, HEAD, OPTIONS")), "`*` is no path");
}
