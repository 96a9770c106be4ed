//! The REST example as its operators and its users meet it: signals, flags, the page that shows the API.

use std::time::{Duration, Instant};

use serde_json::json;

use super::browser::Browser;
use super::process::{PATIENCE, Showcase};

/// The numbers of the notes that are listed.
fn listed(rest: &Showcase) -> usize {
    let answer = rest.get("/notes");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str::<Vec<serde_json::Value>>(body)
        .unwrap_or_else(|error| panic!("{error}: {answer}"))
        .len()
}

fn add(rest: &Showcase, title: &str) {
    let body = json!({ "title": title }).to_string();
    let head = "host: h\r\nconnection: close\r\ncontent-type: application/json";
    let answer =
        rest.ask(&format!("POST /notes HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[test]
fn sighup_changes_what_can_change_on_every_core_and_a_bad_file_changes_nothing() {
    let file = std::env::temp_dir().join(format!("corelane-rest-{}.toml", std::process::id()));
    std::fs::write(&file, "[app]\npage_max = 1\n").unwrap();
    let mut rest = Showcase::of("rest", &["--config", file.to_str().unwrap(), "--set", "server.cores=2"]);
    for title in ["a", "b", "c"] {
        add(&rest, title);
    }
    assert_eq!(listed(&rest), 1);
    std::fs::write(&file, "[app]\npage_max = 2\n").unwrap();
    rest.signal("-HUP");
    let began = Instant::now();
    // The kernel spreads connections over the cores: many in a row have met both.
    let mut new_in_a_row = 0;
    while new_in_a_row < 20 {
        new_in_a_row = if listed(&rest) == 2 { new_in_a_row + 1 } else { 0 };
        assert!(began.elapsed() < PATIENCE, "the new file was not taken over");
    }
    std::fs::write(&file, "[app]\npage_max = 3\nunknown = 1\n").unwrap();
    rest.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(listed(&rest), 2, "refused whole");
    rest.signal("-TERM");
    assert!(rest.wait().success());
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_page_shows_the_operations_and_tries_one() {
    let rest = Showcase::of("rest", &["--set", "server.cores=1"]);
    add(&rest, "shown in the browser");
    let mut browser = Browser::start("docs", "en");
    browser.open(&rest.url("/docs"));
    let mut until = |script: &str| {
        let began = Instant::now();
        while browser.run(script) != json!(true) {
            let page = browser.text("body");
            assert!(began.elapsed() < PATIENCE, "never true: {script}\n{page:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("document.querySelectorAll('.opblock').length === 5");
    until("document.body.innerText.includes('Notes, page by page')");
    until("document.querySelector('#operations-notes-listNotes .opblock-summary-control').click() ?? true");
    until(
        "document.querySelector('.try-out__btn')?.click() === undefined && !!document.querySelector('.try-out__btn')",
    );
    until("!!document.querySelector('.execute')");
    until("document.querySelector('.execute').click() ?? true");
    until(
        "document.querySelector('.live-responses-table')?.innerText.includes('shown in the browser') === true",
    );
}
