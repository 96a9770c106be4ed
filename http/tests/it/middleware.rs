//! Layers: what they go around, in which order, and what they can do.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::middleware::{Middleware, Next};
use corelane_http::request::Request;
use corelane_http::response::{Response, StatusCode};
use corelane_http::router::{get, post};

use crate::support::call;

/// Notes when a request comes in and when its response goes out.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn take(&self) -> String {
        self.0.take().join(" ")
    }

    fn note(&self, text: impl Into<String>) {
        self.0.borrow_mut().push(text.into());
    }

    fn layer(&self, name: &'static str) -> Noting {
        Noting { name, log: self.clone() }
    }
}

struct Noting {
    name: &'static str,
    log: Log,
}

impl Middleware for Noting {
    async fn handle(&self, request: Request, next: Next) -> Response {
        self.log.note(format!("+{}", self.name));
        let response = next.run(request).await;
        self.log.note(format!("-{}", self.name));
        response
    }
}

#[test]
fn layers_go_in_by_scope_then_by_order_of_addition_and_out_in_reverse() {
    let log = Log::default();
    let handler = |name: &'static str| {
        let log = log.clone();
        async move || log.note(name)
    };
    let service = App::new()
        .route("/early", get(handler("early")).with(log.layer("route1")).with(log.layer("route2")))
        .with(log.layer("app1"))
        .group("/g", |g| {
            g.get("/a", handler("a"))
                .with(log.layer("g1"))
                .group("/h", |h| h.with(log.layer("h1")).route("/b", get(handler("b")).with(log.layer("r"))))
                .with(log.layer("g2"))
        })
        .with(log.layer("app2"))
        .into_service();
    for (method, target, want) in [
        ("GET", "/early", "+app1 +app2 +route1 +route2 early -route2 -route1 -app2 -app1"),
        ("GET", "/g/a", "+app1 +app2 +g1 +g2 a -g2 -g1 -app2 -app1"),
        ("GET", "/g/h/b", "+app1 +app2 +g1 +g2 +h1 +r b -r -h1 -g2 -g1 -app2 -app1"),
        ("GET", "/none", "+app1 +app2 -app2 -app1"),
        ("GET", "/g/none", "+app1 +app2 -app2 -app1"),
        ("POST", "/early", "+app1 +app2 -app2 -app1"),
        ("OPTIONS", "/g/h/b", "+app1 +app2 +g1 +g2 +h1 -h1 -g2 -g1 -app2 -app1"),
    ] {
        call(&service, Request::builder(method, target));
        assert_eq!(log.take(), want, "{method} {target}");
    }
}

#[test]
fn a_layer_may_answer_without_the_handler() {
    async fn closed(_: Request, _: Next) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }
    let reached = Log::default();
    let handler = {
        let reached = reached.clone();
        async move || reached.note("handler")
    };
    let service = App::new().get("/", handler).with(closed).into_service();
    assert_eq!(call(&service, Request::builder("GET", "/")).status, 503);
    assert_eq!(reached.take(), "");
}

struct User(&'static str);

#[test]
fn a_layer_may_change_the_request_and_the_response() {
    async fn login(mut request: Request, next: Next) -> Response {
        request.extensions_mut().insert(User("ada"));
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-user", "ada").unwrap();
        response.set_status(StatusCode::ACCEPTED);
        response
    }
    async fn whoami(request: Request) -> &'static str {
        request.extensions().get::<User>().map_or("nobody", |user| user.0)
    }
    let service =
        App::new().get("/open", whoami).group("/in", |g| g.with(login).get("/who", whoami)).into_service();
    let open = call(&service, Request::builder("GET", "/open"));
    assert_eq!((open.status, &*open.body, open.field("x-user")), (200, "nobody", None));
    let inside = call(&service, Request::builder("GET", "/in/who"));
    assert_eq!((inside.status, &*inside.body, inside.field("x-user")), (202, "ada", Some("ada")));
}

#[test]
fn a_layer_that_reads_the_body_puts_it_back() {
    async fn shout(mut request: Request, next: Next) -> Response {
        let body = request.take_body().bytes().await.unwrap();
        request.set_body(body.to_ascii_uppercase());
        next.run(request).await
    }
    let service = App::new().post("/", async |body: Bytes| body).with(shout).into_service();
    assert_eq!(call(&service, Request::builder("POST", "/").body("abc")).body, "ABC");
}

#[test]
fn what_a_layer_decodes_is_held_to_the_limit_of_the_route() {
    async fn inflate(mut request: Request, next: Next) -> Response {
        let body = request.take_body().bytes().await.unwrap();
        request.set_body(Body::stream(Body::from(body.repeat(10))));
        next.run(request).await
    }
    let app = |limit| {
        let route = post(async |body: Bytes| body.len().to_string()).body_limit(limit);
        App::new().route("/", route).with(inflate).into_service()
    };
    assert_eq!(call(&app(30), Request::builder("POST", "/").body("abc")).body, "30");
    assert_eq!(call(&app(29), Request::builder("POST", "/").body("abc")).status, 413);
}

#[test]
fn a_layer_sees_the_route_and_the_parameters() {
    async fn tell(request: Request, next: Next) -> Response {
        let route = request.route().map(str::to_owned);
        let id = request.params().get("id").map(|id| id.into_owned());
        let response = next.run(request).await;
        response.with_header("x-route", format!("{route:?} {id:?}")).unwrap()
    }
    let service = App::new().with(tell).get("/users/{id}", async || ()).into_service();
    let field = |target| call(&service, Request::builder("GET", target)).field("x-route").unwrap().to_owned();
    assert_eq!(field("/users/7%20"), "Some(\"/users/{id}\") Some(\"7 \")");
    assert_eq!(field("/none"), "None None");
}

#[test]
fn closures_are_layers() {
    let log = Log::default();
    let seen = log.clone();
    let service = App::new()
        .get("/", async || "hi")
        .with(async move |request: Request, next: Next| {
            seen.note(request.path());
            next.run(request).await
        })
        .with(|request: Request, next: Next| next.run(request))
        .into_service();
    assert_eq!(call(&service, Request::builder("GET", "/")).body, "hi");
    assert_eq!(log.take(), "/");
}

#[test]
fn dropping_the_future_drops_the_handler_and_its_layers_where_they_wait() {
    struct Guard(Log, &'static str);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.note(format!("dropped {}", self.1));
        }
    }
    let log = Log::default();
    let (inner, outer) = (log.clone(), log.clone());
    let service = App::new()
        .get("/", async move || {
            let _guard = Guard(inner.clone(), "handler");
            std::future::pending::<()>().await;
        })
        .with(async move |request: Request, next: Next| {
            let _guard = Guard(outer.clone(), "layer");
            next.run(request).await
        })
        .into_service();
    let mut answer = service.call(Request::builder("GET", "/").build());
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(&mut answer).poll(cx).is_pending());
    assert_eq!(log.take(), "");
    drop(answer);
    assert_eq!(log.take(), "dropped handler dropped layer");
}
