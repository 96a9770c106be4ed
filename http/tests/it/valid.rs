//! Validation: every error at once, with its pointer; and credentials and fields, which are strict too.

use std::collections::BTreeMap;

use corelane_http::app::App;
use corelane_http::extract::{
    BasicCredentials, BearerToken, Form, Header, Json, Origin, Path, Query, RequestHeaders, Valid,
};
use corelane_http::multipart::MultipartForm;
use corelane_http::request::{Request, RequestBuilder};
use garde::Validate;
use serde::Deserialize;
use serde_json::json;

use crate::support::{Answer, call, get};
use crate::uploads::body;

#[derive(Debug, Deserialize, Validate)]
struct Order {
    #[garde(length(min = 1))]
    item: String,
    #[garde(dive)]
    lines: Vec<Line>,
    #[garde(dive)]
    #[serde(default)]
    by_key: BTreeMap<String, Line>,
}

#[derive(Debug, Deserialize, Validate)]
struct Line {
    #[garde(range(min = 1, max = 9))]
    count: u8,
}

#[derive(Debug, Deserialize, Validate)]
#[garde(context(Most))]
struct Page {
    #[garde(range(min = 1))]
    page: u32,
    #[garde(custom(under_limit))]
    size: u32,
}

#[derive(Default)]
struct Most(u32);

fn under_limit(size: &u32, most: &Most) -> garde::Result {
    if *size > most.0 { Err(garde::Error::new(format!("more than {}", most.0))) } else { Ok(()) }
}

impl Page {
    fn text(&self) -> String {
        format!("{} {}", self.page, self.size)
    }
}

fn errors(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 422, "{}", answer.body);
    let problem = answer.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().unwrap().iter();
    errors.map(|error| (text(&error["pointer"]), text(&error["detail"]))).collect()
}

fn json(body: &str) -> RequestBuilder {
    Request::builder("POST", "/").header("content-type", "application/json").body(body.to_owned())
}

#[test]
fn every_error_of_a_document_is_told_with_its_pointer() {
    async fn take(Valid(Json(order)): Valid<Json<Order>>) -> String {
        format!("{} {} {}", order.item, order.lines.len(), order.by_key.len())
    }
    let service = App::new().post("/", take).into_service();
    let fine = r#"{"item":"a","lines":[{"count":1}]}"#;
    assert_eq!(call(&service, json(fine)).body, "a 1 0");
    let wrong = r#"{"item":"","lines":[{"count":1},{"count":0}],"by_key":{"a.b/c~":{"count":10}}}"#;
    let answer = call(&service, json(wrong));
    let pointers: Vec<String> = errors(&answer).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/by_key/a.b~1c~0/count", "/item", "/lines/1/count"]);
    assert_eq!(answer.json()["detail"], "3 values are not valid.");
    assert_eq!(call(&service, json("{")).status, 400, "what cannot be read is the extractor's to answer");

    let many = format!(r#"{{"item":"a","lines":[{}]}}"#, vec![r#"{"count":0}"#; 1000].join(","));
    let answer = call(&service, json(&many));
    assert_eq!(errors(&answer).len(), 100);
    assert_eq!(answer.json()["detail"], "1000 values are not valid; the first 100 are listed.");
}

#[test]
fn queries_forms_paths_and_uploads_are_checked_alike() {
    let app = || {
        App::new()
            .state(Most(50))
            .get("/query", async |Valid(Query(page)): Valid<Query<Page>>| page.text())
            .get("/path/{page}/{size}", async |Valid(Path(page)): Valid<Path<Page>>| page.text())
            .post("/form", async |Valid(Form(page)): Valid<Form<Page>>| page.text())
            .post("/upload", async |form: Valid<MultipartForm<Page>>| form.text())
    };
    let fields = |text: &str| {
        let kind = "application/x-www-form-urlencoded";
        Request::builder("POST", "/form").header("content-type", kind).body(text.to_owned())
    };
    let upload = |page: &[u8]| {
        let kind = "multipart/form-data; boundary=XX";
        let body = body(&[("page", None, page), ("size", None, b"51")]);
        Request::builder("POST", "/upload").header("content-type", kind).body(body)
    };
    let service = app().into_service();
    assert_eq!(get(app(), "/query?page=1&size=50").body, "1 50");
    for (why, answer) in [
        ("query", get(app(), "/query?page=0&size=51")),
        ("path", get(app(), "/path/0/51")),
        ("form", call(&service, fields("page=0&size=51"))),
        ("upload", call(&service, upload(b"0"))),
    ] {
        let errors = errors(&answer);
        assert_eq!((&*errors[0].0, &*errors[1].0), ("/page", "/size"), "{why}");
        assert_eq!(errors[1].1, "more than 50", "{why}: the context is the application's");
    }
    assert_eq!(get(app(), "/query?page=x&size=1").json()["field"], "page");
    let optional = App::new().get("/", async |page: Option<Valid<Query<Page>>>| page.is_some().to_string());
    let service = optional.into_service();
    let ask = |target| call(&service, Request::builder("GET", target));
    assert_eq!(ask("/").body, "false");
    assert_eq!(ask("/?page=0&size=0").status, 422, "there, and not valid");
}

#[test]
fn credentials_are_taken_or_asked_for() {
    async fn token(token: BearerToken) -> String {
        token.as_str().to_owned()
    }
    async fn basic(basic: BasicCredentials) -> String {
        format!("{} / {}", basic.user(), basic.password())
    }
    async fn either(token: Option<BearerToken>, basic: Option<BasicCredentials>) -> String {
        format!("{} {}", token.is_some(), basic.is_some())
    }
    let service = App::new().get("/token", token).get("/basic", basic).get("/either", either).into_service();
    let ask = |target: &str, value: &str| {
        let builder = Request::builder("GET", target);
        call(&service, if value.is_empty() { builder } else { builder.header("authorization", value) })
    };
    assert_eq!(ask("/token", "bearer mF_9.B5f-4.1JqM==").body, "mF_9.B5f-4.1JqM==");
    assert_eq!(ask("/basic", "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==").body, "Aladdin / open:sesame");
    assert_eq!(ask("/either", "Basic QTpi").body, "false true");
    assert_eq!(ask("/either", "").body, "false false");
    for (why, target, value, status, challenge) in [
        ("none", "/token", "", 401, Some("Bearer")),
        ("another scheme", "/token", "Basic QTpi", 401, Some("Bearer")),
        ("none", "/basic", "", 401, Some("Basic realm=\"\", charset=\"UTF-8\"")),
        ("a space in a token", "/token", "Bearer a b", 400, None),
        ("no token", "/token", "Bearer", 400, None),
        ("not base64", "/basic", "Basic !", 400, None),
        ("no colon", "/basic", "Basic QQ==", 400, None),
        ("a control character", "/basic", "Basic QTpiAA==", 400, None),
        ("not UTF-8", "/basic", "Basic Qf86Yg==", 400, None),
        ("malformed is not absent", "/either", "Bearer a b", 400, None),
    ] {
        let answer = ask(target, value);
        assert_eq!((answer.status, answer.field("www-authenticate")), (status, challenge), "{why}");
    }
}

#[test]
fn fields_are_taken_with_their_type_or_all_at_once() {
    async fn origin(origin: Header<Origin>, all: RequestHeaders) -> String {
        let twice: Vec<&[u8]> = all.get_all("X-Twice").collect();
        format!("{} {} {:?} {all:?}", origin.as_str(), twice.len(), all.get("HOST"))
    }
    let service = App::new().get("/", origin).into_service();
    let request = |origin: &str| {
        let builder = Request::builder("GET", "/").header("host", "a").header("origin", origin);
        builder.header("x-twice", "1").header("X-Twice", "2")
    };
    let answer = call(&service, request("https://a.example"));
    assert_eq!(answer.body, r#"https://a.example 2 Some("a") ["host", "origin", "x-twice", "X-Twice"]"#);
    let answer = call(&service, request("https://a.example/path"));
    assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("origin")));
}
