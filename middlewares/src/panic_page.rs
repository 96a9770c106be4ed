//! A page that shows a panic to the developer who caused it.
//!
//! A handler that panics is answered with 500 in any case, and the core goes on. [`PanicPage`] adds what a developer
//! wants to see: the message, the place and the way there. All of that is internals, so it is for debug mode only:
//!
//! ```
//! use corelane_http::{app::App, request::Request};
//! use corelane_middlewares::panic_page::PanicPage;
//!
//! async fn broken() -> &'static str {
//!     panic!("no such <table>")
//! }
//! # corelane_runtime::block_on(async {
//! let service = App::new().with(PanicPage::in_debug_mode(true)).get("/", broken).into_service();
//! let response = service.call(Request::builder("GET", "/").build()).await;
//! assert_eq!(response.status(), 500);
//! let page = response.into_body().bytes().await.unwrap();
//! assert!(std::str::from_utf8(&page).unwrap().contains("no such &lt;table&gt;"));
//! # });
//! ```

use corelane_http::response::escape_html;
use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;

use corelane_http::middleware::{Middleware, Next};
use corelane_http::request::Request;
use corelane_http::response::{Html, IntoResponse, Response, StatusCode};

/// Bytes of backtrace that a page shows at most (64 KiB).
pub const BACKTRACE_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// True while a handler is polled whose panics are shown.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    /// What the hook has seen of the last panic of this thread.
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

struct Seen {
    message: String,
    place: String,
    backtrace: String,
}

/// Answers a panic with a page that shows it. See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct PanicPage {
    debug: bool,
}

impl PanicPage {
    /// The page if `debug` is true; else nothing is caught here, and the server answers with a 500 that says no more.
    ///
    /// Give it what the configuration says about debug mode, never a constant `true`.
    pub fn in_debug_mode(debug: bool) -> PanicPage {
        if debug {
            watch_panics();
        }
        PanicPage { debug }
    }
}

/// Puts a hook before the one there is, once for the process. It does nothing for panics elsewhere.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.get() {
                SEEN.set(Some(Seen::of(info)));
            }
            before(info);
        }));
    });
}

impl Seen {
    fn of(info: &PanicHookInfo<'_>) -> Seen {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let mut backtrace = Backtrace::force_capture().to_string();
        if backtrace.len() > BACKTRACE_BYTES_MAX {
            let end = (0..=BACKTRACE_BYTES_MAX).rev().find(|at| backtrace.is_char_boundary(*at)).unwrap_or(0);
            backtrace.truncate(end);
            backtrace.push_str("\n…");
        }
        Seen { message: message(info.payload()), place, backtrace }
    }
}

fn message(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no text)".to_owned())
}

fn page(asked: &str, seen: &Seen) -> Response {
    let mut html = String::from(
        "<!doctype html><meta charset=utf-8><title>Panic</title><style>body{font:16px sans-serif;margin:2em}\
         pre{background:#f4f4f4;padding:1em;overflow:auto}</style>",
    );
    let Seen { message, place, backtrace } = seen;
    let _ = write!(
        html,
        "<h1>A handler panicked</h1><p><code>{}</code></p><pre>{}</pre><p>at <code>{}</code></p>\
         <details open><summary>Backtrace</summary><pre>{}</pre></details>\
         <p>This page is shown in debug mode only.</p>",
        escape_html(asked),
        escape_html(message),
        escape_html(place),
        escape_html(backtrace),
    );
    (StatusCode::INTERNAL_SERVER_ERROR, [("cache-control", "no-store")], Html(html)).into_response()
}

impl Middleware for PanicPage {
    async fn handle(&self, request: Request, next: Next) -> Response {
        if !self.debug {
            return next.run(request).await;
        }
        let asked = format!("{} {}", request.method(), request.path());
        let mut inner = next.run(request);
        poll_fn(|cx| {
            let outer = WATCHED.replace(true);
            let polled = panic::catch_unwind(AssertUnwindSafe(|| Pin::new(&mut inner).poll(cx)));
            WATCHED.set(outer);
            match polled {
                Ok(polled) => polled,
                Err(payload) => {
                    let seen = SEEN.take().unwrap_or_else(|| Seen {
                        message: message(&*payload),
                        place: String::new(),
                        backtrace: String::new(),
                    });
                    // Dropping a payload may panic as well.
                    std::mem::forget(payload);
                    tracing::error!(message = seen.message, place = seen.place, "a handler panicked");
                    Poll::Ready(page(&asked, &seen))
                }
            }
        })
        .await
    }
}
