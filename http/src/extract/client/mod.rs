//! The client behind the proxies: its address, and the scheme and host it asked for.
//!
//! The rule: what a peer says counts only if it is trusted. The entries of the field are then read from the right, from
//! the peer towards the client: each was written by the one to its right. The first that is no trusted proxy is the
//! client. What cannot be read ends the walk, and the last address before it stands: nobody can make up an address by
//! sending something odd.

mod node;
mod walk;

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

use super::FromRequest;
use crate::problem::Problem;
use crate::request::Request;

/// The client's address: the socket's peer, or, from a proxy in [`TrustedProxies`](crate::server::TrustedProxies), what
/// that forwards. IPv4 in the form of IPv6 is given as IPv4.
///
/// A peer on a Unix socket that is not trusted has none: 500, with a line in the log; `Option<ClientAddr>` is `None` then.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::ClientAddr;
/// use corelane_http::request::Request;
/// use corelane_http::server::TrustedProxies;
/// use corelane_runtime::net::PeerAddr;
///
/// async fn whoami(ClientAddr(address): ClientAddr) -> String {
///     address.to_string()
/// }
///
/// # corelane_runtime::block_on(async {
/// let request = Request::builder("GET", "/")
///     .peer(PeerAddr::Tcp("10.0.0.5:4711".parse().unwrap()))
///     .header("x-forwarded-for", "6.6.6.6, 203.0.113.9")
///     .trusted_proxies(TrustedProxies::new(["10.0.0.5"])?)
///     .build();
/// let response = App::new().get("/", whoami).into_service().call(request).await;
/// assert_eq!(response.into_body().bytes().await.unwrap(), "203.0.113.9");
/// # Ok::<(), corelane_http::server::TrustError>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

impl Deref for ClientAddr {
    type Target = IpAddr;

    fn deref(&self) -> &IpAddr {
        &self.0
    }
}

impl FromRequest for ClientAddr {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        request.client_addr().map(ClientAddr).ok_or_else(|| {
            tracing::error!(
                "the peer has no address: trust the proxy behind the Unix socket, or take an Option"
            );
            Problem::internal()
        })
    }

    /// The only rejection there is.
    fn is_absent(_: &Problem) -> bool {
        true
    }
}

/// The scheme of the URL that the client asked for: `https` if TLS ends here, or a trusted proxy says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// True for `https`.
    pub fn is_https(self) -> bool {
        self == Scheme::Https
    }

    /// The scheme of this name; those of WebSocket are what some proxies send for an upgrade.
    fn of(name: &[u8]) -> Option<Scheme> {
        match name {
            _ if name.eq_ignore_ascii_case(b"https") || name.eq_ignore_ascii_case(b"wss") => {
                Some(Scheme::Https)
            }
            _ if name.eq_ignore_ascii_case(b"http") || name.eq_ignore_ascii_case(b"ws") => Some(Scheme::Http),
            _ => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromRequest for Scheme {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Self::Rejection> {
        Ok(request.scheme())
    }
}

/// The authority of the URL that the client asked for, with a port if it has one: from a trusted proxy what that forwards,
/// else the request's own ([`Request::host`]). Empty if an HTTP/1.0 client sent none.
///
/// Any client can send any `Host`. Do not make links of it that are sent to somebody else, in a mail for one, unless the
/// proxy, or a guard, lets known hosts pass only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(pub Box<str>);

impl Deref for Host {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl FromRequest for Host {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Self::Rejection> {
        Ok(Host(request.external_host().into()))
    }
}

impl Request {
    /// The client's address, by the rule of [`ClientAddr`]. `None` for a peer that has none and is not trusted.
    ///
    /// Walks the fields at each call; without trusted proxies it is the peer's address, at no cost.
    pub fn client_addr(&self) -> Option<IpAddr> {
        walk::walk(self).client
    }

    /// The scheme that the client used, by the same rule.
    pub fn scheme(&self) -> Scheme {
        let own = if self.is_secure() { Scheme::Https } else { Scheme::Http };
        walk::walk(self).scheme.and_then(Scheme::of).unwrap_or(own)
    }

    /// The host that the client asked for, by the same rule: see [`Host`](struct@Host). [`Request::host`] is what the peer
    /// asked for.
    pub fn external_host(&self) -> &str {
        walk::walk(self).host.and_then(node::authority).unwrap_or_else(|| self.host())
    }
}

#[cfg(test)]
mod tests;
