//! An identifier for each request, in its extensions, for the logs and for the client.
//!
//! ```
//! use corelane_http::{app::App, extract::RequestId, request::Request};
//! use corelane_middlewares::request_id::RequestIds;
//!
//! async fn order(id: RequestId) -> String {
//!     format!("order failed, tell us {id}")
//! }
//! # corelane_runtime::block_on(async {
//! let service = App::new().with(RequestIds::new()).get("/order", order).into_service();
//! let response = service.call(Request::builder("GET", "/order").build()).await;
//! assert_eq!(response.headers().get("x-request-id").map(str::len), Some(32));
//! # });
//! ```

use std::cell::Cell;

use corelane_http::extract::RequestId;
use corelane_http::middleware::{Middleware, Next};
use corelane_http::request::Request;
use corelane_http::response::Response;

/// The field, unless said otherwise.
pub const HEADER: &str = "x-request-id";

/// Gives each request a [`RequestId`] and sends it back with the response. Place it first, so that every layer and log has it.
///
/// An id is 32 hexadecimal digits: 64 random bits of the layer, and 64 that differ for each of its requests. It is no
/// secret and no proof of anything.
#[derive(Debug)]
pub struct RequestIds {
    header: &'static str,
    accepts: Accepts,
    random: u64,
    made: Cell<u64>,
}

impl RequestIds {
    /// Ids of our own, whatever the client sends.
    ///
    /// # Panics
    /// At the caller's line, if the system gives no random numbers.
    #[track_caller]
    pub fn new() -> RequestIds {
        match getrandom::u64() {
            Ok(random) => {
                RequestIds { header: HEADER, accepts: Accepts::Nothing, random, made: Cell::new(0) }
            }
            Err(error) => panic!("request ids need random numbers: {error}"),
        }
    }

    /// Takes the id that a [trusted proxy](corelane_http::server::Server::trusted_proxies) has set, if it is one
    /// ([`RequestId::new`]); makes one otherwise.
    pub fn accept_from_proxies(mut self) -> RequestIds {
        self.accepts = Accepts::Trusted;
        self
    }

    /// Takes the id that anyone brings, if it is one: for services that only other services reach. A client can make
    /// all its requests have one id, or that of somebody else's.
    pub fn accept_from_anyone(mut self) -> RequestIds {
        self.accepts = Accepts::Anyone;
        self
    }

    /// The field, in the request and in the response ([`HEADER`]).
    ///
    /// # Panics
    /// At the caller's line, if it cannot be sent.
    #[track_caller]
    pub fn header(mut self, name: &'static str) -> RequestIds {
        if let Err(error) = Response::new("").with_header(name, "id") {
            panic!("the field of request ids: {error}");
        }
        self.header = name;
        self
    }

    fn make(&self) -> RequestId {
        let made = self.made.get();
        self.made.set(made.wrapping_add(1));
        let mut text = [0; 32];
        let (first, second) = text.split_at_mut(16);
        hex(self.random, first);
        hex(mixed(made ^ self.random), second);
        // Hexadecimal digits are both UTF-8 and allowed.
        match std::str::from_utf8(&text).ok().and_then(RequestId::new) {
            Some(id) => id,
            None => unreachable!("hexadecimal digits are an id"),
        }
    }
}

/// Whose ids are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepts {
    Nothing,
    Trusted,
    Anyone,
}

impl Default for RequestIds {
    #[track_caller]
    fn default() -> Self {
        RequestIds::new()
    }
}

fn hex(number: u64, digits: &mut [u8]) {
    for (at, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * at) & 0xf) as usize];
    }
}

/// The last step of SplitMix64: each number becomes another one, no two the same.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Middleware for RequestIds {
    async fn handle(&self, mut request: Request, next: Next) -> Response {
        let accepts = match self.accepts {
            Accepts::Nothing => false,
            Accepts::Trusted => request.is_from_trusted_proxy(),
            Accepts::Anyone => true,
        };
        let brought = if accepts { request.header(self.header).and_then(RequestId::new) } else { None };
        let id = brought.unwrap_or_else(|| self.make());
        request.extensions_mut().insert(id);
        let mut response = next.run(request).await;
        if let Err(error) = response.headers_mut().insert(self.header, id.as_str()) {
            tracing::warn!(%error, "the response has no room for its request id");
        }
        response
    }
}
