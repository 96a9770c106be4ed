//! The client against applications, in memory and over a socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::app::App;
use crate::body::Body;
use crate::extract::{Json, Query};
use crate::request::Request;
use crate::response::{IntoResponse, Response, StatusCode};
use crate::router::post;
use crate::server::Limits;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Note {
    text: String,
    #[serde(default)]
    n: u32,
}

/// The request as the application saw it: method, target, fields, body.
async fn mirror(mut request: Request) -> String {
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut seen = format!("{} {}{query}\n", request.method(), request.path());
    for (name, value) in request.headers() {
        seen += &format!("{name}: {}\n", String::from_utf8_lossy(value));
    }
    let body = request.take_body().bytes().await.unwrap();
    seen + "\n" + &String::from_utf8_lossy(&body)
}

fn set_cookie(value: &str, then: impl IntoResponse) -> Response {
    then.into_response().with_header("set-cookie", value).unwrap()
}

fn redirect(status: u16, location: &str) -> Response {
    let response = Response::new("").with_status(StatusCode::from_u16(status).unwrap());
    response.with_header("location", location).unwrap()
}

fn app() -> App {
    App::new()
        .route("/mirror", crate::router::any(mirror))
        .post("/notes", async |Json(note): Json<Note>| Json(Note { n: note.n + 1, ..note }))
        .get("/query", async |Query(note): Query<Note>| Json(note))
        .get("/login", async || set_cookie("session=s1; Path=/", "in"))
        .get("/logout", async || set_cookie("session=; Path=/; Max-Age=0", "out"))
        .get("/panic", async || -> &'static str { panic!("on purpose") })
        .get("/never", async || -> &'static str { std::future::pending().await })
        .get("/events", async || {
            let events = "retry: 20\n\n: here\n\nid: 1\nevent: tick\ndata: a\ndata: b\n\ndata: c\n\n";
            let mut left = events.as_bytes().chunks(5);
            let body = Body::from_fn(move || {
                let next = left.next().map(Ok::<_, std::io::Error>);
                async move { next }
            });
            Response::new(body).with_header("content-type", "text/event-stream").unwrap()
        })
        .route("/echo", post(async |request: Request| Response::new(request.into_body())).body_limit(1 << 30))
        .get("/a/1", async || redirect(302, "2"))
        .get("/a/2", async || redirect(307, "/a/3?x#y"))
        .get("/a/3", async || "there")
        .post("/a/303", async || redirect(303, "/mirror"))
        .post("/a/308", async || redirect(308, "/mirror"))
        .get("/away", async || redirect(302, "http://example.org/"))
        .get("/round", async || redirect(301, "/round"))
}

/// Runs a test in memory, then over a socket.
fn on_both(test: impl AsyncFn(TestClient)) {
    run(async { test(TestClient::new(app())).await });
    let server = TestServer::start(app);
    run(async { test(TestClient::connect(server.address())).await });
}

#[test]
fn what_is_sent_arrives() {
    on_both(async |client: TestClient| {
        let client = client.default_header("accept", "text/html").default_header("x-app", "1");
        let request =
            client.put("/mirror?a=1").query(&[("b", "2 3")]).header("Accept", "*/*").cookie("c", "d");
        let seen = request.body("hello").send().await;
        let seen = seen.assert_status(200).assert_header("content-type", "text/plain; charset=utf-8").text();
        assert!(seen.starts_with("PUT /mirror?a=1&b=2+3\nhost: "), "{seen}");
        assert!(seen.contains("content-length: 5\nx-app: 1\nAccept: */*\ncookie: c=d\n\nhello"), "{seen}");
        let note = client.post("/notes").json(&Note { text: "x".into(), n: 1 }).send().await.json::<Note>();
        assert_eq!(note, Note { text: "x".into(), n: 2 });
        let note = client.get("/query").query(&Note { text: "ä&".into(), n: 3 }).send().await.json::<Note>();
        assert_eq!(note, Note { text: "ä&".into(), n: 3 });
        let form = client.post("/mirror").form(&[("k", "v w")]).send().await;
        assert!(
            form.text().ends_with("content-type: application/x-www-form-urlencoded\n\nk=v+w"),
            "{form:?}"
        );
        let files = Multipart::new().text("t", "v").file("f", "a\".txt", "text/plain", b"data");
        let files = client.post("/mirror").multipart(files).send().await;
        assert!(
            files
                .text()
                .contains("name=\"f\"; filename=\"a%22.txt\"\r\ncontent-type: text/plain\r\n\r\ndata\r\n--")
        );
        let head = client.head("/mirror").send().await;
        assert!(head.assert_status(200).bytes().is_empty() && head.header("content-length").is_some());
    });
}

#[test]
fn cookies_are_kept() {
    on_both(async |client: TestClient| {
        client.get("/login").send().await.assert_status(200);
        assert_eq!(client.cookie("session").as_deref(), Some("s1"));
        assert!(client.get("/mirror").send().await.text().contains("cookie: session=s1\n"));
        client.set_cookie("theme", "dark");
        assert!(client.get("/mirror").send().await.text().contains("cookie: session=s1; theme=dark\n"));
        client.get("/logout").send().await;
        assert!(client.get("/mirror").send().await.text().contains("cookie: theme=dark\n"));
        client.clear_cookies();
        assert!(!client.get("/mirror").send().await.text().contains("cookie"));
    });
}

#[test]
fn bodies_stream_both_ways_at_once() {
    on_both(async |client: TestClient| {
        // Far over what the connection holds: without both directions at once this would not end.
        for chunk in [1, 100 * 1024] {
            let mut left = 40;
            let body = Body::from_fn(move || {
                left -= 1;
                async move { (left >= 0).then(|| Ok::<_, std::io::Error>(vec![b'x'; chunk])) }
            });
            let response = client.post("/echo").stream(body).send().await;
            assert_eq!(response.assert_header("transfer-encoding", "chunked").bytes().len(), 40 * chunk);
        }
        let whole = vec![b'y'; 3 << 20];
        assert!(client.post("/echo").body(whole.clone()).send().await.bytes() == &whole);
    });
}

#[test]
fn events_come_one_by_one() {
    on_both(async |client: TestClient| {
        let mut stream = client.get("/events").send_streaming().await;
        let first = stream.event().await.unwrap();
        assert_eq!((&*first.name, &*first.data, first.id.as_deref()), ("tick", "a\nb", Some("1")));
        assert_eq!((stream.retry(), stream.comments()), (Some(Duration::from_millis(20)), 1));
        assert_eq!(stream.event().await.unwrap().data, "c");
        assert_eq!(stream.event().await, None);
        assert_eq!(client.get("/events").send().await.events().len(), 2);
    });
}

#[test]
fn redirects_are_followed_when_asked() {
    on_both(async |client: TestClient| {
        client.get("/a/1").send().await.assert_status(302);
        let client = client.follow_redirects(3);
        assert_eq!(client.get("/a/1").send().await.text(), "there");
        client.get("/away").send().await.assert_status(302);
        let seen = client.post("/a/303").json(&1).send().await;
        assert!(
            seen.text().starts_with("GET /mirror\n") && !seen.text().contains("content-type"),
            "{seen:?}"
        );
        let seen = client.post("/a/308").json(&1).send().await;
        assert!(seen.text().starts_with("POST /mirror\n") && seen.text().ends_with("application/json\n\n1"));
    });
}

#[test]
fn the_rules_of_the_connection_hold_in_memory() {
    run(async {
        let limits = Limits { target_bytes_max: 64, ..Limits::default() };
        let client = TestClient::new(app()).limits(limits);
        client.get(&format!("/{}", "x".repeat(100))).send().await.assert_status(414);
        client.get("/panic").send().await.assert_status(500);
        client
            .post("/notes")
            .body(vec![b'1'; 3 << 20])
            .header("content-type", "application/json")
            .send()
            .await
            .assert_status(413);
        drop(client.get("/never").send_streaming());
    });
}

/// The message of what panics.
fn message<T>(test: impl AsyncFnOnce() -> T) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(run(test()))));
    let payload = caught.expect_err("nothing panicked");
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| payload.downcast_ref::<&str>().unwrap().to_string())
}

#[test]
fn messages_say_what_is_wrong_and_where() {
    let client = || TestClient::new(app()).patience(Duration::from_millis(50));
    for (got, want) in [
        (
            message(async || client().get("/never").send().await),
            &["testing/tests.rs:", ": GET /never: nothing came for 50ms"][..],
        ),
        (message(async || client().get("/\0").send().await), &["GET /\0: the request cannot be sent: "]),
        (
            message(async || client().get("/mirror").header("content-length", "3").send().await),
            &["the request cannot be sent: "],
        ),
        (
            message(async || client().follow_redirects(2).get("/round").send().await),
            &["more than 2 redirects, the last of them to /round"],
        ),
        (
            message(async || client().get("/login").send().await.assert_status(201).status()),
            &["the status is 200 OK, not 201: in"],
        ),
        (
            message(async || client().get("/login").send().await.json::<u32>()),
            &["the body is no u32: ", "200 OK in"],
        ),
        (
            message(async || client().get("/login").send().await.events()),
            &["no stream of events: its content type is Some(\"text/plain; charset=utf-8\")"],
        ),
        (
            message(async || client().get("/login").send_streaming().await.upgraded()),
            &["the connection is not upgraded: the status is 200 OK"],
        ),
        (
            message(async || TestClient::connect(([127, 0, 0, 1], 1).into()).get("/").send().await),
            &["GET /: no connection: Connection refused"],
        ),
    ] {
        for want in want {
            assert!(got.contains(want), "`{got}` does not say `{want}`");
        }
    }
}

#[test]
fn an_upgraded_connection_is_handed_over() {
    on_both(async |_| {
        let app = || {
            App::new().get("/up", async || {
                Response::upgrade("test", async |mut upgraded: crate::response::Upgraded| {
                    let _ = upgraded.stream.send("hi").await;
                })
                .unwrap()
            })
        };
        let client = TestClient::new(app());
        let stream = client.get("/up").header("upgrade", "test").send_streaming().await;
        let (mut receive, _send, mut seen) = stream.upgraded();
        while seen.len() < 2 {
            seen.extend_from_slice(&receive.recv().await.unwrap());
        }
        assert_eq!(seen, b"hi");
    });
}
