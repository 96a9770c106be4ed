//! What the modules share.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use corelane_http::app::{App, AppService};
use corelane_http::request::{Request, RequestBuilder};
use corelane_http::response::Response;

/// An answer with its body read to the end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

pub fn call(service: &AppService, request: RequestBuilder) -> Answer {
    corelane_runtime::block_on(async { read(service.call(request.build()).await).await })
}

pub async fn read(response: Response) -> Answer {
    let fields = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let status = response.status().as_u16();
    let body = response.into_body().bytes().await.unwrap();
    Answer { status, fields, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// `GET` of a target, answered by an application used once.
pub fn get(app: App, target: &str) -> Answer {
    call(&app.into_service(), Request::builder("GET", target))
}

/// Runs what panics; gives the message, and the line of this crate's source that it is blamed on.
pub fn panic_of(run: impl FnOnce()) -> (String, u32) {
    thread_local! {
        static LAST: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let line = info.location().filter(|at| at.file().contains("tests/it")).map_or(0, |at| at.line());
            let message = info.payload_as_str().unwrap_or_default().to_owned();
            LAST.set(Some((message, line)));
            before(info);
        }));
    });
    panic::catch_unwind(AssertUnwindSafe(run)).expect_err("nothing panicked");
    LAST.take().unwrap()
}
