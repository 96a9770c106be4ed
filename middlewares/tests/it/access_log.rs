//! Access logs on disks that work, and on one that is full.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::Path;
use corelane_middlewares::access_log::{AccessLog, Reopen, dropped_count};
use corelane_middlewares::request_id::RequestIds;
use corelane_runtime::time;

use crate::support::Site;

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("corelane-access-log-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn log(&self) -> PathBuf {
        self.0.join("access.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn routes(log: &AccessLog) -> App {
    App::new()
        .with(RequestIds::new())
        .with(log.layer())
        .get("/users/{id}", async |Path(id): Path<String>| id)
        .get("/slow", async || time::sleep(Duration::from_secs(60)).await)
        .get("/panic", async || -> &'static str { panic!("on purpose") })
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !there() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_request_is_a_line_from_every_core_and_none_is_lost_at_the_end() {
    let folder = Folder::new("lines");
    let log = AccessLog::file(folder.log()).unwrap();
    let site = Site::on_cores(2, move || routes(&log));
    for n in 0..100 {
        site.get(
            &format!("/users/{n}?token=secret"),
            &[("user-agent", "test\"\x01".trim_end_matches('\x01'))],
        );
    }
    site.get("/none", &[]);
    site.get("/panic", &[]);
    drop(site);
    let text = fs::read_to_string(folder.log()).unwrap();
    assert_eq!(text.lines().count(), 102, "{text}");
    for n in 0..100 {
        let wanted = format!("\"GET /users/{n} HTTP/1.1\" 200 {} \"-\" \"test\\x22\"", n.to_string().len());
        assert_eq!(text.lines().filter(|line| line.contains(&wanted)).count(), 1, "{wanted} in {text}");
    }
    assert!(text.lines().all(|line| line.starts_with("127.0.0.1 - - [")), "{text}");
    assert!(
        text.contains("\"GET /none HTTP/1.1\" 404 ") && text.contains("\"GET /panic HTTP/1.1\" 500 "),
        "{text}"
    );
    assert!(!text.contains("secret"));
}

#[test]
fn a_line_is_written_within_seconds_and_a_client_that_went_away_has_one() {
    let folder = Folder::new("json");
    let log = AccessLog::file(folder.log()).unwrap().json();
    let site = Site::start(move || routes(&log));
    let answer = site.get("/users/7", &[]);
    drop(site.connect_and_ask("/slow"));
    let read = || -> Vec<serde_json::Value> {
        let text = fs::read_to_string(folder.log()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    wait_for("both lines, while the server runs", || read().len() == 2);
    let lines = read();
    let (first, gone) = (&lines[0], &lines[1]);
    assert_eq!((&first["route"], &first["path"]), (&"/users/{id}".into(), &"/users/7".into()));
    assert_eq!(first["id"].as_str(), answer.field("x-request-id"));
    assert!(first["took_us"].is_u64() && first.get("query").is_none());
    assert_eq!((&gone["status"], &gone["path"]), (&499.into(), &"/slow".into()));
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew_when_asked() {
    let folder = Folder::new("rotate");
    let reopen = Reopen::new();
    let log = AccessLog::file(folder.log()).unwrap().reopen_with(&reopen);
    let site = Site::start(move || routes(&log));
    let rotated = folder.0.join("access.log.1");
    let has = |path: &PathBuf, text: &str| fs::read_to_string(path).is_ok_and(|found| found.contains(text));
    site.get("/users/before", &[]);
    wait_for("the first line", || has(&folder.log(), "/users/before"));
    fs::rename(folder.log(), &rotated).unwrap();
    site.get("/users/between", &[]);
    wait_for("a line in the moved file", || has(&rotated, "/users/between"));
    reopen.reopen();
    site.get("/users/after", &[]);
    wait_for("a line in the new file", || has(&folder.log(), "/users/after"));
    assert!(!has(&rotated, "/users/after"));
}

/// `/dev/full` is a disk without room: every write fails with `ENOSPC`.
#[test]
fn a_full_disk_costs_lines_and_no_request() {
    let log = AccessLog::file("/dev/full").unwrap().buffer_bytes(4096);
    let site = Site::start(move || routes(&log));
    let before = dropped_count();
    let mut client = site.connect();
    for n in 0..300 {
        assert_eq!(client.send("GET", &format!("/users/{n}"), &[], "").status, 200);
    }
    drop(client);
    drop(site);
    assert_eq!(dropped_count() - before, 300, "every line is told of");
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_start() {
    let error = AccessLog::file("/proc/no/such/place").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
