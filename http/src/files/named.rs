//! One file as a response.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use corelane_runtime::buf::Chunk;
use corelane_runtime::fs::{File, Metadata};
use http::StatusCode;

use super::conditions::Verdict;
use super::range::{ByteRange, Ranges};
use super::validators::Validators;
use super::{Conditions, FileError};
use crate::body::{Body, FileBody, Part};
use crate::problem::Problem;
use crate::respond::{CacheControl, Disposition, IntoResponse, ResponsePart};
use crate::response::{HeaderError, Response};

/// An open file that will be a response: with its type, its length, a strong `ETag` and `Last-Modified`.
///
/// As a plain return value it is sent whole with 200. With [`NamedFile::respond`] and the request's [`Conditions`] it
/// answers conditional requests and ranges too.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::files::{Conditions, FileError, NamedFile};
/// use corelane_http::request::Request;
/// use corelane_http::response::Response;
///
/// # let path = std::env::temp_dir().join(format!("corelane-doc-named-{}", std::process::id()));
/// # std::fs::write(&path, "month,sum\n").unwrap();
/// # let place = path.clone();
/// # let report = async move |conditions: Conditions| {
/// #     let path = &place;
/// // async fn report(conditions: Conditions) -> Result<Response, FileError> {
/// let file = NamedFile::open(path).await?.with_content_type("text/csv").attachment("sales.csv");
/// Ok::<Response, FileError>(file.respond(&conditions))
/// // }
/// # };
/// # corelane_runtime::block_on(async {
/// let service = App::new().get("/report", report).into_service();
/// let response = service.call(Request::builder("GET", "/report").header("range", "bytes=-4").build()).await;
/// assert_eq!(response.status(), 206);
/// assert_eq!(response.headers().get("content-range"), Some("bytes 6-9/10"));
/// assert_eq!(response.headers().get("content-disposition"), Some("attachment; filename=\"sales.csv\""));
/// assert_eq!(response.into_body().bytes().await.unwrap(), "sum\n");
/// # });
/// # std::fs::remove_file(path).unwrap();
/// ```
#[derive(Debug)]
pub struct NamedFile {
    file: Rc<File>,
    len: u64,
    validators: Validators,
    content_type: Cow<'static, str>,
    content_encoding: Option<&'static str>,
    /// True if another `Accept-Encoding` might have got other bytes.
    varies: bool,
    disposition: Option<Disposition>,
    cache: Option<CacheControl>,
}

impl NamedFile {
    /// Opens a file of the program's choice. Never pass a path that a client named: that is what
    /// [`NamedFile::open_beneath`] and [`Files`](super::Files) are for.
    ///
    /// # Errors
    /// It is not there, may not be read, or is not a regular file: opening a pipe or a device does not wait.
    ///
    /// # Cancellation
    /// May be dropped at any time; what was opened is closed.
    pub async fn open(path: impl AsRef<Path>) -> Result<NamedFile, FileError> {
        let path = path.as_ref();
        let file = File::open(path).await.map_err(FileError::new)?;
        NamedFile::regular(file, path).await
    }

    /// Opens a file beneath an open folder; neither `..` nor links lead out of it.
    ///
    /// # Errors
    /// As [`NamedFile::open`].
    ///
    /// # Cancellation
    /// As [`NamedFile::open`].
    pub async fn open_beneath(folder: &File, path: impl AsRef<Path>) -> Result<NamedFile, FileError> {
        let path = path.as_ref();
        let file = File::open_beneath(folder, path).await.map_err(FileError::new)?;
        NamedFile::regular(file, path).await
    }

    async fn regular(file: File, path: &Path) -> Result<NamedFile, FileError> {
        let metadata = file.metadata().await.map_err(FileError::new)?;
        if !metadata.is_file() {
            return Err(FileError::not_a_file());
        }
        Ok(NamedFile::new(file, &metadata, content_type(path)))
    }

    pub(super) fn new(file: File, metadata: &Metadata, content_type: Cow<'static, str>) -> NamedFile {
        NamedFile {
            file: Rc::new(file),
            len: metadata.len(),
            validators: Validators::new(metadata.inode(), metadata.modified(), metadata.len()),
            content_type,
            content_encoding: None,
            varies: false,
            disposition: None,
            cache: None,
        }
    }

    /// Its length in bytes when it was opened: what will be sent, even if it grows.
    #[allow(clippy::len_without_is_empty, reason = "a file's length, not that of a collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Its entity tag: inode, time of the last change in nanoseconds, and length, in hexadecimal and quotes. It is another
    /// one on each machine that holds a copy of the file.
    pub fn etag(&self) -> &str {
        self.validators.etag()
    }

    /// Sets the content type instead of the one that the name's ending says.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<Cow<'static, str>>) -> NamedFile {
        self.content_type = content_type.into();
        self
    }

    /// Has the client save it under this name. See [`Disposition`].
    #[must_use]
    pub fn attachment(mut self, name: impl AsRef<str>) -> NamedFile {
        self.disposition = Some(Disposition::attachment(name));
        self
    }

    /// Has the client show it if it can, and propose this name for saving.
    #[must_use]
    pub fn inline(mut self, name: impl AsRef<str>) -> NamedFile {
        self.disposition = Some(Disposition::inline(name));
        self
    }

    /// Sets `Cache-Control`; without it there is none.
    #[must_use]
    pub fn with_cache_control(mut self, cache: CacheControl) -> NamedFile {
        self.cache = Some(cache);
        self
    }

    pub(super) fn set_encoding(&mut self, content_encoding: Option<&'static str>) {
        self.content_encoding = content_encoding;
        self.varies = true;
    }

    /// The answer to a request with these conditions: 200, 206, 304, 412 or 416.
    pub fn respond(self, conditions: &Conditions) -> Response {
        let now = SystemTime::now();
        let response = match conditions.weigh(&self.validators, self.len, now) {
            Verdict::Whole => self.whole(now),
            Verdict::NotModified => self.not_modified(now),
            Verdict::Failed => {
                let problem = Problem::new(StatusCode::PRECONDITION_FAILED)
                    .detail("The file is not the version that the request is about.");
                Ok(problem.into_response())
            }
            Verdict::Ranges(Ranges::Parts(ranges)) if ranges.len() == 1 => self.part(ranges[0], now),
            Verdict::Ranges(Ranges::Parts(ranges)) => self.parts(&ranges, now),
            Verdict::Ranges(_) => self.unsatisfiable(),
        };
        response.unwrap_or_else(IntoResponse::into_response)
    }

    /// What 200, 206 and 304 have in common (RFC 9110 §15.4.5).
    fn common(&self, mut response: Response, now: SystemTime) -> Result<Response, HeaderError> {
        let headers = response.headers_mut();
        headers.append("etag", self.validators.etag())?;
        if let Some(date) = self.validators.last_modified(now) {
            headers.append("last-modified", date)?;
        }
        if self.varies {
            headers.append("vary", "accept-encoding")?;
        }
        if let Some(cache) = self.cache {
            cache.apply(&mut response)?;
        }
        Ok(response)
    }

    fn described(&self, response: Response, now: SystemTime) -> Result<Response, HeaderError> {
        let mut response = self.common(response, now)?;
        let headers = response.headers_mut();
        headers.append("accept-ranges", "bytes")?;
        if let Some(coding) = self.content_encoding {
            headers.append("content-encoding", coding)?;
        }
        if let Some(disposition) = &self.disposition {
            headers.append("content-disposition", disposition.as_str())?;
        }
        Ok(response)
    }

    fn whole(self, now: SystemTime) -> Result<Response, HeaderError> {
        let body = Body::file(Rc::clone(&self.file), 0, self.len);
        let mut response = self.described(Response::new(body), now)?;
        response.headers_mut().append("content-type", &*self.content_type)?;
        Ok(response)
    }

    fn not_modified(&self, now: SystemTime) -> Result<Response, HeaderError> {
        self.common(Response::new(Body::empty()).with_status(StatusCode::NOT_MODIFIED), now)
    }

    fn part(self, range: ByteRange, now: SystemTime) -> Result<Response, HeaderError> {
        let body = Body::file(Rc::clone(&self.file), range.first, range.len);
        let mut response = self.described(Response::new(body), now)?.with_status(StatusCode::PARTIAL_CONTENT);
        response.headers_mut().append("content-type", &*self.content_type)?;
        response.headers_mut().append("content-range", content_range(range, self.len))?;
        Ok(response)
    }

    /// Several ranges: `multipart/byteranges` (RFC 9110 §14.6). The parts are still sent by the kernel.
    fn parts(self, ranges: &[ByteRange], now: SystemTime) -> Result<Response, HeaderError> {
        let boundary = boundary();
        let mut parts = Vec::with_capacity(ranges.len() * 2 + 1);
        for range in ranges {
            let head = format!(
                "\r\n--{boundary}\r\ncontent-type: {}\r\ncontent-range: {}\r\n\r\n",
                self.content_type,
                content_range(*range, self.len),
            );
            parts.push(Part::Bytes(Chunk::from(head.into_bytes())));
            parts.push(Part::Range { offset: range.first, len: range.len });
        }
        parts.push(Part::Bytes(Chunk::from(format!("\r\n--{boundary}--\r\n").into_bytes())));
        let body = Body::file_parts(FileBody::new(Rc::clone(&self.file), parts));
        let mut response = self.described(Response::new(body), now)?.with_status(StatusCode::PARTIAL_CONTENT);
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        response.headers_mut().append("content-type", content_type)?;
        Ok(response)
    }

    fn unsatisfiable(&self) -> Result<Response, HeaderError> {
        let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE)
            .detail(format!("The file has {} bytes; no range that was asked for begins inside.", self.len));
        problem.into_response().with_header("content-range", format!("bytes */{}", self.len))
    }
}

impl IntoResponse for NamedFile {
    fn into_response(self) -> Response {
        self.whole(SystemTime::now()).unwrap_or_else(IntoResponse::into_response)
    }
}

fn content_range(range: ByteRange, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.first, range.first + range.len - 1)
}

/// A boundary that whoever wrote the file could not have written into it: 128 bits from keys that the process drew at random.
fn boundary() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

/// The type by the name's ending. Text is taken to be UTF-8.
pub(crate) fn content_type(path: &Path) -> Cow<'static, str> {
    match mime_guess::from_path(path).first_raw() {
        Some(text) if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        // Of `.mjs`: the name that RFC 9239 has retired.
        Some("application/javascript") => Cow::Borrowed("text/javascript; charset=utf-8"),
        Some(other) => Cow::Borrowed(other),
        None => Cow::Borrowed("application/octet-stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_from_names() {
        for (name, want) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTML", "text/html; charset=utf-8"),
            ("a/b.css", "text/css; charset=utf-8"),
            ("a.min.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.webp", "image/webp"),
            ("a.tar.gz", "application/gzip"),
            ("Makefile", "application/octet-stream"),
            ("a.unheard", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), want, "{name}");
        }
    }

    #[test]
    fn boundaries_differ() {
        assert_ne!(boundary(), boundary());
        assert_eq!(boundary().len(), 32);
    }
}
