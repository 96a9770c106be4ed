//! Uploads: `multipart/form-data` (RFC 7578), read part by part or collected.
//!
//! [`Multipart`] gives the parts as they arrive, so that a file of any length passes through a buffer of constant size.
//! A client that sends faster than the handler takes is slowed down.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::multipart::{Multipart, MultipartError};
//! use corelane_http::request::Request;
//! use corelane_http::router::post;
//!
//! async fn sizes(mut multipart: Multipart) -> Result<String, MultipartError> {
//!     let mut text = String::new();
//!     while let Some(mut part) = multipart.next_part().await? {
//!         let mut len = 0;
//!         while let Some(chunk) = part.chunk().await? {
//!             len += chunk.len();
//!         }
//!         text += &format!("{} {:?}: {len} bytes\n", part.name(), part.file_name());
//!     }
//!     Ok(text)
//! }
//!
//! # corelane_runtime::block_on(async {
//! // The body's limit is 2 MiB unless the route says otherwise.
//! let app = App::new().route("/", post(sizes).body_limit(1024 * 1024 * 1024));
//! let body = "--XX\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nhello\r\n--XX--\r\n";
//! let request = Request::builder("POST", "/").header("content-type", "multipart/form-data; boundary=XX").body(body);
//! let response = app.into_service().call(request.build()).await;
//! assert_eq!(response.into_body().bytes().await.unwrap(), "f Some(\"a.txt\"): 5 bytes\n");
//! # });
//! ```
//!
//! [`MultipartForm`] collects: fields into a struct, files into memory or, if they are large, into files of a
//! directory that vanish with it.
//!
//! # Names of files
//!
//! A client chooses the name of a file: `../../etc/passwd`, `C:\x`, or one that means something to a shell. Nothing here
//! uses it as a path. Store files under names of your own; [`safe_file_name`] makes one that can be shown, and be the
//! last component of a path.
//!
//! # Limits
//!
//! [`MultipartLimits`] bounds parts, their heads, fields and files, under the limit of the body
//! ([`MethodRouter::body_limit`](crate::router::MethodRouter::body_limit)), which is that of the whole. Given to
//! [`App::state`](crate::app::App::state) it holds for the application; as a layer, for what that is around.
//! Bytes over a limit are 413, too many parts or a head too long 400, each named in the answer.

mod error;
mod file;
mod form;
mod limits;
mod name;
mod part;

use std::fmt;

use bytes::{Buf, Bytes};
use corelane_http_proto::head::Name;
use corelane_http_proto::multipart::{Boundary, Event, Parser, PartHead};

use crate::body::{Body, into_bytes};
use crate::extract::{self, FromRequest};
use crate::request::Request;

pub use error::MultipartError;
pub use form::{MultipartForm, Spool, Upload};
pub use limits::MultipartLimits;
pub use name::safe_file_name;
pub use part::Part;

/// The parts of a `multipart/form-data` body, in the order they were sent. See the [module](self).
pub struct Multipart {
    body: Body,
    parser: Parser,
    /// Received and not yet parsed.
    unread: Bytes,
    limits: MultipartLimits,
    /// True while data of a part may come.
    in_part: bool,
}

/// What comes next in a body.
enum Item {
    Part(PartHead),
    Data(Bytes),
    PartEnd,
}

impl FromRequest for Multipart {
    type Rejection = MultipartError;

    /// Nothing is asked of the peer before the first part is.
    async fn from_request(request: &mut Request) -> Result<Self, MultipartError> {
        let Some(content_type) = request.known_header(Name::ContentType) else {
            return Err(MultipartError::no_type(request.body().is_empty()));
        };
        let boundary = Boundary::from_content_type(content_type)?;
        let limits: MultipartLimits = extract::limits(request);
        let body = Body::from_request(request).await?;
        Ok(Multipart {
            body,
            parser: Parser::new(&boundary, limits.of_parser()),
            unread: Bytes::new(),
            limits,
            in_part: false,
        })
    }

    /// Neither a body nor a type.
    fn is_absent(rejection: &MultipartError) -> bool {
        rejection.is_absent()
    }
}

impl Multipart {
    /// The next part; `None` after the last one. What is left of the part before is skipped.
    ///
    /// # Errors
    /// See [`MultipartError`]. There is nothing to read after one.
    ///
    /// # Cancellation
    /// A dropped future has taken no part.
    pub async fn next_part(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        loop {
            match self.next().await? {
                Some(Item::Part(head)) => return Ok(Some(Part::new(self, head))),
                Some(Item::Data(_) | Item::PartEnd) => {}
                None => return Ok(None),
            }
        }
    }

    /// What comes next; `None` at the end of the body.
    ///
    /// May be dropped where it waits: nothing has been taken then.
    async fn next(&mut self) -> Result<Option<Item>, MultipartError> {
        loop {
            if self.unread.is_empty() {
                match self.body.chunk().await {
                    Some(chunk) => self.unread = into_bytes(chunk?),
                    None => {
                        self.parser.handle_end()?;
                        return Ok(None);
                    }
                }
            }
            let step = self.parser.handle_input(&self.unread)?;
            let item = match step.event {
                Event::NeedMore => None,
                Event::Part(head) => Some(Item::Part(head)),
                Event::Data(range) => Some(Item::Data(self.unread.slice(range))),
                Event::Held(bytes) => Some(Item::Data(Bytes::copy_from_slice(bytes))),
                Event::PartEnd => Some(Item::PartEnd),
            };
            self.unread.advance(step.consumed);
            match item {
                Some(Item::Part(_)) => self.in_part = true,
                Some(Item::PartEnd) => self.in_part = false,
                _ => {}
            }
            if item.is_some() {
                return Ok(item);
            }
        }
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").field("parts", &self.parser.parts()).finish_non_exhaustive()
    }
}
