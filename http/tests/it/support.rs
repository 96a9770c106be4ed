//! What the modules share.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use corelane_http::app::{App, AppService};
use corelane_http::request::{Request, RequestBuilder};
use corelane_http::response::Response;

/// An answer with its body read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

pub(crate) fn call(service: &AppService, request: RequestBuilder) -> Answer {
    corelane_runtime::block_on(async { read(service.call(request.build()).await).await })
}

pub(crate) async fn read(response: Response) -> Answer {
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
pub(crate) fn get(app: App, target: &str) -> Answer {
    call(&app.into_service(), Request::builder("GET", target))
}

fn text(payload: &dyn Any) -> String {
    let fixed = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    fixed.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Runs what panics; gives the message, and the line of this crate's source that it is blamed on.
pub(crate) fn panic_of(run: impl FnOnce()) -> (String, u32) {
    thread_local! {
        static LAST: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let line = info.location().filter(|at| at.file().contains("tests/it")).map_or(0, |at| at.line());
            let message = text(info.payload());
            LAST.set(Some((message, line)));
            before(info);
        }));
    });
    panic::catch_unwind(AssertUnwindSafe(run)).expect_err("nothing panicked");
    LAST.take().unwrap()
}
