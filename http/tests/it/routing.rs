//! Which handler answers, and what the router answers itself.

use std::time::Duration;

use corelane_http::app::App;
use corelane_http::extract::Path;
use corelane_http::middleware::{Deadline, Next};
use corelane_http::request::Request;
use corelane_http::response::{IntoResponse, Response, StatusCode};
use corelane_http::router::{any, get, post};
use http::Method;

use crate::support::{Answer, call, get as fetch, panic_of};

/// Answers with its own template and parameters.
async fn echo(request: Request) -> String {
    let mut answer = request.route().unwrap().to_owned();
    for (name, value) in request.params().iter() {
        answer.push_str(&format!(" {name}={}", String::from_utf8_lossy(value)));
    }
    answer
}

#[test]
fn parameters_come_out_of_the_path_by_name_as_they_were_sent() {
    let service = App::new()
        .get("/", echo)
        .get("/users/{id}", echo)
        .get("/users/{user}/posts/{post}", echo)
        .get("/files/{*path}", echo)
        .get("/caf\u{e9}", echo)
        .into_service();
    for (target, want) in [
        ("/", "/"),
        ("/users/7", "/users/{id} id=7"),
        ("/users/7?x=/a/b", "/users/{id} id=7"),
        ("/users/a%20b", "/users/{id} id=a%20b"),
        ("/users/7/posts/8", "/users/{user}/posts/{post} user=7 post=8"),
        ("/files/a/b.txt", "/files/{*path} path=a/b.txt"),
        ("/caf%C3%A9", "/caf\u{e9}"),
        ("http://localhost/users/9", "/users/{id} id=9"),
    ] {
        let answer = call(&service, Request::builder("GET", target));
        assert_eq!((answer.status, &*answer.body), (200, want), "{target}");
    }
    for (target, why) in [
        ("/users/", "an empty segment is no parameter"),
        ("/users", "nor is a missing one"),
        ("/users/7/", "a slash at the end makes another path"),
        ("/files/", "the rest is not empty"),
        ("//users/7", "slashes are not merged"),
        ("/./users/7", "dots are not resolved"),
        ("/USERS/7", "case matters"),
    ] {
        assert_eq!(call(&service, Request::builder("GET", target)).status, 404, "{why}");
    }
}

#[test]
fn sixteen_parameters_fit() {
    let template: String = (0..16).map(|n| format!("/{{p{n}}}")).collect();
    let target: String = (0..16).map(|n| format!("/{n}")).collect();
    let answer = fetch(App::new().get(&template, echo), &target);
    assert!(answer.body.ends_with(" p14=14 p15=15"), "{}", answer.body);
}

fn by_method(service_for: App, method: &str, target: &str) -> Answer {
    call(&service_for.into_service(), Request::builder(method, target))
}

#[test]
fn methods_choose_the_handler_and_what_has_none_is_405_with_allow() {
    let app = || {
        App::new()
            .route("/notes", get(async || "all").post(async || "new"))
            .put("/notes", async || "replaced")
            .on(Method::from_bytes(b"PURGE").unwrap(), "/notes", async || "purged")
    };
    for (method, want) in [("GET", "all"), ("POST", "new"), ("PUT", "replaced"), ("PURGE", "purged")] {
        assert_eq!(by_method(app(), method, "/notes").body, want, "{method}");
    }
    let answer = by_method(app(), "DELETE", "/notes");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.field("allow"), Some("GET, HEAD, POST, PUT, PURGE, OPTIONS"));
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert_eq!(by_method(app(), "get", "/notes").status, 405, "methods are case-sensitive");
}

#[test]
fn head_is_answered_by_get_and_options_by_the_router() {
    let app = || App::new().get("/a", async || "12345");
    let head = by_method(app(), "HEAD", "/a");
    assert_eq!(
        (head.status, head.body.len()),
        (200, 5),
        "the connection tells the length and leaves the body out"
    );
    let options = by_method(app(), "OPTIONS", "/a");
    assert_eq!(
        (options.status, options.field("allow"), &*options.body),
        (204, Some("GET, HEAD, OPTIONS"), "")
    );
    assert_eq!(by_method(app(), "HEAD", "/b").status, 404);
    assert_eq!(by_method(app(), "OPTIONS", "/b").status, 404);
}

#[test]
fn own_head_and_options_come_first() {
    let app =
        || App::new().route("/a", get(async || "get").head(async || "head").options(async || "options"));
    assert_eq!(by_method(app(), "HEAD", "/a").body, "head");
    assert_eq!(by_method(app(), "OPTIONS", "/a").body, "options");
}

#[test]
fn any_takes_what_has_no_handler_of_its_own() {
    let app = || App::new().route("/a", any(async |method: Method| method.to_string()).get(async || "get"));
    assert_eq!(by_method(app(), "GET", "/a").body, "get");
    assert_eq!(by_method(app(), "HEAD", "/a").body, "get", "HEAD belongs to GET");
    assert_eq!(by_method(app(), "DELETE", "/a").body, "DELETE");
    assert_eq!(by_method(app(), "OPTIONS", "/a").body, "OPTIONS");
    assert_eq!(by_method(app(), "BREW", "/a").body, "BREW");
}

#[test]
fn options_of_the_server_as_a_whole() {
    let app = App::new().get("/a", async || ()).post("/b", async || ());
    let answer = by_method(app, "OPTIONS", "*");
    assert_eq!(answer.status, 204);
    let mut allow: Vec<&str> = answer.field("allow").unwrap().split(", ").collect();
    allow.sort_unstable();
    assert_eq!(allow, ["GET", "HEAD", "OPTIONS", "POST"]);
}

#[test]
fn groups_put_their_prefix_in_front() {
    let service = App::new()
        .group("/api", |api| {
            api.get("", echo)
                .get("/", echo)
                .get("/users/{id}", echo)
                .group("/orgs/{org}", |org| org.get("/repos/{repo}", echo).post("/repos/{repo}", echo))
        })
        .get("/api/extra", echo)
        .into_service();
    for (target, want) in [
        ("/api", "/api"),
        ("/api/", "/api/"),
        ("/api/users/7", "/api/users/{id} id=7"),
        ("/api/orgs/rust/repos/cargo", "/api/orgs/{org}/repos/{repo} org=rust repo=cargo"),
        ("/api/extra", "/api/extra"),
    ] {
        assert_eq!(call(&service, Request::builder("GET", target)).body, want);
    }
}

#[test]
fn one_path_may_name_its_parameters_differently_by_method() {
    async fn read(Path(id): Path<u32>) -> String {
        format!("read {id}")
    }
    let app = || App::new().get("/a/{id}", read).delete("/a/{name}", echo);
    assert_eq!(by_method(app(), "GET", "/a/1").body, "read 1");
    assert_eq!(by_method(app(), "DELETE", "/a/1").body, "/a/{name} name=1");
}

#[test]
fn a_route_given_twice_panics_at_its_second_line_and_names_the_first() {
    let first = line!() + 2;
    let (message, line) = panic_of(|| {
        let app = App::new().get("/users/{id}", echo);
        let _ = app.get("/users/{name}", echo);
    });
    assert_eq!(line, first + 1);
    let at = format!("tests/it/routing.rs:{first}:");
    assert!(message.contains("`/users/{name}` has a handler for GET already: `/users/{id}`"), "{message}");
    assert!(message.contains(&at), "{message}");
}

#[test]
fn mistakes_panic_at_the_callers_line() {
    fn checked(wanted: &str, run: impl FnOnce()) {
        let (message, line) = panic_of(run);
        assert!(message.contains(wanted), "{message}");
        assert_ne!(line, 0, "not blamed on a line of this file: {message}");
    }
    checked("has to begin with a slash", || drop(App::new().get("users", echo)));
    checked("takes a whole segment", || drop(App::new().post("/{id}.json", echo)));
    checked("two handlers for POST", || drop(post(echo).post(echo)));
    checked("two handlers for any method", || drop(any(echo).any(echo)));
    checked("not to end with one", || drop(App::new().group("/api/", |api| api)));
    checked("in a group", || drop(App::new().group("/api", |api| api.get("users", echo))));
    checked("has a handler for GET already", || {
        drop(App::new().get("/api/a", echo).group("/api", |api| api.get("/a", echo)));
    });
    checked("has the name of another route, `a`", || {
        drop(App::new().route("/a", get(echo).name("a")).route("/b", get(echo).name("a")));
    });
    checked("has a `u8` already", || drop(get(echo).meta(1_u8).meta(2_u8)));
    checked("two states of type u8", || drop(App::new().state(1_u8).state(2_u8)));
}

#[test]
fn a_hook_changes_what_is_looked_for_before_it_is_routed() {
    let service = App::new()
        .get("/new/{id}", echo)
        .delete("/new/{id}", async |request: Request| {
            format!("{} {} {:?}", request.method(), request.path(), request.query())
        })
        .on(Method::from_bytes(b"PURGE").unwrap(), "/new/{id}", async |method: Method| method.to_string())
        .before(|request| {
            let path = request.path().replace("/old/", "/new/");
            request.set_path(&path).map_err(IntoResponse::into_response)
        })
        .before(|request| {
            let wanted =
                request.header("x-http-method-override").map(|name| Method::from_bytes(name.as_bytes()));
            match wanted {
                None => Ok(()),
                Some(Ok(method)) => request.set_method(&method).map_err(IntoResponse::into_response),
                Some(Err(_)) => Err(StatusCode::BAD_REQUEST.into_response()),
            }
        })
        .into_service();
    let sent = |method: &str| {
        call(&service, Request::builder("POST", "/old/7?x=1").header("x-http-method-override", method))
    };
    assert_eq!(call(&service, Request::builder("GET", "/old/a%20b")).body, "/new/{id} id=a%20b");
    assert_eq!(sent("DELETE").body, "DELETE /new/7 Some(\"x=1\")");
    assert_eq!(sent("PURGE").body, "PURGE");
    assert_eq!(sent("no token").status, 400);
    assert_eq!(sent("CONNECT").status, 400);
    assert_eq!(sent(&"M".repeat(33)).status, 414);
    assert_eq!(sent("PATCH").status, 405);
}

#[test]
fn a_refused_change_leaves_the_request_as_it_was() {
    let mut request = Request::builder("GET", "/a?b=c").header("x-a", "1").build();
    for path in ["", "a", "/a b", "/a?b", "/a#b", "/\u{e9}", "/a\r\n", "/\0"] {
        assert!(request.set_path(path).unwrap_err().is_invalid(), "{path:?}");
    }
    assert!(request.set_path(&format!("/{}", "a".repeat(65_500))).unwrap_err().is_too_long());
    assert_eq!((request.path(), request.query(), request.header("x-a")), ("/a", Some("b=c"), Some("1")));
    for path in ["/b", "/c", "/%41"] {
        request.set_path(path).unwrap();
        assert_eq!((request.path(), request.query(), request.header("x-a")), (path, Some("b=c"), Some("1")));
    }
}

#[test]
fn a_hook_may_answer_and_the_next_ones_do_not_run() {
    let service = App::new()
        .get("/", async || "handler")
        .before(|request| if request.path() == "/" { Ok(()) } else { Err(StatusCode::GONE.into_response()) })
        .before(|request| {
            assert_eq!(request.path(), "/");
            Ok(())
        })
        .into_service();
    assert_eq!(call(&service, Request::builder("GET", "/")).body, "handler");
    assert_eq!(call(&service, Request::builder("GET", "/other")).status, 410);
}

#[test]
fn the_list_tells_methods_templates_names_layers_values_and_lines() {
    async fn layer(request: Request, next: Next) -> Response {
        next.run(request).await
    }
    struct Role(&'static str);
    let line = line!() + 1;
    let app = App::new().route("/notes", get(echo).post(echo).name("notes")).group("/api", |api| {
        api.with(layer)
            .route("/{id}", any(echo).with(Deadline::after(Duration::from_secs(1))).meta(Role("admin")))
    });
    let service = app.into_service();
    let routes = service.routes();
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[0].methods().collect::<Vec<_>>(), [Method::GET, Method::POST]);
    assert_eq!(
        (routes[0].template(), routes[0].name(), routes[0].location().line()),
        ("/notes", Some("notes"), line)
    );
    assert_eq!(routes[0].middleware().count(), 0);
    assert_eq!((routes[1].template(), routes[1].name(), routes[1].has_any()), ("/api/{id}", None, true));
    assert_eq!(routes[1].middleware().collect::<Vec<_>>(), ["layer", "Deadline"]);
    assert_eq!(routes[1].meta::<Role>().map(|role| role.0), Some("admin"));
    assert_eq!(
        routes.to_string(),
        "METHOD     PATH       NAME   MIDDLEWARE\n\
         GET, POST  /notes     notes\n\
         any        /api/{id}         layer > Deadline\n"
    );
    let json = serde_json::to_value(routes).unwrap();
    assert_eq!(json[1]["methods"], serde_json::json!(["*"]));
    assert_eq!(json[1]["middleware"], serde_json::json!(["layer", "Deadline"]));
    let location = json[0]["location"].as_str().unwrap();
    assert!(location.ends_with(&format!("tests/it/routing.rs:{line}")), "{location}");
}

#[test]
fn what_is_attached_to_a_route_is_seen_by_its_layers() {
    struct Role(&'static str);
    async fn guard(request: Request, next: Next) -> Response {
        match request.route_meta::<Role>() {
            Some(role) if request.header("x-role") != Some(role.0) => StatusCode::FORBIDDEN.into_response(),
            _ => next.run(request).await,
        }
    }
    let service = App::new()
        .with(guard)
        .get("/open", async || ())
        .route("/closed", get(async || ()).meta(Role("admin")))
        .into_service();
    assert_eq!(call(&service, Request::builder("GET", "/open")).status, 204);
    assert_eq!(call(&service, Request::builder("GET", "/closed")).status, 403);
    assert_eq!(call(&service, Request::builder("GET", "/closed").header("x-role", "admin")).status, 204);
}
