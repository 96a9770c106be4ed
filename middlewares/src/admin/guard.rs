//! Who may ask.

use std::net::IpAddr;

use corelane_http::middleware::{Middleware, Next};
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{IntoResponse, Response, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Lets those pass who carry the token; without one, those who name the machine by an address.
pub(super) struct Guard {
    /// The token's digest: two of equal length are compared in the same time wherever they differ.
    token: Option<[u8; 32]>,
}

impl Guard {
    pub(super) fn new(token: Option<&str>) -> Guard {
        Guard { token: token.map(|token| Sha256::digest(token).into()) }
    }

    fn refusal(&self, request: &Request) -> Option<Response> {
        let Some(token) = &self.token else {
            // A page of another site can have its name point to 127.0.0.1 and its script ask here (DNS rebinding): then the
            // name is in `Host`.
            return (!names_an_address(request.host())).then(|| {
                Problem::new(StatusCode::FORBIDDEN)
                    .detail("ask by address, such as http://127.0.0.1:9090, or as localhost")
                    .into_response()
            });
        };
        let given = request.header("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let fits = given.is_some_and(|given| bool::from(Sha256::digest(given).as_slice().ct_eq(token)));
        (!fits).then(|| {
            let mut response = Problem::new(StatusCode::UNAUTHORIZED)
                .detail("a bearer token is needed: --token, or an authorization header")
                .into_response();
            let told = response.headers_mut().insert("www-authenticate", "Bearer realm=\"corelane admin\"");
            debug_assert!(told.is_ok(), "a valid field");
            response
        })
    }
}

impl Middleware for Guard {
    async fn handle(&self, request: Request, next: Next) -> Response {
        match self.refusal(&request) {
            Some(refusal) => refusal,
            None => next.run(request).await,
        }
    }
}

/// True for `localhost` and addresses, with or without a port.
fn names_an_address(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_answered_without_a_token() {
        for (host, want) in [
            ("127.0.0.1:9090", true),
            ("127.0.0.1", true),
            ("localhost:9090", true),
            ("LOCALHOST", true),
            ("[::1]:9090", true),
            ("evil.example:9090", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            assert_eq!(names_an_address(host), want, "{host}");
        }
    }
}
