//! The ticker example: events, taking them up again, curl, and a server that stops although clients listen.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use super::process::{PATIENCE, Showcase};

/// Opens the stream and reads on to the first event; its lines, without those of the chunks.
fn listen(server: &Showcase, fields: &str) -> (BufReader<TcpStream>, Vec<String>) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /ticks HTTP/1.1\r\nhost: h\r\n{fields}\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let lines = until(&mut reader, |line| line.starts_with("data:"));
    (reader, lines)
}

fn until(reader: &mut impl BufRead, is_last: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "it ended: {lines:?}");
        lines.push(line.trim_end().to_owned());
        if is_last(&lines[lines.len() - 1]) {
            return lines;
        }
    }
}

#[test]
fn ticks_go_on_from_the_last_one_seen() {
    for driver in ["auto", "epoll"] {
        let server = Showcase::of("ticker", &["--driver", driver, "--cores", "1", "--every-ms", "20"]);
        let (mut reader, first) = listen(&server, "");
        assert!(first.contains(&"content-type: text/event-stream".to_owned()), "{driver}: {first:?}");
        assert!(
            first.contains(&"retry: 1000".to_owned()) && first.contains(&"id: 1".to_owned()),
            "{first:?}"
        );
        until(&mut reader, |line| line.starts_with("data: {\"number\":5"));
        let (_other, again) = listen(&server, "last-event-id: 41\r\n");
        assert!(again.last().unwrap().starts_with("data: {\"number\":42"), "{driver}: {again:?}");
        assert!(server.get("/listeners").ends_with("\r\n\r\n2"));
        drop((reader, _other));
        let began = Instant::now();
        while !server.get("/listeners").ends_with("\r\n\r\n0") {
            assert!(began.elapsed() < PATIENCE, "{driver}: clients that left still count");
        }
        assert!(server.get("/").contains("EventSource"));
    }
}

#[test]
fn curl_sees_events_as_they_come_and_a_whole_end_when_the_server_stops() {
    let mut server = Showcase::of("ticker", &["--cores", "1", "--every-ms", "10"]);
    let curl = Command::new("curl")
        .args(["-sSN", "--fail", &server.url("/ticks")])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while server.get("/listeners").ends_with("\r\n\r\n0") {
        assert!(began.elapsed() < PATIENCE, "curl does not connect");
    }
    server.signal("-TERM");
    assert!(server.wait().success());
    let output = curl.wait_with_output().unwrap();
    assert!(output.status.success(), "cut off: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("data: {\"number\":1,") && text.ends_with("\n\n"), "{text}");
}
