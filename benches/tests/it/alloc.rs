//! A request in steady state allocates nothing on the heap of its core.
//!
//! Server and client share this process; what is counted is counted by thread, and the server is asked for the count of
//! its own through a route. The test is worth something only because [`the_count_sees_an_allocation`] fails without
//! the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use corelane::cookie::SetCookies;
use corelane::middlewares::access_log::AccessLog;
use corelane::middlewares::body_limit::BodyLimit;
use corelane::middlewares::cors::Cors;
use corelane::middlewares::session::{MemoryStore, Sessions};
use corelane::prelude::*;
use corelane::runtime::DriverChoice;
use corelane_benches::answer::Checker;
use corelane_benches::server::{exchange, free_address, request};
use serde::{Deserialize, Serialize};

/// Requests before the count, so that buffers, pools and the date are there.
const WARM_UP: usize = 2_000;
/// Requests counted.
const COUNTED: usize = 10_000;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting allocations and growths by thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the calling thread so far.
pub(crate) fn here() -> u64 {
    ALLOCATIONS.get()
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call goes to `System` as it came, which keeps the contract. Counting touches a thread-local `Cell` of a
// constant initial value: it needs no destructor and no memory of its own, so it never allocates itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above; `block` came from `System`, as all of ours do.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

async fn plaintext() -> &'static str {
    "Hello, World!"
}

async fn json() -> Json<Message> {
    Json(Message { message: "Hello, World!" })
}

#[derive(Deserialize)]
struct Page {
    page: u32,
    #[serde(default)]
    sort: Option<Sort>,
}

#[derive(Deserialize, Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Name,
    Date,
}

#[derive(Deserialize)]
struct Order {
    amount: u64,
    express: bool,
}

#[derive(Serialize)]
struct Receipt {
    id: u64,
    page: u32,
    sort: Option<Sort>,
    amount: u64,
    express: bool,
}

/// Everything of a request that handlers take most: what is counted is the framework's, as no type here allocates.
async fn order(Path(id): Path<u64>, Query(at): Query<Page>, Json(order): Json<Order>) -> Json<Receipt> {
    let Order { amount, express } = order;
    Json(Receipt { id, page: at.page, sort: at.sort, amount, express })
}

/// The count of the core's thread, in a body of fixed length.
async fn allocations() -> String {
    format!("{:020}", ALLOCATIONS.get())
}

async fn allocate() -> &'static str {
    drop(std::hint::black_box(Box::new(1)));
    "Hello, World!"
}

fn app() -> App {
    App::new()
        .get("/plaintext", plaintext)
        .get("/json", json)
        .post("/orders/{id}", order)
        .get("/allocate", allocate)
        .get("/allocations", allocations)
        .group("/layers", |layers| {
            layers
                .with(SetCookies::new())
                .with(Sessions::new(MemoryStore::new()))
                .with(Cors::new().origin("https://app.example"))
                .with(BodyLimit::bytes(1024))
                .get("/plaintext", plaintext)
        })
        .group("/logged", |logged| {
            let log = AccessLog::file("/dev/null").unwrap();
            logged.with(log.layer()).get("/plaintext", plaintext)
        })
}

/// Serves on one core of a thread that ends with the process.
fn serve(driver: DriverChoice) -> SocketAddr {
    let address = free_address().unwrap();
    thread::spawn(move || Server::bind(address).cores(1).driver(driver).run(app).unwrap());
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "the server does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// The server's count, asked for over `stream`.
fn counted(stream: &mut TcpStream) -> u64 {
    stream.write_all(&request("/allocations")).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") || answer.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "closed");
        answer.extend_from_slice(&buffer[..length]);
    }
    let text = String::from_utf8(answer).unwrap();
    text.rsplit("\r\n").next().unwrap().parse().unwrap()
}

/// Allocations by the server's core for `requests` times `request`, which is answered by `body`, `pipeline` at a time.
fn allocations_for(
    stream: &mut TcpStream,
    request: &[u8],
    body: &str,
    pipeline: usize,
    requests: usize,
) -> u64 {
    let batch = request.repeat(pipeline);
    let ask = |stream: &mut TcpStream, requests: usize| {
        let mut checker = Checker::new(Some(body.as_bytes().to_vec()));
        for _ in 0..requests / pipeline {
            exchange(stream, &batch, &mut checker, pipeline)
                .unwrap_or_else(|error| panic!("{body} x {pipeline}: {error}"));
        }
    };
    ask(stream, WARM_UP);
    // Asking allocates too: the difference of two questions with nothing between them is what asking costs.
    let [first, second] = [(); 2].map(|()| counted(stream));
    ask(stream, requests);
    counted(stream) - second - (second - first)
}

#[test]
fn a_request_in_steady_state_allocates_nothing() {
    for driver in [DriverChoice::Ring, DriverChoice::Uring, DriverChoice::Epoll] {
        let mut stream = connect(serve(driver));
        for (path, body) in [("/plaintext", "Hello, World!"), ("/json", r#"{"message":"Hello, World!"}"#)] {
            for pipeline in [1, 16] {
                let allocations = allocations_for(&mut stream, &request(path), body, pipeline, COUNTED);
                assert_eq!(allocations, 0, "{path}, {pipeline} at a time, {driver:?}");
            }
        }
    }
}

/// Of `Path`, `Query` and `Json` together, with an answer in JSON.
const EXTRACTORS_MAX: u64 = 2;

#[test]
fn a_request_of_path_query_and_json_allocates_twice_at_most() {
    let json = r#"{"amount":12050,"express":true}"#;
    let request = format!(
        "POST /orders/17?page=3&sort=date HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{json}",
        json.len()
    );
    let answer = r#"{"id":17,"page":3,"sort":"date","amount":12050,"express":true}"#;
    for driver in [DriverChoice::Ring, DriverChoice::Uring, DriverChoice::Epoll] {
        let mut stream = connect(serve(driver));
        for pipeline in [1, 16] {
            let allocations = allocations_for(&mut stream, request.as_bytes(), answer, pipeline, COUNTED);
            let most = EXTRACTORS_MAX * COUNTED as u64;
            assert!(
                allocations <= most,
                "{allocations} allocations for {COUNTED} requests, {pipeline} at a time, {driver:?}"
            );
        }
    }
}

#[test]
fn layers_around_a_handler_that_does_not_use_them_allocate_nothing() {
    let mut stream = connect(serve(DriverChoice::Auto));
    let allocations =
        allocations_for(&mut stream, &request("/layers/plaintext"), "Hello, World!", 16, COUNTED);
    // A table of the runtime may grow meanwhile.
    assert!(allocations < 8, "cookies, sessions, CORS, a body limit: {allocations} for {COUNTED} requests");
    let allocations =
        allocations_for(&mut stream, &request("/logged/plaintext"), "Hello, World!", 16, COUNTED);
    // A write of many lines allocates, a line does not.
    assert!(allocations < COUNTED as u64 / 50, "{allocations} allocations for {COUNTED} lines");
}

#[test]
fn the_count_sees_an_allocation() {
    let mut stream = connect(serve(DriverChoice::Auto));
    let requests = 160;
    let allocations = allocations_for(&mut stream, &request("/allocate"), "Hello, World!", 16, requests);
    let wanted = requests as u64;
    // A table of the runtime may grow meanwhile.
    assert!((wanted..wanted + 8).contains(&allocations), "{allocations} allocations for {wanted} requests");
}
