//! Pipelines of random requests, cut at random places, get the answers that the same requests get one at a time.
//!
//! The seed of a failure is in its message; `CORELANE_TEST_SEED` runs that one alone.

use std::io::Write;
use std::time::Duration;

use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::request::Request;
use corelane_http::response::{Response, StatusCode};
use corelane_http::router::post;
use corelane_http::server::Limits;
use corelane_runtime::{spawn, time, yield_now};

use super::{Answer, Client, start};

const SEEDS: u64 = 150;
const REQUESTS_MAX: u64 = 12;

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

async fn whole(body: bytes::Bytes) -> bytes::Bytes {
    body
}

async fn stream(request: Request) -> Response {
    Response::new(request.into_body())
}

async fn yield_then_stream(request: Request) -> Response {
    yield_now().await;
    Response::new(request.into_body())
}

async fn wait_then_stream(request: Request) -> Response {
    time::sleep(Duration::from_millis(3)).await;
    Response::new(request.into_body())
}

async fn ignore() -> &'static str {
    "ignored"
}

async fn slow() -> &'static str {
    time::sleep(Duration::from_millis(2)).await;
    "slow"
}

async fn drop_after_first(request: Request) -> &'static str {
    let mut body = request.into_body();
    let _first = body.chunk().await;
    drop(body);
    yield_now().await;
    "dropped"
}

async fn impatient(request: Request) -> &'static str {
    let _late = time::timeout(Duration::from_millis(1), request.into_body().bytes()).await;
    "impatient"
}

/// Every wait may be given up and begun again, and no byte is lost.
async fn nervous(request: Request) -> Result<Vec<u8>, corelane_http::body::BodyError> {
    let mut body = request.into_body();
    let mut whole = Vec::new();
    loop {
        match time::timeout(Duration::from_micros(500), body.chunk()).await {
            Ok(Some(chunk)) => whole.extend_from_slice(&chunk?),
            Ok(None) => return Ok(whole),
            Err(_) => {}
        }
    }
}

async fn task(request: Request) -> Result<bytes::Bytes, corelane_http::body::BodyError> {
    let body = request.into_body();
    spawn(body.bytes()).await.expect("no panic, no abort")
}

async fn task_outlives(request: Request) -> &'static str {
    let mut body = request.into_body();
    drop(spawn(async move { while let Some(Ok(_)) = body.chunk().await {} }));
    "answered"
}

async fn panics(request: Request) -> &'static str {
    let mut body = request.into_body();
    let _first = body.chunk().await;
    panic!("as the test wants it")
}

async fn chunks() -> Body {
    let mut left = 5;
    Body::from_fn(move || {
        left -= 1;
        async move {
            if left % 2 == 0 {
                yield_now().await;
            }
            (left >= 0).then(|| Ok::<_, std::io::Error>(vec![b'c'; 900]))
        }
    })
}

async fn large() -> Vec<u8> {
    vec![b'l'; 90_000]
}

const POSTS: &[&str] = &[
    "/whole",
    "/stream",
    "/yield-then-stream",
    "/wait-then-stream",
    "/ignore",
    "/slow",
    "/drop-after-first",
    "/impatient",
    "/nervous",
    "/task",
    "/task-outlives",
    "/panics",
    "/small",
    "/small-stream",
    "/nowhere",
];
const GETS: &[&str] = &["/chunks", "/large", "/slow", "/none", "/ignore", "/nowhere", "/whole"];

fn app() -> App {
    App::new()
        .post("/whole", whole)
        .post("/stream", stream)
        .post("/yield-then-stream", yield_then_stream)
        .post("/wait-then-stream", wait_then_stream)
        .any("/ignore", ignore)
        .any("/slow", slow)
        .post("/drop-after-first", drop_after_first)
        .post("/impatient", impatient)
        .post("/nervous", nervous)
        .post("/task", task)
        .post("/task-outlives", task_outlives)
        .post("/panics", panics)
        .route("/small", post(whole).body_limit(100))
        .route("/small-stream", post(yield_then_stream).body_limit(100))
        .get("/chunks", chunks)
        .get("/large", large)
        .get("/none", async || StatusCode::NO_CONTENT)
}

struct Planned {
    bytes: Vec<u8>,
    is_head: bool,
}

fn plan(random: &mut Random) -> Planned {
    let method = random.pick(&["POST", "POST", "POST", "GET", "HEAD"]);
    if method != "POST" {
        let bytes = format!("{method} {} HTTP/1.1\r\nhost: h\r\n\r\n", random.pick(GETS)).into_bytes();
        return Planned { bytes, is_head: method == "HEAD" };
    }
    let target = random.pick(POSTS);
    let len = random.pick(&[0, 1, 5, 99, 100, 101, 1000, 3000, 9000]);
    let body: Vec<u8> = (0..len).map(|_| b'a' + u8::try_from(random.below(26)).unwrap()).collect();
    let mut bytes = format!("POST {target} HTTP/1.1\r\nhost: h\r\n").into_bytes();
    // A chunked body that is sent back and passes its limit on the way ends the connection, by right.
    if target == "/small-stream" || random.below(2) == 0 {
        bytes.extend_from_slice(format!("content-length: {len}\r\n\r\n").as_bytes());
        bytes.extend_from_slice(&body);
        return Planned { bytes, is_head: false };
    }
    bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    let mut rest = &body[..];
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(usize::try_from(1 + random.below(rest.len() as u64)).unwrap());
        let extension = random.pick(&["", "", ";a=b"]);
        bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = behind;
    }
    let trailer = random.pick(&["", "", "x-trailer: yes\r\n"]);
    bytes.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    Planned { bytes, is_head: false }
}

/// What of an answer has to be the same.
type Essence = (u16, Option<String>, Vec<u8>);

fn read(client: &mut Client, planned: &Planned) -> (Essence, bool) {
    let answer: Answer = if planned.is_head { client.interim() } else { client.answer() };
    let kind = answer.header("content-type").map(str::to_owned);
    let closes = answer.closes();
    ((answer.status, kind, answer.body), closes)
}

#[test]
fn answers_do_not_depend_on_how_requests_arrive() {
    let server = start(Limits::default(), app);
    let only = std::env::var("CORELANE_TEST_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let mut random = Random(seed);
        let count = 1 + random.below(REQUESTS_MAX);
        let requests: Vec<Planned> = (0..count).map(|_| plan(&mut random)).collect();

        let mut alone = Vec::new();
        for planned in &requests {
            let mut client = Client::connect(server.address());
            alone.push(read(client.send(&planned.bytes), planned).0);
        }

        let all: Vec<u8> = requests.iter().flat_map(|planned| planned.bytes.iter().copied()).collect();
        let mut client = Client::connect(server.address());
        let mut writer = client.stream.try_clone().unwrap();
        let piece_max = random.pick(&[3, 40, 700, 5000, 100_000]);
        let writing = std::thread::spawn(move || {
            let mut rest = &all[..];
            // A few thousand pieces would take their time and find no more.
            for _ in 0..60 {
                let len = usize::try_from(1 + random.below(piece_max)).unwrap().min(rest.len());
                // Fails if the server has closed, which an answer has said then.
                if writer.write_all(&rest[..len]).is_err() {
                    return;
                }
                rest = &rest[len..];
                if random.below(3) == 0 {
                    std::thread::sleep(Duration::from_micros(random.below(1500)));
                }
            }
            let _ = writer.write_all(rest);
        });
        for (n, (planned, want)) in requests.iter().zip(&alone).enumerate() {
            let (got, closes) = read(&mut client, planned);
            let head = String::from_utf8_lossy(&planned.bytes[..planned.bytes.len().min(120)]);
            assert!(got == *want, "seed {seed}, request {n}: {got:?}, alone {want:?}; of {head:?}");
            assert!(!closes, "seed {seed}, request {n}: no body is so long that it closes; of {head:?}");
        }
        writing.join().unwrap();
        assert_eq!(
            client.send("GET /ignore HTTP/1.1\r\nhost: h\r\n\r\n").answer().text(),
            "ignored",
            "seed {seed}"
        );
    }
    server.shutdown().unwrap();
}

/// Requests with bytes changed, lost, doubled: each connection ends, nothing panics, and the server serves on.
#[test]
fn damaged_requests_end_their_connection_and_nothing_else() {
    let server = start(Limits { body_grace: Duration::from_millis(100), ..Limits::default() }, app);
    let only = std::env::var("CORELANE_TEST_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in only.map_or(0..SEEDS * 2, |seed| seed..seed + 1) {
        let mut random = Random(seed);
        let mut bytes: Vec<u8> = (0..1 + random.below(4)).flat_map(|_| plan(&mut random).bytes).collect();
        // The handler that panics on purpose would hide one that does not.
        while let Some(at) = bytes.windows(7).position(|window| window == b"/panics") {
            bytes[at..at + 7].copy_from_slice(b"/stream");
        }
        for _ in 0..1 + random.below(3) {
            let at = usize::try_from(random.below(bytes.len().min(300) as u64)).unwrap();
            match random.below(4) {
                0 => bytes[at] = random.pick(b"\0\t\n\r :;,=0f\x7f\xff"),
                1 => bytes.insert(at, random.pick(b"\0\t\n\r :;,=0f\x7f\xff")),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at + 1),
            }
        }
        let mut client = Client::connect(server.address());
        for piece in bytes.chunks(usize::try_from(1 + random.below(2000)).unwrap()) {
            if client.try_send(piece).is_err() {
                break;
            }
        }
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        // Hangs until the client's patience ends if the connection does not.
        while client.fill() {}
        assert_eq!(server.core_stats()[0].panics, 0, "seed {seed}");
    }
    assert_eq!(Client::connect(server.address()).get("/chunks").status, 200);
    server.shutdown().unwrap();
}
