//! What extractors take, and what they answer when they cannot.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;
use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::extract::{
    Accept, Authorization, ContentType, FromRequest, Header, HeaderField, Json, Path, Peer, Query, State,
    UserAgent,
};
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::StatusCode;
use corelane_http::router::post;
use corelane_runtime::buf::pool_stats;
use corelane_runtime::net::PeerAddr;
use http::{Method, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Answer, call, get, panic_of};

fn path<T: DeserializeOwned + std::fmt::Debug + 'static>(template: &str, target: &str) -> Answer {
    get(App::new().get(template, async |Path(value): Path<T>| format!("{value:?}")), target)
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "looked at through Debug")]
struct Named {
    b: u8,
    a: String,
}

#[derive(Debug, Deserialize)]
struct Id(#[expect(dead_code, reason = "looked at through Debug")] u32);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Blue,
}

#[test]
fn path_takes_values_tuples_and_structs() {
    let text = |answer: Answer| (answer.status, answer.body);
    let ok = |body: &str| (200, body.to_owned());
    assert_eq!(text(path::<u64>("/{a}", "/18446744073709551615")), ok("18446744073709551615"));
    assert_eq!(text(path::<i8>("/{a}", "/-128")), ok("-128"));
    assert_eq!(text(path::<f64>("/{a}", "/2.5")), ok("2.5"));
    assert_eq!(text(path::<bool>("/{a}", "/true")), ok("true"));
    assert_eq!(text(path::<char>("/{a}", "/%C3%A9")), ok("'é'"));
    assert_eq!(text(path::<String>("/{a}", "/a%20b%2Fc+d")), ok("\"a b/c+d\""));
    assert_eq!(text(path::<String>("/{*a}", "/a/b")), ok("\"a/b\""));
    assert_eq!(text(path::<Id>("/{a}", "/7")), ok("Id(7)"));
    assert_eq!(text(path::<Colour>("/{a}", "/blue")), ok("Blue"));
    assert_eq!(text(path::<(u8, String)>("/{a}/{b}", "/1/x")), ok("(1, \"x\")"));
    assert_eq!(text(path::<(u8,)>("/{a}", "/1")), ok("(1,)"));
    assert_eq!(text(path::<Named>("/{a}/{b}", "/x/1")), ok("Named { b: 1, a: \"x\" }"));
    assert_eq!(text(path::<Vec<u8>>("/{a}/{b}", "/1/2")), ok("[1, 2]"));
    assert_eq!(text(path::<BTreeMap<String, u8>>("/{a}/{b}", "/1/2")), ok("{\"a\": 1, \"b\": 2}"));
    assert_eq!(text(path::<Option<u8>>("/{a}", "/1")), ok("Some(1)"));
    assert_eq!(text(path::<Option<u8>>("/a", "/a")), ok("None"));
    assert_eq!(text(path::<(Colour, Option<u8>)>("/{a}/{b}", "/red/3")), ok("(Red, Some(3))"));
}

#[test]
fn a_parameter_that_does_not_fit_is_named_with_what_was_expected() {
    const U8: &str = "a whole number from 0 to 255";
    for (why, answer, parameter, expected) in [
        ("word", path::<u8>("/{id}", "/x"), "id", Some(U8)),
        ("over the range", path::<u8>("/{id}", "/256"), "id", Some(U8)),
        ("minus for unsigned", path::<u8>("/{id}", "/-1"), "id", Some(U8)),
        ("plus sign", path::<u8>("/{id}", "/+1"), "id", Some(U8)),
        ("plus sign, encoded", path::<u8>("/{id}", "/%2B1"), "id", Some(U8)),
        ("space", path::<u8>("/{id}", "/1%20"), "id", Some(U8)),
        ("in a tuple", path::<(u8, u8)>("/{a}/{b}", "/1/x"), "b", Some(U8)),
        ("in a struct", path::<Named>("/{a}/{b}", "/1/x"), "b", Some(U8)),
        ("in a wrapper", path::<Id>("/{id}", "/x"), "id", Some("a whole number from 0 to 4294967295")),
        ("no boolean", path::<bool>("/{on}", "/yes"), "on", Some("`true` or `false`")),
        ("two characters", path::<char>("/{c}", "/ab"), "c", Some("one character")),
        ("not UTF-8", path::<String>("/{a}", "/%FF"), "a", Some("UTF-8")),
        ("no such variant", path::<Colour>("/{c}", "/green"), "c", None),
    ] {
        assert_eq!(answer.status, 400, "{why}");
        assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{why}");
        let problem = answer.json();
        assert_eq!(problem["parameter"], parameter, "{why}");
        assert_eq!(problem.get("expected").and_then(|value| value.as_str()), expected, "{why}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("The path parameter `{parameter}`")), "{why}: {detail}");
    }
}

#[test]
fn a_type_that_does_not_fit_its_route_is_our_mistake_not_the_clients() {
    for (why, answer) in [
        ("two values of one", path::<(u8, u8)>("/{a}", "/1")),
        ("one value of two", path::<u8>("/{a}/{b}", "/1/2")),
        ("one value of none", path::<u8>("/a", "/a")),
        ("a field without parameter", path::<Named>("/{a}", "/1")),
        ("a list in a parameter", path::<(Vec<u8>, u8)>("/{a}/{b}", "/1/2")),
    ] {
        assert_eq!(answer.status, 500, "{why}");
        assert_eq!(answer.json().get("detail"), None, "{why}: internals stay inside");
    }
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "looked at through Debug")]
struct Search {
    q: String,
    #[serde(default)]
    tag: Vec<String>,
    page: Option<u32>,
}

#[test]
fn query_takes_fields_repeated_fields_and_absent_ones() {
    let app = || App::new().get("/", async |Query(search): Query<Search>| format!("{search:?}"));
    for (target, want) in [
        ("/?q=a", "Search { q: \"a\", tag: [], page: None }"),
        (
            "/?tag=x&q=a+b%26&tag=y&page=3&other=1",
            "Search { q: \"a b&\", tag: [\"x\", \"y\"], page: Some(3) }",
        ),
        ("/?q=%C3%A9", "Search { q: \"é\", tag: [], page: None }"),
    ] {
        let answer = get(app(), target);
        assert_eq!((answer.status, &*answer.body), (200, want), "{target}");
    }
    let missing = get(app(), "/");
    assert_eq!(missing.status, 400);
    assert!(missing.body.contains("missing field `q`"), "{}", missing.body);
    let wrong = get(app(), "/?q=a&page=-1");
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.json()["field"], "page");
}

#[derive(Debug, Deserialize, Serialize)]
struct Order {
    item: String,
    counts: Vec<u8>,
}

fn order(content_type: Option<&str>, body: impl Into<Body>) -> Answer {
    async fn take(Json(order): Json<Order>) -> Json<Order> {
        Json(order)
    }
    let service = App::new().route("/orders", post(take).body_limit(64)).into_service();
    let mut request = Request::builder("POST", "/orders").body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    call(&service, request)
}

#[test]
fn json_is_taken_and_given_back() {
    let text = r#"{"item":"ring","counts":[1,2]}"#;
    for content_type in ["application/json", "application/vnd.shop+json; charset=utf-8"] {
        let answer = order(Some(content_type), text);
        assert_eq!((answer.status, &*answer.body), (200, text));
        assert_eq!(answer.field("content-type"), Some("application/json"));
    }
    let mut pieces = text.as_bytes().chunks(7).map(<[u8]>::to_vec);
    let streamed = Body::from_fn(move || {
        let piece = pieces.next().map(Ok::<_, std::io::Error>);
        async move { piece }
    });
    assert_eq!(order(Some("application/json"), streamed).body, text);
}

#[test]
fn json_that_cannot_be_taken_says_why_and_where() {
    let json = Some("application/json");
    for (why, answer, status) in [
        ("no type", order(None, "{}"), 415),
        ("another type", order(Some("text/plain"), "{}"), 415),
        ("no JSON", order(json, "{"), 400),
        ("empty", order(json, ""), 400),
        ("text behind", order(json, r#"{"item":"a","counts":[]} x"#), 400),
        ("a field is missing", order(json, r#"{"item":"a"}"#), 422),
        ("another shape", order(json, r#"{"item":"a","counts":[1,256]}"#), 422),
        ("too long", order(json, "x".repeat(65)), 413),
    ] {
        assert_eq!(answer.status, status, "{why}: {}", answer.body);
        assert_eq!(answer.json()["status"], status, "{why}");
    }
    let syntax = order(json, "{\n  \"item\": oops}").json();
    assert_eq!((&syntax["line"], &syntax["column"]), (&json!(2), &json!(11)));
    let shape = order(json, r#"{"item":"a","counts":[1,256]}"#).json();
    assert_eq!(shape["path"], "counts[1]");
    assert_eq!(order(json, "x".repeat(65)).json()["limit_bytes"], 64);
}

#[test]
fn bodies_are_taken_as_bytes_text_and_chunks() {
    async fn bytes(body: Bytes) -> String {
        format!("{} bytes", body.len())
    }
    async fn vec(body: Vec<u8>) -> String {
        format!("{} in a vec", body.len())
    }
    async fn chunks(mut body: Body) -> Result<String, Problem> {
        let mut lens = Vec::new();
        while let Some(chunk) = body.chunk().await {
            lens.push(chunk?.len());
        }
        Ok(format!("{lens:?}"))
    }
    let service = App::new()
        .post("/bytes", bytes)
        .post("/vec", vec)
        .post("/text", async |text: String| text)
        .post("/chunks", chunks)
        .into_service();
    let send = |target: &str, body: Body| call(&service, Request::builder("POST", target).body(body));
    let pieces = || {
        let mut left = 3;
        Body::from_fn(move || {
            left -= 1;
            let piece = (left >= 0).then_some(Ok::<_, std::io::Error>("ab"));
            async move { piece }
        })
    };
    assert_eq!(send("/bytes", "abc".into()).body, "3 bytes");
    assert_eq!(send("/bytes", pieces()).body, "6 bytes");
    assert_eq!(send("/bytes", Body::empty()).body, "0 bytes");
    assert_eq!(send("/vec", pieces()).body, "6 in a vec");
    assert_eq!(send("/text", "é".into()).body, "é");
    let wrong = send("/text", Body::from(&b"ab\xff"[..]));
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("byte 2"), "{}", wrong.body);
    assert_eq!(send("/chunks", pieces()).body, "[2, 2, 2]");
    let too_long = send("/bytes", Body::from(vec![0; 2 * 1024 * 1024 + 1]));
    assert_eq!(too_long.status, 413);
    assert_eq!(send("/bytes", Body::from(vec![0; 2 * 1024 * 1024])).status, 200);
}

#[test]
fn a_second_taker_of_the_body_is_told_so_in_the_log_and_gets_500() {
    async fn twice(_: Bytes, _: String) {}
    async fn after_the_request(_: Request, _: Bytes) {}
    async fn chunks_twice(_: Body, _: Body) {}
    let service = App::new()
        .post("/twice", twice)
        .post("/after", after_the_request)
        .post("/chunks", chunks_twice)
        .into_service();
    for target in ["/twice", "/after", "/chunks"] {
        let answer = call(&service, Request::builder("POST", target).body("abc"));
        assert_eq!(answer.status, 500, "{target}");
        assert_eq!(answer.json().get("detail"), None, "{target}: internals stay inside");
    }
}

struct Counter(Cell<u32>);
struct Name(&'static str);

#[test]
fn states_are_shared_by_the_handlers_of_a_core() {
    async fn count(counter: State<Counter>, name: State<Name>) -> String {
        counter.0.0.set(counter.0.0.get() + 1);
        format!("{} {}", name.0.0, counter.0.0.get())
    }
    let service = App::new()
        .get("/", count)
        .state(Counter(Cell::new(0)))
        .state(Name("core"))
        .get("/again", count)
        .into_service();
    assert_eq!(call(&service, Request::builder("GET", "/")).body, "core 1");
    assert_eq!(call(&service, Request::builder("GET", "/again")).body, "core 2");
}

#[test]
fn a_state_that_is_not_given_stops_the_start_and_names_the_route() {
    async fn wants(_: Option<State<Counter>>, _: State<Name>) {}
    let line = line!() + 1;
    let (message, _) = panic_of(|| drop(App::new().state(Name("x")).get("/count", wants).into_service()));
    for part in ["GET on `/count`", "Counter", "App::state", &format!("tests/it/extract.rs:{line}:")] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

/// Takes a state without saying that it needs one.
struct Hidden;

impl FromRequest for Hidden {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        State::<Counter>::from_request(request).await.map(|_| Hidden)
    }
}

#[test]
fn a_need_that_was_not_told_is_500() {
    assert_eq!(get(App::new().get("/", async |_: Hidden| "never"), "/").status, 500);
}

fn with_fields(app: App, fields: &[(&str, &str)]) -> Answer {
    let request = fields
        .iter()
        .fold(Request::builder("GET", "/"), |request, (name, value)| request.header(name, value));
    call(&app.into_service(), request)
}

struct Depth(u32);

impl HeaderField for Depth {
    const NAME: &'static str = "x-depth";

    fn decode<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        std::str::from_utf8(values.next()?).ok()?.parse().ok().map(Depth)
    }
}

#[test]
fn fields_are_taken_with_their_type() {
    let agent = || App::new().get("/", async |agent: Header<UserAgent>| agent.as_str().to_owned());
    assert_eq!(with_fields(agent(), &[("User-Agent", "curl/8")]).body, "curl/8");
    let absent = with_fields(agent(), &[]);
    assert_eq!((absent.status, &absent.json()["field"]), (400, &json!("user-agent")));
    assert_eq!(with_fields(agent(), &[("user-agent", "a"), ("user-agent", "b")]).status, 400, "one only");

    let depth = || App::new().get("/", async |depth: Header<Depth>| depth.0.0.to_string());
    assert_eq!(with_fields(depth(), &[("X-DEPTH", "3")]).body, "3", "names of our own");
    assert_eq!(with_fields(depth(), &[("x-depth", "deep")]).status, 400);

    let bearer = || {
        App::new().get("/", async |auth: Option<Header<Authorization>>| {
            auth.and_then(|auth| auth.bearer().map(str::to_owned)).ok_or(StatusCode::UNAUTHORIZED)
        })
    };
    assert_eq!(with_fields(bearer(), &[("authorization", "bearer abc")]).body, "abc");
    assert_eq!(with_fields(bearer(), &[("authorization", "Basic abc")]).status, 401);
    assert_eq!(with_fields(bearer(), &[]).status, 401);
    let secret = Authorization::decode([&b"Bearer hush"[..]].into_iter()).unwrap();
    assert!(!format!("{secret:?}").contains("hush"), "credentials stay out of logs");

    let accept =
        || App::new().get("/", async |accept: Header<Accept>| accept.iter().collect::<Vec<_>>().join("|"));
    let lists = [("accept", "text/html, text/plain;q=0.5,,"), ("accept", "*/*")];
    assert_eq!(with_fields(accept(), &lists).body, "text/html|text/plain;q=0.5|*/*");

    let kind = || App::new().get("/", async |kind: Header<ContentType>| kind.essence().to_owned());
    assert_eq!(with_fields(kind(), &[("content-type", "text/html ; charset=x")]).body, "text/html");
}

#[test]
fn parts_of_the_request_are_taken_as_they_are() {
    async fn all(method: Method, version: Version, peer: Peer, request: Request) -> String {
        format!("{method} {version:?} {:?} {} {:?}", *peer, request.path(), request.query())
    }
    let peer = PeerAddr::Tcp("10.0.0.1:99".parse().unwrap());
    let service = App::new().any("/a", all).into_service();
    let answer = call(&service, Request::builder("BREW", "/a?b").peer(peer));
    assert!(answer.body.starts_with("BREW HTTP/1.1 "), "{}", answer.body);
    assert!(
        answer.body.contains("10.0.0.1:99") && answer.body.ends_with(" /a Some(\"b\")"),
        "{}",
        answer.body
    );
}

#[test]
fn extractors_run_in_order_and_the_first_rejection_is_the_answer() {
    async fn first(_: Path<u8>, _: Json<u8>) {}
    async fn second(_: Json<u8>, _: Path<u8>) {}
    let service = App::new().post("/a/{n}", first).post("/b/{n}", second).into_service();
    assert_eq!(call(&service, Request::builder("POST", "/a/x")).status, 400);
    assert_eq!(call(&service, Request::builder("POST", "/b/x")).status, 415);
}

#[test]
fn a_rejection_can_be_taken_as_a_value() {
    type Number = Result<Path<u8>, corelane_http::extract::PathRejection>;
    async fn own(number: Number) -> String {
        match number {
            Ok(number) => format!("{}", *number),
            Err(rejection) => format!("not {}", rejection.parameter().unwrap()),
        }
    }
    assert_eq!(get(App::new().get("/{n}", own), "/7").body, "7");
    assert_eq!(get(App::new().get("/{n}", own), "/x").body, "not n");
}

#[test]
fn handlers_take_up_to_eight_arguments_and_need_not_be_send() {
    #[expect(clippy::too_many_arguments, reason = "eight is what is tested")]
    async fn eight(
        a: Method,
        _: Version,
        _: Peer,
        _: Option<Header<UserAgent>>,
        _: Query<BTreeMap<String, String>>,
        _: Path<()>,
        state: State<Counter>,
        body: Bytes,
    ) -> String {
        let not_send = std::rc::Rc::new(state);
        corelane_runtime::yield_now().await;
        format!("{a} {} {}", not_send.0.0.get(), body.len())
    }
    let service = App::new().state(Counter(Cell::new(5))).post("/", eight).into_service();
    assert_eq!(call(&service, Request::builder("POST", "/").body("abc")).body, "POST 5 3");
}

#[test]
fn a_handler_that_waits_holds_no_buffer_of_its_request() {
    let service =
        App::new().get("/{n}", async |Path(_): Path<u8>| std::future::pending::<()>().await).into_service();
    let before = pool_stats().leases_in_use;
    let request = Request::builder("GET", "/1").build();
    assert_eq!(pool_stats().leases_in_use, before + 1);
    let mut answer = service.call(request);
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(&mut answer).poll(cx).is_pending());
    assert_eq!(pool_stats().leases_in_use, before);
}
