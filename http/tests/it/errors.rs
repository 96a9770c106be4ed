//! Error handlers by status, and problems as pages.

use std::time::Duration;

use corelane_http::app::App;
use corelane_http::extract::Path;
use corelane_http::middleware::Deadline;
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{Html, IntoResponse, Response, StatusCode};
use corelane_http::router::get;

use crate::support::{call, panic_of};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn status(Path(status): Path<u16>) -> (StatusCode, &'static str) {
    (StatusCode::from_u16(status).unwrap(), "own")
}

#[test]
fn handlers_are_chosen_by_one_status_a_list_or_a_range_the_narrowest_first() {
    let service = App::new()
        .get("/{status}", status)
        .on_error(400..=599, async |_: Request, _: Response| "all")
        .on_error(500..=599, async |_: Request, _: Response| "server")
        .on_error([503, 504], async |_: Request, _: Response| "two")
        .on_error(StatusCode::NOT_FOUND, async |_: Request, _: Response| "one")
        .on_error(404, async |_: Request, _: Response| "second")
        .into_service();
    for (code, want) in [
        (200, "own"),
        (302, "own"),
        (400, "all"),
        (404, "one"),
        (499, "all"),
        (500, "server"),
        (503, "two"),
        (504, "two"),
    ] {
        let answer = call(&service, Request::builder("GET", &format!("/{code}")));
        assert_eq!((answer.status, &*answer.body), (code, want));
    }
}

#[test]
fn the_handler_sees_the_request_and_the_answer() {
    async fn tell(request: Request, response: Response) -> String {
        format!(
            "{} {} {:?} {:?} {:?} {} {}",
            request.method(),
            request.path(),
            request.query(),
            request.header("x-a"),
            request.route(),
            request.params().get("id").unwrap_or_default(),
            response.status().as_u16(),
        )
    }
    let service = App::new()
        .post("/users/{id}", async |_: String| StatusCode::CONFLICT)
        .before(|request| request.set_path("/users/8").map_err(IntoResponse::into_response))
        .on_error(409, tell)
        .into_service();
    let sent = Request::builder("POST", "/users/7?b=c").header("x-a", "1").body("text");
    assert_eq!(
        call(&service, sent).body,
        "POST /users/8 Some(\"b=c\") Some(\"1\") Some(\"/users/{id}\") 8 409"
    );
}

#[test]
fn errors_of_all_origins_pass_through() {
    async fn slow() {
        std::future::pending::<()>().await;
    }
    let service = App::new()
        .get("/number/{n}", async |Path(n): Path<u8>| n.to_string())
        .get("/panic", async || -> () { panic!("a handler of the tests panics") })
        .route("/slow", get(slow).deadline(Duration::from_millis(5)))
        .on_error(400..=599, async |_: Request, response: Response| {
            format!("handled {}", response.status().as_u16())
        })
        .with(Deadline::after(Duration::from_secs(5)))
        .into_service();
    for (method, target, code) in [
        ("GET", "/number/x", 400),
        ("GET", "/none", 404),
        ("POST", "/panic", 405),
        ("GET", "/panic", 500),
        ("GET", "/slow", 504),
    ] {
        let answer = call(&service, Request::builder(method, target));
        assert_eq!((answer.status, answer.body), (code, format!("handled {code}")), "{target}");
    }
}

#[test]
fn the_status_and_what_is_not_about_the_body_stay() {
    let service = App::new()
        .get("/", async || {
            (
                StatusCode::UNAUTHORIZED,
                [("www-authenticate", "Basic"), ("etag", "\"1\""), ("x-a", "1")],
                "text",
            )
        })
        .get("/moved", async || StatusCode::GONE)
        .on_error(401, async |_: Request, _: Response| ([("x-a", "2")], Html("<p>Log in</p>")))
        .on_error(410, async |_: Request, _: Response| (StatusCode::SEE_OTHER, [("location", "/")], "moved"))
        .into_service();
    let answer = call(&service, Request::builder("GET", "/"));
    assert_eq!((answer.status, &*answer.body), (401, "<p>Log in</p>"));
    assert_eq!(answer.field("www-authenticate"), Some("Basic"));
    assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.field("etag"), None, "it is that of another body");
    assert_eq!(answer.fields.iter().filter(|(name, _)| name == "x-a").count(), 1);
    assert_eq!(answer.field("x-a"), Some("2"));
    let answer = call(&service, Request::builder("GET", "/moved"));
    assert_eq!((answer.status, answer.field("location")), (303, Some("/")), "another status is meant");
    let refused = call(&service, Request::builder("PUT", "/moved"));
    assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn the_innermost_scope_has_the_last_word() {
    let service = App::new()
        .get("/x", async || StatusCode::NOT_FOUND)
        .group("/api", |api| {
            api.get("/x", async || StatusCode::NOT_FOUND)
                .get("/y", async || StatusCode::GONE)
                .on_error(404, async |_: Request, _: Response| "api")
        })
        .on_error(400..=499, async |_: Request, _: Response| "app")
        .into_service();
    for (target, want) in [("/x", "app"), ("/api/x", "api"), ("/api/y", "app"), ("/api/none", "app")] {
        assert_eq!(call(&service, Request::builder("GET", target)).body, want, "{target}");
    }
}

#[test]
fn statuses_that_are_no_errors_are_a_mistake() {
    for wrong in [200..=200, 399..=404, 500..=600] {
        let (message, line) = panic_of(|| {
            drop(App::new().on_error(wrong.clone(), async |_: Request, response: Response| response));
        });
        assert!(message.contains("400 to 599"), "{message}");
        assert_ne!(line, 0);
    }
    let (message, _) = panic_of(|| {
        drop(App::new().on_error([0_u16; 0], async |_: Request, response: Response| response));
    });
    assert!(message.contains("for no status"), "{message}");
}

#[test]
fn a_browser_gets_a_page_and_programs_a_problem() {
    let service = App::new()
        .get("/fails", async || {
            Err::<(), _>(Problem::new(StatusCode::CONFLICT).title("<b>Taken</b>").detail("\"x\" & 'y'"))
        })
        .get("/text", async || (StatusCode::CONFLICT, "plain"))
        .into_service();
    let sent = |target: &str, accept: Option<&str>| {
        let request = Request::builder("GET", target);
        let answer = call(
            &service,
            accept.into_iter().fold(request, |request, accept| request.header("accept", accept)),
        );
        (answer.status, answer.field("content-type").unwrap().to_owned(), answer.body, answer.fields)
    };
    for accept in [BROWSER, "text/html", "Text/HTML , */*", "application/xhtml+xml"] {
        let (code, kind, body, fields) = sent("/none", Some(accept));
        assert_eq!((code, &*kind), (404, "text/html; charset=utf-8"), "{accept}");
        assert!(body.contains("<h1>Not Found</h1>") && body.contains("nothing at this path"), "{body}");
        assert!(fields.contains(&("vary".to_owned(), "accept".to_owned())));
    }
    for accept in
        [None, Some("*/*"), Some("application/json"), Some("application/json, text/html"), Some("text/html2")]
    {
        assert_eq!(sent("/none", accept).1, "application/problem+json", "{accept:?}");
    }
    let (_, _, body, _) = sent("/fails", Some(BROWSER));
    assert!(body.contains("<h1>&lt;b&gt;Taken&lt;/b&gt;</h1>"), "{body}");
    assert!(body.contains("<p>&quot;x&quot; &amp; &#39;y&#39;</p>"), "{body}");
    assert_eq!(sent("/text", Some(BROWSER)).2, "plain", "what is no problem stays as it is");
    let refused = call(&service, Request::builder("PUT", "/text").header("accept", BROWSER));
    assert_eq!((refused.status, refused.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn a_problem_that_an_error_handler_leaves_is_still_shown_as_a_page() {
    let service = App::new().on_error(404, async |_: Request, response: Response| response).into_service();
    let answer = call(&service, Request::builder("GET", "/none").header("accept", BROWSER));
    assert_eq!((answer.status, answer.field("content-type")), (404, Some("text/html; charset=utf-8")));
    let answer = call(&service, Request::builder("GET", "/none"));
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
}
