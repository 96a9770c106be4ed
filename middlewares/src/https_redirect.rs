//! Sends clients that came without TLS to the same place with it.
//!
//! ```
//! use corelane_http::{app::App, request::Request};
//! use corelane_middlewares::https_redirect::HttpsRedirect;
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().with(HttpsRedirect::to_host("shop.example")).get("/cart", async || "cart").into_service();
//! let response = service.call(Request::builder("GET", "/cart?x=1").build()).await;
//! assert_eq!(response.status(), 308);
//! assert_eq!(response.headers().get("location"), Some("https://shop.example/cart?x=1"));
//! # });
//! ```
//!
//! TLS ends at the proxy in front, which says so in a field: name the proxy to the server
//! ([`Server::trusted_proxies`](corelane_http::server::Server::trusted_proxies)), or every request seems to be plain and is
//! redirected for ever. The layer warns of that in the log.

use std::cell::Cell;

use corelane_http::middleware::{Middleware, Next};
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{IntoResponse, Response, StatusCode};

/// Answers plain requests with 308, which keeps method and body. Place it early.
#[derive(Debug)]
pub struct HttpsRedirect {
    host: Option<Box<str>>,
    port: Option<u16>,
    except: Vec<Box<str>>,
    warned: Cell<bool>,
}

impl HttpsRedirect {
    /// To the host that the client asked for. It is the client's word: a cache in front has to tell hosts apart.
    pub fn same_host() -> HttpsRedirect {
        HttpsRedirect { host: None, port: None, except: Vec::new(), warned: Cell::new(false) }
    }

    /// To this host, whatever the client asked for.
    ///
    /// # Panics
    /// At the caller's line, if it is no host name: it has a port, a path or what no host has.
    #[track_caller]
    pub fn to_host(host: &str) -> HttpsRedirect {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[:]".contains(&byte);
        let has_port = !host.starts_with('[') && host.contains(':');
        assert!(!host.is_empty() && host.bytes().all(plain) && !has_port, "{host:?} is no host name");
        HttpsRedirect { host: Some(host.into()), ..HttpsRedirect::same_host() }
    }

    /// The port with TLS, if it is not 443.
    pub fn port(mut self, port: u16) -> HttpsRedirect {
        self.port = (port != 443).then_some(port);
        self
    }

    /// A path that is answered plain as well: what a balancer asks whether the server is well.
    pub fn except(mut self, path: &str) -> HttpsRedirect {
        self.except.push(path.into());
        self
    }

    fn location(&self, request: &Request) -> Option<String> {
        let host = self.host.as_deref().unwrap_or_else(|| without_port(request.external_host()));
        if host.is_empty() {
            return None;
        }
        let mut location = format!("https://{host}");
        if let Some(port) = self.port {
            location.push_str(&format!(":{port}"));
        }
        // `OPTIONS *` asks for no path.
        location.push_str(if request.path().starts_with('/') { request.path() } else { "/" });
        if let Some(query) = request.query() {
            location.push('?');
            location.push_str(query);
        }
        Some(location)
    }

    /// A peer that says `https` and is not trusted is most likely the proxy that was forgotten.
    fn warn_of_loop(&self, request: &Request) {
        let says_https =
            request.header("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        if says_https && !self.warned.replace(true) {
            tracing::warn!(
                peer = %request.peer(),
                "a peer that is no trusted proxy says that the client used TLS, and is redirected all the same: \
                 if it is your proxy, name it with `Server::trusted_proxies`"
            );
        }
    }
}

/// `[::1]` of `[::1]:80`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

impl Middleware for HttpsRedirect {
    async fn handle(&self, request: Request, next: Next) -> Response {
        if request.scheme().is_https() || self.except.iter().any(|path| **path == *request.path()) {
            return next.run(request).await;
        }
        self.warn_of_loop(&request);
        match self.location(&request) {
            Some(location) => (StatusCode::PERMANENT_REDIRECT, [("location", location)], ()).into_response(),
            None => Problem::new(StatusCode::BAD_REQUEST)
                .detail("This site is served with TLS, and the request names no host to send you to.")
                .into_response(),
        }
    }
}
