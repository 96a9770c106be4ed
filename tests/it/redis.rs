//! The showcase with Redis, which is killed and comes back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::process::{PATIENCE, Showcase};

fn start_redis(port: u16) -> Child {
    let server = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("this test needs redis-server ({error}). On Debian or Ubuntu: sudo apt-get install redis-server")
        });
    until("redis-server answers", || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let mut answer = [0; 7];
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && &answer == b"+PONG\r\n"
    });
    server
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ask(showcase: &Showcase, method: &str, body: &str) -> String {
    showcase.ask(&format!(
        "{method} /cache/a%20key HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn values_are_kept_in_redis_and_its_absence_is_503_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut redis = start_redis(port);
    let url = format!("redis://127.0.0.1:{port}/");
    let showcase = Showcase::of_with("showcase", &["--cores", "2"], &[("REDIS_URL", &url)]);

    assert_eq!(status(&ask(&showcase, "GET", "")), "404");
    assert_eq!(status(&ask(&showcase, "PUT", "a value\r\nof two lines")), "204");
    let answer = ask(&showcase, "GET", "");
    assert_eq!(status(&answer), "200");
    assert!(answer.ends_with("\r\n\r\na value\r\nof two lines"), "{answer}");
    assert_eq!(status(&ask(&showcase, "DELETE", "")), "204");
    assert_eq!(status(&ask(&showcase, "DELETE", "")), "404");
    assert!(showcase.get("/redis/ping").ends_with("PONG\n"));

    redis.kill().unwrap();
    redis.wait().unwrap();
    // Both cores have to notice.
    let mut misses = 0;
    until("503 ten times in a row", || {
        misses = if status(&showcase.get("/redis/ping")) == "503" { misses + 1 } else { 0 };
        misses == 10
    });
    let began = Instant::now();
    let answer = ask(&showcase, "GET", "");
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(2), "at once: {:?}", began.elapsed());
    assert!(status(&showcase.get("/plaintext")) == "200", "the rest goes on");

    let mut redis = start_redis(port);
    until("PONG again", || status(&showcase.get("/redis/ping")) == "200");
    redis.kill().unwrap();
    redis.wait().unwrap();
}

#[test]
fn without_the_url_the_routes_are_not_there() {
    let showcase = Showcase::start(&["--cores", "1"]);
    assert_eq!(status(&showcase.get("/redis/ping")), "404");
}

#[test]
fn two_processes_share_the_sessions_that_redis_keeps() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut redis = start_redis(port);
    let url = format!("redis://127.0.0.1:{port}/");
    let [one, two] = [1, 2].map(|_| Showcase::of("web", &["--cores", "2", "--redis", &url]));
    let form = "name=Ada&password=corelane";
    let answer = one.ask(&format!(
        "POST /login HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    ));
    assert_eq!(status(&answer), "303", "{answer}");
    let cookie = answer.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let notes = format!("GET /notes HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
    for process in [&one, &two] {
        let answer = process.ask(&notes);
        assert!(status(&answer) == "200" && answer.contains("Ada"), "{answer}");
    }
    redis.kill().unwrap();
    redis.wait().unwrap();
    assert_eq!(status(&two.ask(&notes)), "503");
}
