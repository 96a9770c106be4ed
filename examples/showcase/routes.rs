//! What the showcase serves.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use corelane::body::BodyError;
use corelane::openapi::{Spec, op};
use corelane::prelude::*;
use corelane::response::Body;
use corelane::runtime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::edge;

/// Largest body `POST /echo` takes, in bytes.
const ECHO_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Largest body `POST /upload` takes, in bytes.
const UPLOAD_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Bounds of `GET /stream`: chunks, and bytes of each.
const STREAM_CHUNKS_MAX: u32 = 1_000_000;
const STREAM_CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// Longest `GET /sleep/{ms}`, in milliseconds.
const SLEEP_MS_MAX: u64 = 60_000;

pub(crate) fn app() -> App {
    let served = Rc::new(Cell::new(0));
    let html = "text/html; charset=utf-8";
    let text = "text/plain; charset=utf-8";
    let bytes = "application/octet-stream";
    let app = App::new()
        .state(Served(served.clone()))
        .with(Count(served))
        .route(
            "/",
            get(index)
                .describe(op("index").summary("What there is").response_as::<String>(200, html, "A page")),
        )
        .route(
            "/plaintext",
            get(plaintext).describe(
                op("plaintext").summary("The least there is to do").response_as::<String>(
                    200,
                    text,
                    "Hello, World!",
                ),
            ),
        )
        .route(
            "/json",
            get(json).describe(op("json").summary("The same as JSON").json::<Message>(200, "Hello, World!")),
        )
        .route(
            "/users/{id}",
            get(user).describe(
                op("user")
                    .summary("A typed parameter")
                    .path::<u64>("id", "Any number")
                    .json::<User>(200, "The number"),
            ),
        )
        .route(
            "/echo",
            post(echo).body_limit(ECHO_BYTES_MAX).describe(
                op("echo").summary("The body as it comes").body_bytes(bytes).bytes(
                    200,
                    bytes,
                    "The same bytes",
                ),
            ),
        )
        .route(
            "/upload",
            post(upload).body_limit(UPLOAD_BYTES_MAX).describe(
                op("upload")
                    .summary("Reads the body piece by piece")
                    .body_bytes(bytes)
                    .json::<Upload>(200, "Its length"),
            ),
        )
        .route(
            "/stream",
            get(stream).describe(
                op("stream")
                    .summary("A body made piece by piece")
                    .query::<StreamShape>()
                    .empty(200, "Chunks of the letter x"),
            ),
        )
        .route(
            "/sleep/{ms}",
            get(sleep).describe(
                op("sleep")
                    .summary("Waits")
                    .path::<Milliseconds>("ms", "How long, in milliseconds")
                    .response_as::<String>(200, text, "After that time"),
            ),
        )
        .route("/panic", get(panics).describe(op("panics").summary("Fails").problem(500, "Every time")))
        .route(
            "/core",
            get(core).describe(op("core").summary("Which core answers").json::<Core>(200, "This one")),
        );
    edge::with_edge(app).openapi(Spec::new("Corelane showcase", env!("CARGO_PKG_VERSION")))
}

async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

async fn plaintext() -> &'static str {
    "Hello, World!"
}

#[derive(Serialize, ToSchema)]
struct Message {
    message: &'static str,
}

async fn json() -> Json<Message> {
    Json(Message { message: "Hello, World!" })
}

#[derive(Serialize, ToSchema)]
struct User {
    id: u64,
}

async fn user(Path(id): Path<u64>) -> Json<User> {
    Json(User { id })
}

/// Sends the body back as it comes in: one chunk is held at a time, whatever the size.
async fn echo(request: Request) -> Response {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream").to_owned();
    let mut response = Response::new(request.into_body());
    match response.headers_mut().insert("content-type", &content_type) {
        Ok(()) => response,
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[derive(Serialize, ToSchema)]
struct Upload {
    bytes: usize,
}

/// Reads the body, one chunk at a time, and throws it away.
async fn upload(request: Request) -> Result<Json<Upload>, BodyError> {
    let mut body = request.into_body();
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().await {
        bytes += chunk?.len();
    }
    Ok(Json(Upload { bytes }))
}

#[derive(Deserialize, IntoParams)]
struct StreamShape {
    /// How many chunks.
    #[serde(default = "ten")]
    #[param(maximum = 1_000_000, default = 10)]
    chunks: u32,
    /// Bytes of each.
    #[serde(default = "kibibyte")]
    #[param(minimum = 1, maximum = 1_048_576, default = 1024)]
    size: usize,
}

fn ten() -> u32 {
    10
}

fn kibibyte() -> usize {
    1024
}

/// `chunks` chunks of `size` bytes, each made when the connection can take it.
async fn stream(Query(shape): Query<StreamShape>) -> Result<Response, Problem> {
    if shape.chunks > STREAM_CHUNKS_MAX || shape.size > STREAM_CHUNK_BYTES_MAX || shape.size == 0 {
        return Err(Problem::new(StatusCode::BAD_REQUEST)
            .detail("chunks is at most 1000000, size is 1 to 1048576 bytes"));
    }
    let chunk = Bytes::from(vec![b'x'; shape.size]);
    let mut left = shape.chunks;
    Ok(Response::new(Body::from_fn(move || {
        let next = (left > 0).then(|| Ok::<_, std::convert::Infallible>(chunk.clone()));
        left = left.saturating_sub(1);
        async move { next }
    })))
}

/// How the parameter of `/sleep/{ms}` is described.
#[derive(ToSchema)]
#[schema(value_type = u64, maximum = 60_000)]
struct Milliseconds(#[expect(dead_code, reason = "only described")] u64);

async fn sleep(Path(ms): Path<u64>) -> Result<String, Problem> {
    if ms > SLEEP_MS_MAX {
        return Err(Problem::new(StatusCode::BAD_REQUEST).detail("ms is at most 60000"));
    }
    runtime::time::sleep(Duration::from_millis(ms)).await;
    Ok(format!("slept {ms} ms\n"))
}

async fn panics() -> &'static str {
    panic!("this route panics, to show that only its own request fails");
}

/// Requests that this core has been sent. Each core has its own, so a plain cell will do.
struct Served(Rc<Cell<u64>>);

/// The layer that counts them: what every route here goes through, so that the benchmark measures a layer too.
struct Count(Rc<Cell<u64>>);

impl Middleware for Count {
    async fn handle(&self, request: Request, next: Next) -> Response {
        self.0.set(self.0.get() + 1);
        next.run(request).await
    }
}

#[derive(Serialize, ToSchema)]
struct Core {
    core: usize,
    cores: usize,
    requests: u64,
}

/// Which core answered, and how many requests it has had: reconnect to see the kernel spread connections.
async fn core(State(served): State<Served>) -> Json<Core> {
    Json(Core { core: runtime::core_id().index(), cores: runtime::core_count(), requests: served.0.get() })
}
