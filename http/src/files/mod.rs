//! Files: a folder as routes, or one file as a response.
//!
//! ```no_run
//! use corelane_http::app::App;
//! use corelane_http::files::Files;
//! use corelane_http::server::Server;
//!
//! fn main() -> Result<(), corelane_http::server::ServerError> {
//!     Server::bind("127.0.0.1:8080").run(|| App::new().group("/static", Files::new("public").routes()))
//! }
//! ```
//!
//! [`Files`] serves what lies beneath a folder, [`NamedFile`] is one file that a handler has chosen. Both answer
//! conditional requests (RFC 9110 §13) by a strong `ETag` and `Last-Modified`, and ranges (§14), several at once included.
//! The bytes are sent by the kernel and do not pass through memory of the process.
//!
//! # What is served
//!
//! Regular files beneath the root, however the path is written and whoever changes links meanwhile: the kernel resolves the
//! path (`openat2` with `RESOLVE_BENEATH`), so a link that leads out is not followed. Pipes, devices and sockets are not
//! served, and opening one does not wait (keep devices out of the root all the same: some do something when opened). Names that begin with a dot are not served unless [`Files::hidden`] says so,
//! `.well-known` at the root excepted (RFC 8615). What is not served is answered like what is not there: 404. Paths that no
//! file can have, or that others might read differently (a zero byte, a backslash, an encoded slash, bad escapes), are 400.
//!
//! The folder is opened when the application is built. If it is replaced as a whole, by switching a link for instance, the old
//! one is served on until the server is restarted.
//!
//! # While a file is sent
//!
//! The length is that of the moment it was opened. A file that is replaced goes on being sent as it was. One that grows is sent to
//! the length that was declared; one that is cut short ends the connection, so that the client sees that bytes are missing.

mod conditions;
mod encoding;
mod error;
mod listing;
mod named;
mod path;
mod range;
mod serve;
mod validators;

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::rc::Rc;

use corelane_runtime::fs::File;

use crate::app::Group;
use crate::handler::Handler;
use crate::request::Request;
use crate::respond::CacheControl;
use crate::response::Response;

pub use conditions::Conditions;
pub use error::FileError;
pub use named::NamedFile;

#[cfg(any(feature = "askama", feature = "minijinja"))]
pub(crate) use named::content_type;

/// A handler that serves the files beneath a folder. See the [module](self).
///
/// It is put into an application as a group of routes, with [`Files::routes`], or as a handler: for a route that
/// ends in `{*rest}` it serves what that stands for, for others the whole path.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::files::Files;
/// use corelane_http::request::Request;
///
/// # let dir = std::env::temp_dir().join(format!("corelane-doc-files-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// std::fs::write(dir.join("app.css"), "p { margin: 0 }").unwrap();
/// let service = App::new().group("/static", Files::new(&dir).routes()).into_service();
///
/// # corelane_runtime::block_on(async {
/// let response = service.call(Request::builder("GET", "/static/app.css").build()).await;
/// assert_eq!(response.headers().get("content-type"), Some("text/css; charset=utf-8"));
/// let etag = response.headers().get("etag").unwrap().to_owned();
///
/// let again = Request::builder("GET", "/static/app.css").header("if-none-match", etag).build();
/// assert_eq!(service.call(again).await.status(), 304);
/// # });
/// # std::fs::remove_dir_all(dir).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Files {
    settings: Rc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    root: Rc<File>,
    /// File that stands for its folder.
    index: Option<Cow<'static, str>>,
    /// File that stands for whatever is not there.
    fallback: Option<Cow<'static, str>>,
    lists: bool,
    hidden: bool,
    precompressed: bool,
    cache: Option<CacheControl>,
    development: bool,
}

impl Files {
    /// Serves the files beneath `root`, a path as the process sees it.
    ///
    /// # Panics
    /// At the caller's line, if there is no such folder. [`Files::open`] gives an error instead.
    #[track_caller]
    pub fn new(root: impl AsRef<Path>) -> Files {
        let root = root.as_ref();
        match Files::open(root) {
            Ok(files) => files,
            Err(error) => panic!("`{}` cannot be served: {error}", root.display()),
        }
    }

    /// As [`Files::new`]. Opens the folder on the calling thread.
    ///
    /// # Errors
    /// There is no such folder, or it may not be read.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Files> {
        let folder = std::fs::File::open(root)?;
        if !folder.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Files {
            settings: Rc::new(Settings {
                root: Rc::new(File::from_std(folder)),
                index: Some(Cow::Borrowed("index.html")),
                fallback: None,
                lists: false,
                hidden: false,
                precompressed: false,
                cache: None,
                development: cfg!(debug_assertions),
            }),
        })
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Files {
        change(Rc::make_mut(&mut self.settings));
        self
    }

    /// The file that is sent for a folder (`index.html`).
    #[must_use]
    pub fn index(self, name: impl Into<Cow<'static, str>>) -> Files {
        self.set(|settings| settings.index = Some(name.into()))
    }

    /// No file stands for its folder.
    #[must_use]
    pub fn no_index(self) -> Files {
        self.set(|settings| settings.index = None)
    }

    /// Lists folders that have no index: names, lengths, times. At most 10,000 entries are shown; links are left out.
    #[must_use]
    pub fn listing(self) -> Files {
        self.set(|settings| settings.lists = true)
    }

    /// Sends this file, a path beneath the root, with 200 for whatever is not there: for applications whose routes
    /// are drawn by the browser.
    #[must_use]
    pub fn fallback(self, path: impl Into<Cow<'static, str>>) -> Files {
        self.set(|settings| settings.fallback = Some(path.into()))
    }

    /// Serves names that begin with a dot as well. Look what there is first: `.git`, `.env`.
    #[must_use]
    pub fn hidden(self) -> Files {
        self.set(|settings| settings.hidden = true)
    }

    /// Sends `app.js.br`, `app.js.zst` or `app.js.gz` for `app.js` if there is one and the client takes it; the answer has
    /// `Vary: accept-encoding`. One that is older than its file, by a second or more, is left over from an earlier build and
    /// not sent. Each coding that a client takes and that is missing costs one look-up.
    #[must_use]
    pub fn precompressed(self) -> Files {
        self.set(|settings| settings.precompressed = true)
    }

    /// Sets `Cache-Control` of files. Without it there is none, and clients guess.
    #[must_use]
    pub fn cache_control(self, cache: CacheControl) -> Files {
        self.set(|settings| settings.cache = Some(cache))
    }

    /// In development every answer has `Cache-Control: no-cache`, whatever [`Files::cache_control`] says, so that a reload of the
    /// page shows what was just written. On in debug builds unless set.
    #[must_use]
    pub fn development(self, yes: bool) -> Files {
        self.set(|settings| settings.development = yes)
    }

    /// The routes of a group whose prefix these files are below: `app.group("/static", files.routes())`.
    ///
    /// The prefix itself is answered with a redirect to the prefix and a slash.
    pub fn routes(self) -> impl FnOnce(Group) -> Group {
        move |group| {
            let root = Root { files: self.clone() };
            group.get("", root.clone()).get("/", root).get("/{*path}", self)
        }
    }
}

impl Handler<(Request,)> for Files {
    type Output = Response;

    async fn run(self, (request,): (Request,)) -> Response {
        let is_rest = request.route().is_some_and(|template| template.contains("{*"));
        let rest = if is_rest { request.params().iter().last() } else { None };
        let path = match rest {
            Some((_, path)) => String::from_utf8_lossy(path).into_owned(),
            None => request.path().strip_prefix('/').unwrap_or_default().to_owned(),
        };
        self.settings.answer(&request, &path).await
    }
}

/// The folder itself, whatever the path is: that of the prefix.
#[derive(Clone)]
struct Root {
    files: Files,
}

impl Handler<(Request,)> for Root {
    type Output = Response;

    async fn run(self, (request,): (Request,)) -> Response {
        if request.path().ends_with('/') {
            self.files.settings.answer(&request, "").await
        } else {
            serve::with_slash(&request)
        }
    }
}
