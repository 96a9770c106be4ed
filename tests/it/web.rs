//! The HTML application in a browser, and attacked by hand.

use std::path::Path;
use std::time::{Duration, Instant};

use super::browser::Browser;
use super::process::{PATIENCE, Showcase};

fn log_in(browser: &mut Browser, web: &Showcase, name: &str) {
    browser.open(&web.url("/login"));
    browser.type_in("#login [name=name]", name);
    browser.type_in("#login [name=password]", "corelane");
    browser.click("#login button");
}

#[test]
fn a_person_logs_in_writes_notes_uploads_and_changes_the_language() {
    let web = Showcase::of("web", &["--cores", "2"]);
    let mut browser = Browser::start("person", "en");

    browser.open(&web.url("/"));
    assert_eq!(browser.run("location.pathname"), "/login", "notes are for those who have logged in");
    assert_eq!(browser.text(".flash").as_deref(), Some("Please log in first."));

    browser.type_in("#login [name=name]", "<b>Ada</b>");
    browser.type_in("#login [name=password]", "wrong");
    browser.click("#login button");
    assert_eq!(browser.text(".error").as_deref(), Some("Name and password do not fit."));
    assert_eq!(browser.value("#login [name=name]"), "<b>Ada</b>", "what was typed is still there");
    browser.type_in("#login [name=password]", "corelane");
    browser.click("#login button");
    assert_eq!(browser.text(".flash").as_deref(), Some("Welcome!"));
    assert_eq!(browser.text("#user").as_deref(), Some("<b>Ada</b>"), "shown as text");

    browser.type_in("#note [name=title]", &"x".repeat(61));
    browser.type_in("#note [name=text]", &"y".repeat(501));
    browser.click("#note button");
    let errors = browser.run("[...document.querySelectorAll('.error')].map(e => e.innerText).join('|')");
    assert_eq!(
        errors, "A title has 60 characters at most.|A note has 500 characters at most.",
        "all at once"
    );
    assert_eq!(browser.value("#note [name=title]").len(), 61);

    browser.type_in("#note [name=title]", "Milk & \"bread\"");
    browser.type_in("#note [name=text]", "<script>window.broken = true</script>");
    browser.click("#note button");
    assert_eq!(browser.text(".flash").as_deref(), Some("Your note is saved."));
    let note = browser.text("#notes li");
    assert_eq!(note.as_deref(), Some("Milk & \"bread\" <script>window.broken = true</script>"));
    assert_eq!(browser.run("window.broken === undefined"), true);
    browser.open(&web.url("/notes"));
    assert_eq!(browser.text(".flash"), None, "said once");

    let file = std::env::temp_dir().join(format!("corelane-photo-{}.png", std::process::id()));
    std::fs::write(&file, vec![7; 100_000]).unwrap();
    browser.choose_file("#photo [type=file]", &file);
    browser.click("#photo button");
    let said = browser.text(".flash").unwrap();
    assert!(said.starts_with("Received: corelane-photo-") && said.ends_with(".png, 100000 B"), "{said}");
    std::fs::remove_file(&file).unwrap();
    browser.click("#photo button");
    assert_eq!(browser.text(".flash").as_deref(), Some("No file was chosen."));

    browser.click(".language [value=de]");
    assert_eq!(browser.text("h1").as_deref(), Some("Notizen"));
    assert_eq!(browser.run("document.documentElement.lang"), "de");
    browser.click("#note button");
    assert_eq!(browser.text(".error").as_deref(), Some("Eine Notiz braucht einen Titel."));
    browser.click(".language [value=en]");
    assert_eq!(browser.text("h1").as_deref(), Some("Notes"));

    browser.click("#logout button");
    browser.open(&web.url("/notes"));
    assert_eq!(browser.run("location.pathname"), "/login");
}

#[test]
fn a_browser_is_asked_for_its_language_and_a_session_ends_when_it_is_not_used() {
    let web = Showcase::of("web", &["--cores", "2", "--session-idle", "6"]);
    let mut browser = Browser::start("expiry", "de");
    log_in(&mut browser, &web, "Ada");
    assert_eq!(browser.text("h1").as_deref(), Some("Notizen"));
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(2));
        browser.open(&web.url("/notes"));
        assert_eq!(browser.text("#user").as_deref(), Some("Ada"), "used within six seconds");
    }
    std::thread::sleep(Duration::from_secs(7));
    browser.open(&web.url("/notes"));
    assert_eq!(browser.run("location.pathname"), "/login");
    assert_eq!(browser.text(".flash").as_deref(), Some("Bitte zuerst anmelden."));
}

#[test]
fn what_attackers_send_is_refused() {
    let web = Showcase::of("web", &["--cores", "1"]);
    let ask = |head: &str| web.ask(&format!("{head}\r\nhost: h\r\nconnection: close\r\n\r\n"));
    let planted = format!("GET /notes HTTP/1.1\r\ncookie: __Host-session={}", "A".repeat(43));
    let answer = ask(&planted);
    assert!(answer.starts_with("HTTP/1.1 303"), "an id that nobody gave opens nothing: {answer}");
    assert!(!answer.contains(&"A".repeat(43)), "and is not taken over");
    let huge = format!("GET /login HTTP/1.1\r\ncookie: {}", "a=b; ".repeat(10_000));
    assert!(ask(&huge).starts_with("HTTP/1.1 431"), "50 kB of cookies");
    let strange = ask("GET /login HTTP/1.1\r\ncookie: ;;=;lang=\"><script>;=x;lang");
    assert!(strange.starts_with("HTTP/1.1 200") && !strange.contains("\"><script>"), "{strange}");
    assert!(ask("GET /nowhere// HTTP/1.1").contains("location: /nowhere\r\n"));
    assert!(ask("GET //evil.test/ HTTP/1.1").starts_with("HTTP/1.1 404"), "no redirect to another host");
}

#[test]
fn a_rotated_access_log_is_opened_anew_on_sighup() {
    let folder = std::env::temp_dir().join(format!("corelane-web-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (log, rotated) = (folder.join("access.log"), folder.join("access.log.1"));
    let web = Showcase::of("web", &["--cores", "2", "--access-log", log.to_str().unwrap()]);
    let has = |path: &Path, text: &str| std::fs::read_to_string(path).is_ok_and(|found| found.contains(text));
    let wait_for = |path: &Path, text: &str| {
        let began = Instant::now();
        while !has(path, text) {
            assert!(began.elapsed() < PATIENCE, "no {text} in {}", path.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    web.get("/login?first");
    wait_for(&log, "\"GET /login HTTP/1.1\" 200 ");
    std::fs::rename(&log, &rotated).unwrap();
    web.signal("-HUP");
    // The signal is taken by a thread of its own: ask until its work shows.
    let began = Instant::now();
    while !has(&log, "\"GET /second HTTP/1.1\" 404 ") {
        assert!(began.elapsed() < PATIENCE, "nothing in the new file");
        web.get("/second");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(web.get("/login").starts_with("HTTP/1.1 200"), "it serves on");
    std::fs::remove_dir_all(&folder).unwrap();
}
