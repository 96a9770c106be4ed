//! Tests of applications: a client that needs no socket, and a server on a free port.
//!
//! [`TestClient`] talks to an application through the code that serves real connections, over a pair of streams in
//! memory. So all that holds on a socket holds in the test: framing, `HEAD` without a body, limits and deadlines, a
//! panic that becomes 500. Cookies are kept. What is wrong panics at the line of the test.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::extract::Json;
//! use corelane_http::testing::{self, TestClient};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Note {
//!     text: String,
//! }
//!
//! async fn shout(Json(note): Json<Note>) -> Json<Note> {
//!     Json(Note { text: note.text.to_uppercase() })
//! }
//!
//! testing::run(async {
//!     let client = TestClient::new(App::new().post("/shout", shout));
//!     let response = client.post("/shout").json(&Note { text: "hello".into() }).send().await;
//!     response.assert_status(200);
//!     assert_eq!(response.json::<Note>().text, "HELLO");
//! });
//! ```
//!
//! [`TestServer`] is for what needs a port: another program as client, several cores, the driver. A client talks to
//! it with [`TestClient::connect`].

mod client;
mod exchange;
mod jar;
mod multipart;
mod redirect;
mod request;
mod response;
mod server;
mod sse;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use client::TestClient;
pub use multipart::Multipart;
pub use request::TestRequest;
pub use response::{RESPONSE_BYTES_MAX, TestResponse, TestStream};
pub use server::TestServer;
pub use sse::Event;

/// Longest time [`run`] gives a test.
///
/// Far above what a test takes, below what makes somebody think the machine hangs.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a test on one core, on this thread.
///
/// Tasks that are not finished when the future ends are dropped, with their connections.
///
/// # Panics
/// If the test panics, takes longer than [`RUN_TIMEOUT`], or no driver works here.
#[track_caller]
pub fn run<F: Future>(test: F) -> F::Output {
    let ran = corelane_runtime::block_on(corelane_runtime::time::timeout(RUN_TIMEOUT, test));
    match ran {
        Ok(output) => output,
        Err(_) => panic!("the test did not end within {RUN_TIMEOUT:?}"),
    }
}
