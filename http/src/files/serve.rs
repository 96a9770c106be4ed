//! From a path beneath the root to an answer.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::time::Duration;

use corelane_runtime::fs::{File, Metadata};
use http::{Method, StatusCode};
use rustix::io::Errno;

use super::named::content_type;
use super::path::{Refused, Relative, resolve};
use super::{Conditions, FileError, NamedFile, Settings, encoding, listing};
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::{CacheControl, IntoResponse, Redirect};
use crate::response::Response;

/// How often a look-up is tried that the kernel gave up because somebody renamed things meanwhile (`openat2(2)`, EAGAIN).
const TRIES: usize = 4;

/// How much older than its file a compressed one may be: copying a tree loses fractions of seconds.
const STALE_AFTER: Duration = Duration::from_secs(1);

/// What a path leads to.
enum Found {
    File(File, Metadata),
    Folder(File),
}

impl Settings {
    /// The answer for a path beneath the root, as it stands in the request.
    pub(super) async fn answer(&self, request: &Request, raw: &str) -> Response {
        let method = request.method();
        if method != Method::GET && method != Method::HEAD {
            let problem =
                Problem::new(StatusCode::METHOD_NOT_ALLOWED).detail("Files are read with GET or HEAD.");
            return ([("allow", "GET, HEAD")], problem).into_response();
        }
        let relative = match resolve(raw, self.hidden) {
            Ok(relative) => relative,
            Err(Refused::Malformed(what)) => {
                let detail = format!("The path cannot be that of a file: {what}.");
                return Problem::new(StatusCode::BAD_REQUEST).detail(detail).into_response();
            }
            Err(Refused::Hidden) => return FileError::not_a_file().into_response(),
        };
        let answer = match self.look_up(request, &relative).await {
            Err(error) if error.is_not_found() => match &self.fallback {
                Some(fallback) => self.file(request, fallback).await,
                None => Err(error),
            },
            answer => answer,
        };
        answer.unwrap_or_else(IntoResponse::into_response)
    }

    async fn look_up(&self, request: &Request, relative: &Relative<'_>) -> Result<Response, FileError> {
        let path = &*relative.path;
        if !relative.is_folder {
            return match self.open(path).await? {
                Found::File(file, metadata) => self.send(request, path, file, metadata).await,
                Found::Folder(_) if self.index.is_some() || self.lists => Ok(with_slash(request)),
                Found::Folder(_) => Err(FileError::not_a_file()),
            };
        }
        if let Some(index) = &self.index {
            let index =
                if path.is_empty() { Cow::Borrowed(&**index) } else { Cow::Owned(format!("{path}/{index}")) };
            match self.file(request, &index).await {
                Err(error) if error.is_not_found() && self.lists => {}
                answer => return answer,
            }
        }
        if !self.lists {
            return Err(FileError::not_a_file());
        }
        match self.open(if path.is_empty() { "." } else { path }).await? {
            Found::Folder(folder) => {
                let title = format!("/{path}");
                listing::list(folder, &title, path.is_empty(), self.hidden).await.map_err(FileError::new)
            }
            Found::File(..) => Err(FileError::not_a_file()),
        }
    }

    /// A path that has to be a file.
    async fn file(&self, request: &Request, path: &str) -> Result<Response, FileError> {
        match self.open(path).await? {
            Found::File(file, metadata) => self.send(request, path, file, metadata).await,
            Found::Folder(_) => Err(FileError::not_a_file()),
        }
    }

    async fn open(&self, path: &str) -> Result<Found, FileError> {
        for _ in 1..TRIES {
            match self.try_open(path).await {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => {}
                found => return found.map_err(FileError::new),
            }
        }
        self.try_open(path).await.map_err(FileError::new)
    }

    async fn try_open(&self, path: &str) -> io::Result<Found> {
        let file = File::open_beneath(&self.root, path).await?;
        let metadata = file.metadata().await?;
        if metadata.is_file() {
            Ok(Found::File(file, metadata))
        } else if metadata.is_dir() {
            Ok(Found::Folder(file))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    async fn send(
        &self,
        request: &Request,
        path: &str,
        file: File,
        metadata: Metadata,
    ) -> Result<Response, FileError> {
        let kind = content_type(Path::new(path));
        let mut file = if self.precompressed {
            self.smallest(request, path, file, metadata, kind).await?
        } else {
            NamedFile::new(file, &metadata, kind)
        };
        let cache = if self.development { Some(CacheControl::no_cache()) } else { self.cache };
        if let Some(cache) = cache {
            file = file.with_cache_control(cache);
        }
        Ok(file.respond(&Conditions::of(request)))
    }

    /// The file, or what lies beside it in a coding that the client takes.
    async fn smallest(
        &self,
        request: &Request,
        path: &str,
        file: File,
        metadata: Metadata,
        kind: Cow<'static, str>,
    ) -> Result<NamedFile, FileError> {
        for coding in encoding::accepted(request.header_all("accept-encoding")) {
            let sibling = format!("{path}{}", coding.suffix);
            match self.open(&sibling).await {
                Ok(Found::File(smaller, found)) if found.modified() + STALE_AFTER > metadata.modified() => {
                    let mut smaller = NamedFile::new(smaller, &found, kind);
                    smaller.set_encoding(Some(coding.name));
                    return Ok(smaller);
                }
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let mut plain = NamedFile::new(file, &metadata, kind);
        plain.set_encoding(None);
        Ok(plain)
    }
}

/// A redirect to the same path and a slash, so that relative links of the page lead where they should. Not a permanent one:
/// browsers keep those, and a folder may become a file.
pub(super) fn with_slash(request: &Request) -> Response {
    // One slash in front, however many there were: "//host/" would be another site.
    let path = request.path().trim_start_matches('/');
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::temporary(format!("/{path}/{query}")).into_response()
}
