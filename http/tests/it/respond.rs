//! What handlers return, as it comes out.

use std::borrow::Cow;

use bytes::Bytes;
use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::extract::Json;
use corelane_http::request::Request;
use corelane_http::response::{
    CacheControl, Disposition, Headers, Html, IntoResponse, Redirect, Response, StatusCode,
};
use corelane_runtime::buf::Lease;
use serde::Serialize;

use crate::support::{Answer, call, get, read};

fn answer(value: impl IntoResponse) -> Answer {
    corelane_runtime::block_on(read(value.into_response()))
}

#[test]
fn values_have_the_status_and_the_type_that_fit_them() {
    const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
    const OCTETS: Option<&str> = Some("application/octet-stream");
    let mut lease = Lease::take(10).unwrap();
    lease.extend_from_slice(b"leased").unwrap();
    for (why, got, status, content_type, body) in [
        ("nothing", answer(()), 204, None, ""),
        ("static text", answer("hi"), 200, TEXT, "hi"),
        ("text", answer(String::from("hi")), 200, TEXT, "hi"),
        ("borrowed or owned", answer(Cow::from("hi")), 200, TEXT, "hi"),
        ("empty text", answer(""), 200, TEXT, ""),
        ("HTML", answer(Html("<p>")), 200, Some("text/html; charset=utf-8"), "<p>"),
        ("bytes", answer(Bytes::from_static(b"b")), 200, OCTETS, "b"),
        ("vec", answer(vec![b'v']), 200, OCTETS, "v"),
        ("static bytes", answer(&b"s"[..]), 200, OCTETS, "s"),
        ("a lease", answer(lease), 200, OCTETS, "leased"),
        ("JSON", answer(Json([1, 2])), 200, Some("application/json"), "[1,2]"),
        ("a status", answer(StatusCode::ACCEPTED), 202, None, ""),
        ("a status with a value", answer((StatusCode::CREATED, "made")), 201, TEXT, "made"),
        ("a body", answer(Body::from("raw")), 200, None, "raw"),
        ("some", answer(Some("there")), 200, TEXT, "there"),
        ("ok", answer(Ok::<_, StatusCode>("fine")), 200, TEXT, "fine"),
        ("error", answer(Err::<&str, _>(StatusCode::CONFLICT)), 409, None, ""),
    ] {
        assert_eq!(
            (got.status, got.field("content-type"), &*got.body),
            (status, content_type, body),
            "{why}"
        );
    }
    let none = answer(None::<&str>);
    assert_eq!((none.status, none.field("content-type")), (404, Some("application/problem+json")));
}

#[test]
fn fields_of_a_tuple_replace_those_of_the_value() {
    let got = answer((
        StatusCode::CREATED,
        [("Location", String::from("/a/1")), ("content-type", "text/csv".into())],
        "a,b",
    ));
    assert_eq!(got.status, 201);
    assert_eq!(got.fields, [("location".into(), "/a/1".into()), ("content-type".into(), "text/csv".into())]);
    assert_eq!(got.body, "a,b");
}

#[test]
fn a_field_that_would_inject_another_makes_a_500_without_it() {
    for value in ["/\r\nset-cookie: admin=1", "/\nx", "/\0"] {
        let got = answer(([("location", value)], StatusCode::FOUND));
        assert_eq!(got.status, 500);
        assert_eq!(got.field("location"), None);
        assert!(!got.fields.iter().any(|(name, _)| name == "set-cookie"));
    }
    assert_eq!(answer(([("content-length", "3")], "abc")).status, 500, "framing is the server's");
}

#[test]
fn json_of_any_length_comes_out_whole() {
    // Around each class of buffers, where what is written moves to the next.
    for len in [0, 1, 4094, 4095, 4096, 16_383, 16_384, 65_534, 65_535, 65_536, 300_000] {
        let text = "x".repeat(len);
        let got = answer(Json(&text));
        assert_eq!(got.body.len(), len + 2, "{len}");
        assert_eq!(serde_json::from_str::<String>(&got.body).unwrap(), text);
    }
    let numbers: Vec<u32> = (0..50_000).collect();
    assert_eq!(serde_json::from_str::<Vec<u32>>(&answer(Json(&numbers)).body).unwrap(), numbers);
}

#[test]
fn json_that_cannot_be_serialised_is_500_and_says_nothing_more() {
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the secret reason"))
        }
    }
    let got = answer(Json(Broken));
    assert_eq!(got.status, 500);
    assert!(!got.body.contains("secret"), "{}", got.body);
}

#[test]
fn streams_come_chunk_by_chunk_and_errors_end_them() {
    corelane_runtime::block_on(async {
        let mut at = 0;
        let mut body = Body::from_fn(move || {
            at += 1;
            let item = match at {
                1 | 2 => Some(Ok(vec![b'a'; at])),
                3 => Some(Ok(Vec::new())),
                4 => Some(Err(std::io::Error::other("disk"))),
                _ => panic!("asked on after the error"),
            };
            async move { item }
        });
        assert_eq!(body.len(), None);
        assert_eq!(&body.chunk().await.unwrap().unwrap()[..], b"a");
        assert_eq!(&body.chunk().await.unwrap().unwrap()[..], b"aa");
        let error = body.chunk().await.unwrap().unwrap_err();
        assert_eq!(error.status(), 500);
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "disk");
        assert!(body.chunk().await.is_none());
    });
}

#[test]
fn a_requests_body_can_be_the_responses() {
    async fn echo(request: Request) -> Response {
        let kind = request.header("content-type").unwrap_or("text/plain").to_owned();
        Response::new(request.into_body()).with_header("content-type", kind).unwrap()
    }
    let service = App::new().post("/echo", echo).into_service();
    let request = Request::builder("POST", "/echo").header("content-type", "text/css").body("body{}");
    let got = call(&service, request);
    assert_eq!((got.field("content-type"), &*got.body), (Some("text/css"), "body{}"));
}

#[test]
fn an_upgrade_is_101_with_its_protocol() {
    let response = Response::upgrade("websocket", async |_| {}).unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers().get("upgrade"), Some("websocket"));
    assert!(Response::upgrade("a\r\nb", async |_| {}).is_err());
}

#[test]
fn a_handler_may_answer_with_either_side_of_a_result() {
    async fn half(request: Request) -> Result<&'static str, (StatusCode, String)> {
        match request.query() {
            Some("ok") => Ok("good"),
            other => Err((StatusCode::BAD_REQUEST, format!("{other:?}"))),
        }
    }
    assert_eq!(get(App::new().get("/", half), "/?ok").body, "good");
    let wrong = get(App::new().get("/", half), "/?no");
    assert_eq!((wrong.status, &*wrong.body), (400, "Some(\"no\")"));
}

#[test]
fn parts_stand_in_any_number_and_order_in_front_of_a_response() {
    let got = answer((
        CacheControl::no_store(),
        [("x-a", "1"), ("x-b", "1")],
        StatusCode::ACCEPTED,
        None::<CacheControl>,
        vec![("x-b", "2".to_owned())],
        Disposition::inline("a.txt"),
        "body",
    ));
    assert_eq!((got.status, &*got.body), (202, "body"));
    for (name, want) in [
        ("cache-control", "no-store"),
        ("x-a", "1"),
        ("x-b", "2"),
        ("content-disposition", "inline; filename=\"a.txt\""),
        ("content-type", "text/plain; charset=utf-8"),
    ] {
        assert_eq!(got.field(name), Some(want), "{name}");
    }
    let got = answer((StatusCode::CREATED, [("x-a", "1\r\nx-b: 2")], CacheControl::no_store(), "secret"));
    assert_eq!(got.status, 500, "a field that cannot be sent makes the whole a 500");
    assert!(got.field("x-b").is_none() && !got.body.contains("secret"));
    let mut two = Headers::new();
    two.append("set-cookie", "a=1").unwrap();
    two.append("set-cookie", "b=2").unwrap();
    let response = (two, [("x", "y")], Redirect::to("/")).into_response();
    assert_eq!(response.headers().get_all("set-cookie").count(), 2, "fields of a block are added");
    assert_eq!((response.status(), response.headers().get("location")), (StatusCode::SEE_OTHER, Some("/")));
}
