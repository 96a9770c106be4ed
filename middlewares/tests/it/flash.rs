//! Messages from one page to the next.

use std::time::Duration;

use corelane_http::app::App;
use corelane_http::extract::Path;
use corelane_middlewares::flash::{Flash, Level, MESSAGES_MAX};
use corelane_middlewares::session::{MemoryStore, SessionError, Sessions};
use corelane_runtime::time;

use crate::support::{Browser, Site};

async fn show(flash: Flash) -> Result<String, SessionError> {
    Ok(flash.take()?.iter().map(|message| format!("{}:{} ", message.level, message.text)).collect())
}

async fn push(Path(text): Path<String>, flash: Flash) -> Result<(), SessionError> {
    time::sleep(Duration::from_millis(50)).await;
    flash.push(Level::Success, text)
}

fn site() -> Site {
    let store = MemoryStore::new();
    Site::on_cores(2, move || {
        App::new().with(Sessions::new(store.clone())).get("/", show).post("/push/{text}", push).post(
            "/many",
            async |flash: Flash| {
                (0..MESSAGES_MAX + 3).try_for_each(|n| flash.push(Level::Info, n.to_string()))
            },
        )
    })
}

#[test]
fn a_message_is_shown_once_in_the_order_it_was_left() {
    let site = site();
    let mut browser = Browser::new();
    assert_eq!(browser.get(&site, "/").field("set-cookie"), None, "looking makes no session");
    browser.post(&site, "/push/first");
    browser.post(&site, "/push/second");
    assert_eq!(browser.get(&site, "/").body, "success:first success:second ");
    assert_eq!(browser.get(&site, "/").body, "");
}

/// Race: both load the session before either saves. Sign of failure: one message.
#[test]
fn messages_left_at_the_same_time_are_all_kept() {
    let site = site();
    let mut browser = Browser::new();
    browser.post(&site, "/push/zero");
    std::thread::scope(|scope| {
        for text in ["one", "two", "three"] {
            let (mut browser, site) = (browser.clone(), &site);
            scope.spawn(move || browser.post(site, &format!("/push/{text}")));
        }
    });
    assert_eq!(browser.get(&site, "/").body.split(' ').count(), 5, "four, and the space at the end");
}

#[test]
fn with_too_many_the_oldest_go() {
    let site = site();
    let mut browser = Browser::new();
    browser.post(&site, "/many");
    let shown = browser.get(&site, "/").body;
    assert!(shown.starts_with("info:3 info:4 ") && shown.ends_with("info:18 "), "{shown}");
}
