//! Parts of a request as they are, without a wrapper.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use corelane_runtime::buf::Chunk;
use corelane_runtime::net::PeerAddr;
use http::{Method, StatusCode, Version};

use super::FromRequest;
use crate::body::{Body, BodyError};
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// The request itself. Extractors behind it find an empty one, so it goes last.
impl FromRequest for Request {
    type Rejection = Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Infallible> {
        Ok(std::mem::replace(request, Request::taken()))
    }
}

impl FromRequest for Method {
    type Rejection = Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Infallible> {
        Ok(request.method())
    }
}

impl FromRequest for Version {
    type Rejection = Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Infallible> {
        Ok(request.version())
    }
}

/// Who is at the other end of the socket: the proxy, if one is in front.
///
/// ```
/// use corelane_http::extract::Peer;
///
/// async fn whoami(peer: Peer) -> String {
///     format!("{:?}\n", *peer)
/// }
/// # let _ = corelane_http::app::App::new().get("/whoami", whoami);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub PeerAddr);

impl Deref for Peer {
    type Target = PeerAddr;

    fn deref(&self) -> &PeerAddr {
        &self.0
    }
}

impl FromRequest for Peer {
    type Rejection = Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Infallible> {
        Ok(Peer(*request.peer()))
    }
}

/// The body, to be read chunk by chunk. Nothing is asked of the peer before the first read.
impl FromRequest for Body {
    type Rejection = BodyError;

    async fn from_request(request: &mut Request) -> Result<Self, BodyError> {
        let body = request.take_body();
        if body.is_taken() { Err(BodyError::taken()) } else { Ok(body) }
    }
}

/// The whole body, up to the route's limit.
impl FromRequest for Bytes {
    type Rejection = BodyError;

    async fn from_request(request: &mut Request) -> Result<Self, BodyError> {
        request.take_body().bytes().await
    }
}

/// The whole body, up to the route's limit.
impl FromRequest for Vec<u8> {
    type Rejection = BodyError;

    async fn from_request(request: &mut Request) -> Result<Self, BodyError> {
        match request.take_body().collect().await? {
            Chunk::Vec(whole) => Ok(whole),
            whole => Ok(whole.to_vec()),
        }
    }
}

/// The whole body as text, up to the route's limit. It has to be UTF-8, whatever its type says.
impl FromRequest for String {
    type Rejection = TextRejection;

    async fn from_request(request: &mut Request) -> Result<Self, TextRejection> {
        let bytes = Vec::from_request(request).await.map_err(Kind::Body)?;
        Ok(String::from_utf8(bytes).map_err(|error| Kind::NotUtf8(error.utf8_error()))?)
    }
}

/// Why a body is no text.
#[derive(Debug)]
pub struct TextRejection {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Body(BodyError),
    NotUtf8(std::str::Utf8Error),
}

impl From<Kind> for TextRejection {
    fn from(kind: Kind) -> Self {
        TextRejection { kind }
    }
}

impl fmt::Display for TextRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Body(_) => "the body could not be read",
            Kind::NotUtf8(_) => "the body is not UTF-8",
        })
    }
}

impl std::error::Error for TextRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match &self.kind {
            Kind::Body(error) => error,
            Kind::NotUtf8(error) => error,
        })
    }
}

impl IntoResponse for TextRejection {
    fn into_response(self) -> Response {
        match self.kind {
            Kind::Body(error) => error.into_response(),
            Kind::NotUtf8(error) => {
                let detail = format!("The body is not UTF-8: byte {} is wrong.", error.valid_up_to());
                Problem::new(StatusCode::BAD_REQUEST).detail(detail).into_response()
            }
        }
    }
}
