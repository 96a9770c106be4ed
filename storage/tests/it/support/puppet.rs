//! A server whose answers the test writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::serve_each;

/// The answer to `HELLO 3`.
const HELLO: &str = "%1\r\n+server\r\n+redis\r\n";

/// Listens for as long as the process lives.
pub(crate) struct Puppet {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Puppet {
    /// Starts one. `answer` is given its port and the words of a command, and gives the bytes to send; `None` closes the
    /// connection.
    pub(crate) fn start(answer: impl Fn(u16, &str) -> Option<String> + Send + Sync + 'static) -> Puppet {
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let ears = Arc::clone(&heard);
        let address =
            serve_each(move |address, stream| serve(stream, &ears, |words| answer(address.port(), words)));
        Puppet { port: address.port(), heard }
    }

    /// The commands so far that begin with `start`, greetings left out.
    pub(crate) fn heard(&self, start: &str) -> Vec<String> {
        self.heard.lock().unwrap().iter().filter(|words| words.starts_with(start)).cloned().collect()
    }

    /// The URL of a cluster of which this is the first server.
    pub(crate) fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.port)
    }
}

fn serve(stream: TcpStream, ears: &Mutex<Vec<String>>, answer: impl Fn(&str) -> Option<String>) {
    let mut out = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream);
    while let Some(words) = read_command(&mut lines) {
        let answer = if words.starts_with("HELLO") {
            Some(HELLO.to_owned())
        } else {
            ears.lock().unwrap().push(words.clone());
            answer(&words)
        };
        let Some(answer) = answer else { return };
        if out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_command(lines: &mut BufReader<TcpStream>) -> Option<String> {
    let number = |lines: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        line.get(1..)?.trim_end().parse::<usize>().ok()
    };
    let count = number(lines)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; number(lines)? + 2];
        lines.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words.join(" "))
}

/// A bulk string.
pub(crate) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// An answer to `CLUSTER SLOTS`: ranges, each with the host and port of its primary.
pub(crate) fn slots(ranges: &[(u32, u32, &str, u16)]) -> String {
    let range = |(first, last, host, port): &(u32, u32, &str, u16)| {
        format!("*3\r\n:{first}\r\n:{last}\r\n*3\r\n{}:{port}\r\n{}", bulk(host), bulk("id"))
    };
    format!("*{}\r\n{}", ranges.len(), ranges.iter().map(range).collect::<String>())
}
