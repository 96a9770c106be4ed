//! Forms, the limits of extractors, and what `Option` makes of rejections.

use std::collections::BTreeMap;

use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::extract::{
    Authorization, Extension, Form, FormLimits, Header, Json, JsonLimits, Query, RequestId,
};
use corelane_http::middleware::Next;
use corelane_http::request::Request;
use corelane_http::response::Response;
use corelane_http::router::post;
use serde::Deserialize;
use serde_json::json;

use crate::support::{Answer, call, get};

const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "looked at through Debug")]
struct Note {
    text: String,
    #[serde(default)]
    tag: Vec<String>,
    stars: Option<u8>,
}

fn notes() -> App {
    App::new().route(
        "/",
        post(async |Form(note): Form<Note>| format!("{note:?}"))
            .get(async |Form(note): Form<Note>| format!("{note:?}")),
    )
}

fn send(app: App, content_type: &str, body: impl Into<Body>) -> Answer {
    call(&app.into_service(), Request::builder("POST", "/").header("content-type", content_type).body(body))
}

#[test]
fn fields_repeated_fields_and_absent_ones() {
    for (why, body, want) in [
        ("one", "text=a", r#"Note { text: "a", tag: [], stars: None }"#),
        ("plus and percent", "text=a+b%26%C3%A9", r#"Note { text: "a b&é", tag: [], stars: None }"#),
        (
            "repeated, apart",
            "tag=x&text=a&tag=y&stars=3",
            r#"Note { text: "a", tag: ["x", "y"], stars: Some(3) }"#,
        ),
        ("unknown ones are left", "text=a&other=1&&", r#"Note { text: "a", tag: [], stars: None }"#),
        ("empty is a value", "text=", r#"Note { text: "", tag: [], stars: None }"#),
    ] {
        let answer = send(notes(), FORM, body);
        assert_eq!((answer.status, &*answer.body), (200, want), "{why}");
        let answer = get(notes(), &format!("/?{body}"));
        assert_eq!((answer.status, &*answer.body), (200, want), "in a query: {why}");
    }
    let answer = send(notes(), "Application/X-WWW-Form-URLEncoded; charset=UTF-8", "text=a");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn what_does_not_fit_is_named() {
    for (why, body, status, field, says) in [
        ("not a number", "text=a&stars=many", 422, Some("stars"), "`stars`"),
        ("over the range", "text=a&stars=256", 422, Some("stars"), "`stars`"),
        ("missing", "stars=1", 422, None, "missing field `text`"),
        ("empty", "", 422, None, "missing field `text`"),
        ("not UTF-8", "text=%FF", 400, Some("text"), "`text` of the form is not UTF-8"),
        ("a name that is not UTF-8", "text=a&b%FF=1", 400, Some("b\u{fffd}"), "is not UTF-8"),
        ("two where one is wanted", "text=a&text=b", 422, Some("text"), "`text`"),
    ] {
        let answer = send(notes(), FORM, body);
        assert_eq!(answer.status, status, "{why}: {}", answer.body);
        let problem = answer.json();
        assert_eq!(problem.get("field").and_then(|field| field.as_str()), field, "{why}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{why}: {problem}");
    }
    assert_eq!(get(notes(), "/?text=a&stars=many").status, 400, "a query is no content");
    let query = || App::new().get("/", async |Query(note): Query<Note>| format!("{note:?}"));
    let answer = get(query(), "/?text=%FF");
    assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("text")), "never replaced");
    assert_eq!(get(query(), "/?text=%C3%A9%7e").status, 200);
}

#[test]
fn another_type_is_refused() {
    for content_type in ["application/json", "multipart/form-data; boundary=x", "text/plain", ""] {
        let answer = send(notes(), content_type, "text=a");
        assert_eq!(answer.status, 415, "{content_type}");
        assert!(answer.body.contains(FORM), "what to send is told: {}", answer.body);
    }
    assert_eq!(call(&notes().into_service(), Request::builder("POST", "/").body("text=a")).status, 415);
}

#[test]
fn a_form_has_limits_of_its_own_under_the_bodys() {
    let app = || notes().state(FormLimits { bytes_max: 20, fields_max: 3 });
    let answer = send(app(), FORM, "text=aaaaaaaaaaaaaaa");
    assert_eq!(answer.status, 200, "just as long: {}", answer.body);
    let answer = send(app(), FORM, "text=aaaaaaaaaaaaaaaa");
    assert_eq!((answer.status, &answer.json()["limit_bytes"]), (413, &json!(20)));
    assert_eq!(answer.json()["detail"], "The form is longer than 20 bytes.");
    let answer = send(app(), FORM, "text=a&a=&b=");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = send(app(), FORM, "text=a&a&b&c");
    assert_eq!((answer.status, &answer.json()["limit_fields"]), (400, &json!(3)));

    let million = "a&".repeat(1_000_000);
    let bounded = App::new()
        .state(FormLimits { bytes_max: u64::MAX, ..FormLimits::default() })
        .post("/", async |Form(_): Form<BTreeMap<String, Vec<String>>>| "taken");
    assert_eq!(send(bounded, FORM, million).status, 400, "a million fields");
    assert_eq!(send(notes(), FORM, "text=".to_owned() + &"a".repeat(256 * 1024)).status, 413, "the default");
}

#[test]
fn limits_are_of_the_nearest_layer_and_never_raise_the_bodys() {
    let take = async |Json(text): Json<String>| text.len().to_string();
    let app = || {
        App::new()
            .state(JsonLimits { bytes_max: 10 })
            .post("/app", take)
            .route("/near", post(take).with(JsonLimits { bytes_max: 20 }))
            .route("/body", post(take).body_limit(5))
    };
    for (why, target, len, status, limit) in [
        ("the application's", "/app", 8, 200, None),
        ("over it", "/app", 9, 413, Some(10)),
        ("the route's", "/near", 18, 200, None),
        ("over it", "/near", 19, 413, Some(20)),
        ("the body's is lower", "/body", 4, 413, Some(5)),
    ] {
        let body = format!("\"{}\"", "a".repeat(len));
        let request = Request::builder("POST", target).header("content-type", "application/json").body(body);
        let answer = call(&app().into_service(), request);
        assert_eq!(answer.status, status, "{why}: {}", answer.body);
        if let Some(limit) = limit {
            assert_eq!(answer.json()["limit_bytes"], json!(limit), "{why}");
        }
    }
}

#[test]
fn json_that_nests_without_end_is_refused() {
    let app = App::new().post("/", async |Json(_): Json<serde_json::Value>| "taken");
    let answer = send(app, "application/json", "[".repeat(100_000));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("recursion limit"), "{}", answer.body);
}

#[test]
fn an_option_is_none_for_what_is_absent_and_rejects_what_is_wrong() {
    type Numbers = BTreeMap<String, u8>;
    async fn all(
        auth: Option<Header<Authorization>>,
        query: Option<Query<Vec<(String, u8)>>>,
        extension: Option<Extension<u8>>,
        id: Option<RequestId>,
        form: Option<Form<Numbers>>,
    ) -> String {
        let found = [auth.is_some(), query.is_some(), extension.is_some(), id.is_some(), form.is_some()];
        found.map(|found| if found { "1" } else { "0" }).concat()
    }
    async fn json(json: Option<Json<Numbers>>) -> String {
        json.is_some().to_string()
    }
    async fn one(query: Option<Query<Note>>) -> String {
        query.is_some().to_string()
    }
    let service = App::new().post("/", all).post("/json", json).get("/one", one).into_service();
    let send = |target: &str, field: (&str, &str), body: &'static str| {
        let request = Request::builder("POST", target).header(field.0, field.1).body(body);
        let answer = call(&service, request);
        (answer.status, answer.body)
    };
    assert_eq!(send("/", ("x-none", ""), ""), (200, "01000".to_owned()), "a list may be empty");
    assert_eq!(send("/?a=1", ("content-type", FORM), "b=2").1, "01001");
    assert_eq!(send("/", ("authorization", "Bearer abc"), "").1, "11000");
    for (why, target, field, body, status) in [
        ("no credentials", "/", ("authorization", "Bearer"), "", 400),
        ("not a number", "/?a=x", ("x-none", ""), "", 400),
        ("not a number", "/", ("content-type", FORM), "a=x", 422),
        ("a body without its type", "/", ("x-none", ""), "a=1", 415),
        ("another type", "/json", ("content-type", FORM), "a=1", 415),
        ("no JSON", "/json", ("content-type", "application/json"), "", 400),
    ] {
        assert_eq!(send(target, field, body).0, status, "{why}: {target} {field:?}");
    }
    assert_eq!(send("/json", ("x-none", ""), "").1, "false");
    let get = |target| call(&service, Request::builder("GET", target));
    assert_eq!(get("/one").body, "false");
    assert_eq!(get("/one?text=a").body, "true");
    assert_eq!(get("/one?stars=1").status, 400, "there, and not whole");
}

#[test]
fn what_a_middleware_attaches_is_taken_and_its_absence_is_our_mistake() {
    async fn attach(mut request: Request, next: Next) -> Response {
        request.extensions_mut().insert(RequestId::new("id-7").unwrap());
        request.extensions_mut().insert("ada");
        next.run(request).await
    }
    async fn show(id: RequestId, Extension(user): Extension<&'static str>) -> String {
        format!("{id} {user}")
    }
    assert_eq!(get(App::new().get("/", show).with(attach), "/").body, "id-7 ada");
    let missing = get(App::new().get("/", show), "/");
    assert_eq!((missing.status, missing.json().get("detail")), (500, None));
    let missing = get(App::new().get("/", async |_: Extension<u8>| ""), "/");
    assert_eq!((missing.status, missing.json().get("detail")), (500, None));
}
