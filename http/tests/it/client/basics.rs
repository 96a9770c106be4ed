//! Requests and answers as they are every day.

use std::time::Duration;

use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::client::{self, Client, Method};
use corelane_http::extract::{Json, Query};
use corelane_http::request::Request;
use corelane_http::response::{Redirect, Response, StatusCode};

use super::{Peer, field, ok, on_core, start};

#[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
struct Item {
    id: u32,
    name: String,
}

/// Says what it was asked.
async fn tell(request: Request) -> Response {
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut told = format!("{} {}{query}", request.method(), request.path());
    for name in ["content-type", "content-length", "transfer-encoding", "authorization", "cookie"] {
        if let Some(value) = request.header(name) {
            told.push_str(&format!("\n{name}: {value}"));
        }
    }
    let body = request.into_body().bytes().await.unwrap();
    told.push_str(&format!("\n\n{}", String::from_utf8_lossy(&body)));
    Response::new(told)
}

fn app() -> App {
    App::new()
        .get("/", async || "root")
        .get("/item", async |Query(item): Query<Item>| Json(item))
        .post("/item", async |Json(item): Json<Item>| Json(item))
        .post("/tell", tell)
        .get("/tell", tell)
        .put("/tell", tell)
        .get("/chunks", async || {
            let mut left = 3;
            Response::new(Body::from_fn(move || {
                left -= 1;
                async move { (left >= 0).then(|| Ok::<_, std::io::Error>(format!("chunk {left}\n"))) }
            }))
        })
        .get("/empty", async || StatusCode::NO_CONTENT)
        .get("/large", async || vec![b'x'; 300_000])
        .post("/see", async || Redirect::see_other("/"))
        .get("/loop", async || Redirect::temporary("/loop"))
        .post("/again", async || Redirect::temporary("/tell"))
}

#[test]
fn one_connection_serves_requests_of_all_kinds() {
    let (_running, base) = start(app);
    on_core(async {
        let client = Client::new();
        assert_eq!(client.get(&base).await.unwrap().text().await.unwrap(), "root");

        let item = Item { id: 7, name: "a b&c".to_owned() };
        let answer = client.get(format!("{base}/item")).query(&item).await.unwrap();
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        assert_eq!(answer.json::<Item>().await.unwrap(), item);
        let answer = client.post(format!("{base}/item")).json(&item).await.unwrap();
        assert_eq!(answer.json::<Item>().await.unwrap(), item);

        let told = client.post(format!("{base}/tell")).form(&[("a", "1 2"), ("b", "é")]).await.unwrap();
        assert_eq!(
            told.text().await.unwrap(),
            "POST /tell\ncontent-type: application/x-www-form-urlencoded\ncontent-length: 14\n\na=1+2&b=%C3%A9"
        );
        let told = client.post(format!("{base}/tell")).await.unwrap().text().await.unwrap();
        assert_eq!(told, "POST /tell\ncontent-length: 0\n\n");
        let told =
            client.get(format!("{base}/tell?x=1")).bearer_auth("t").await.unwrap().text().await.unwrap();
        assert_eq!(told, "GET /tell?x=1\nauthorization: Bearer t\n\n");

        let mut answer = client.get(format!("{base}/chunks")).await.unwrap();
        assert_eq!(answer.content_length(), None);
        let mut whole = Vec::new();
        while let Some(chunk) = answer.chunk().await {
            whole.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(whole, b"chunk 2\nchunk 1\nchunk 0\n");

        let empty = client.get(format!("{base}/empty")).await.unwrap();
        assert_eq!((empty.status().as_u16(), empty.content_length()), (204, Some(0)));
        let head = client.head(format!("{base}/large")).await.unwrap();
        assert_eq!((head.header("content-length"), head.content_length()), (Some("300000"), Some(0)));
        assert_eq!(client.get(format!("{base}/large")).await.unwrap().bytes().await.unwrap().len(), 300_000);
        assert_eq!(client.get(format!("{base}/none")).await.unwrap().status(), StatusCode::NOT_FOUND);

        let stats = client.stats();
        assert_eq!((stats.connections, stats.idle, stats.waiting), (1, 1, 0), "all over one connection");
    });
}

#[test]
fn a_body_goes_out_whole_or_as_it_is_made() {
    let (_running, base) = start(app);
    on_core(async {
        let client = Client::new();
        for len in [0, 1, 2_000, 3_000, 70_000, 1_500_000] {
            let url = format!("{base}/tell");
            let told = client.put(&url).body(vec![b'x'; len]).await.unwrap().text().await.unwrap();
            assert_eq!(told, format!("PUT /tell\ncontent-length: {len}\n\n{}", "x".repeat(len)), "{len}");

            let mut left = len;
            let stream = Body::from_fn(move || {
                let now = left.min(10_000);
                left -= now;
                async move { (now > 0).then(|| Ok::<_, std::io::Error>(vec![b'y'; now])) }
            });
            let told = client.put(&url).body(stream).await.unwrap().text().await.unwrap();
            assert_eq!(
                told,
                format!("PUT /tell\ntransfer-encoding: chunked\n\n{}", "y".repeat(len)),
                "{len}"
            );
        }
        assert_eq!(client.stats().connections, 1, "the halves of a split connection are put together again");
    });
}

#[test]
fn redirects_are_followed_with_the_right_method_and_bounded() {
    let (_running, base) = start(app);
    on_core(async {
        let client = Client::new();
        let answer = client.post(format!("{base}/see")).json(&1).await.unwrap();
        assert_eq!(answer.url().path(), "/");
        assert_eq!(answer.text().await.unwrap(), "root");
        let told = client.post(format!("{base}/again")).body("body").await.unwrap().text().await.unwrap();
        assert_eq!(told, "POST /tell\ncontent-length: 4\n\nbody");
        let error = client.get(format!("{base}/loop")).await.unwrap_err();
        assert!(error.is_redirect(), "{error}");
        assert!(error.to_string().contains("more than 10 redirects"), "{error}");
        let answer = client.get(format!("{base}/loop")).redirects(0).await.unwrap();
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        // A stream that was read is not there to be sent again: the caller sees the redirect.
        let stream = Body::stream(Body::from("once"));
        let answer = client.post(format!("{base}/again")).body(stream).await.unwrap();
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    });
}

#[test]
fn credentials_stay_with_the_origin_they_were_given_for() {
    let there = Peer::start(|wire, _| {
        while let Some(head) = wire.head() {
            let seen = ["authorization", "cookie", "x-kept"].map(|name| field(&head, name).unwrap_or("-"));
            wire.send(ok(&seen.join(" ")));
        }
    });
    let elsewhere = there.url("/");
    let here = Peer::start(move |wire, _| {
        while let Some(head) = wire.head() {
            let to = if head.starts_with("GET /away") { &elsewhere } else { "/home" };
            if head.starts_with("GET /home") {
                wire.send(ok(field(&head, "authorization").unwrap_or("-")));
            } else {
                wire.send(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"));
            }
        }
    });
    on_core(async {
        let asked = |target: &str| {
            client::get(here.url(target))
                .bearer_auth("secret")
                .header("cookie", "a=b")
                .header("x-kept", "yes")
        };
        assert_eq!(asked("/stay").await.unwrap().text().await.unwrap(), "Bearer secret");
        assert_eq!(asked("/away").await.unwrap().text().await.unwrap(), "- - yes");
    });
}

#[test]
fn what_cannot_be_asked_is_told_before_anything_is_sent() {
    on_core(async {
        let client = Client::new();
        for (why, request) in [
            ("no URL", client.get("nonsense")),
            ("other scheme", client.get("ftp://a/")),
            ("header injection", client.get("http://127.0.0.1:1/").header("a", "b\r\nc: d")),
            ("bad name", client.get("http://127.0.0.1:1/").header("a b", "c")),
            ("framing by hand", client.get("http://127.0.0.1:1/").header("content-length", "5")),
            ("host injection", client.get("http://127.0.0.1:1/").header("host", "a\r\nb: c")),
            ("CONNECT", client.request(Method::CONNECT, "http://127.0.0.1:1/")),
            (
                "JSON that is none",
                client.post("http://127.0.0.1:1/").json(&std::collections::HashMap::from([(vec![1], 2)])),
            ),
        ] {
            let request = request.timeout(Duration::from_secs(5));
            match request.await {
                // The head is made when there is a connection, and here there is none.
                Err(error) if why == "host injection" => {
                    assert!(error.is_request() || error.is_connect(), "{error}")
                }
                Err(error) => assert!(error.is_request() && !error.is_maybe_processed(), "{why}: {error:?}"),
                Ok(_) => panic!("{why}: answered"),
            }
        }
        let refused = client.get("http://127.0.0.1:1/a?secret").await.unwrap_err();
        assert!(refused.is_connect() && !refused.is_timeout(), "{refused:?}");
        assert_eq!(refused.to_string(), "no connection: http://127.0.0.1:1/a");
        assert_eq!(refused.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(client.stats().connections, 0);
    });
}
