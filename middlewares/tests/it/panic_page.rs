//! Panics, in debug mode and out of it.

use corelane_http::app::App;
use corelane_middlewares::panic_page::PanicPage;
use corelane_runtime::yield_now;

use crate::support::Site;

fn site(debug: bool) -> Site {
    Site::start(move || {
        App::new()
            .with(PanicPage::in_debug_mode(debug))
            .get("/now", async || -> &'static str { panic!("secret <b>{}</b>", 7) })
            .get("/later", async || -> &'static str {
                yield_now().await;
                std::hint::black_box(None::<u8>).expect("it was there yesterday");
                "never"
            })
            .get("/fine", async || "fine")
    })
}

#[test]
fn debug_mode_shows_message_place_and_the_way_there() {
    let site = site(true);
    let mut client = site.connect();
    for (target, message) in [("/now", "secret &lt;b&gt;7&lt;/b&gt;"), ("/later", "it was there yesterday")] {
        let answer = client.send("GET", target, &[], "");
        assert_eq!(answer.status, 500);
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        for part in [message, &format!("GET {target}"), "panic_page.rs:", "Backtrace"] {
            assert!(answer.body.contains(part), "{target}: no {part} in {}", answer.body);
        }
        assert!(!answer.body.contains("<b>"));
        assert_eq!(client.send("GET", "/fine", &[], "").body, "fine", "on the same connection");
    }
}

#[test]
fn outside_of_debug_mode_nothing_shows() {
    let site = site(false);
    let answer = site.get("/now", &[]);
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("secret") && !answer.body.contains("panic_page"), "{}", answer.body);
}
