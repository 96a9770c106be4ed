//! A server on a free port, and a client that sends what it is told and reads one answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use corelane_http::app::App;
use corelane_http::server::{Running, Server};

/// Served until dropped.
pub(crate) struct Site {
    running: Option<Running>,
}

impl Site {
    /// On one core.
    pub(crate) fn start(app: impl Fn() -> App + Send + Sync + 'static) -> Site {
        Site::on_cores(1, app)
    }

    pub(crate) fn on_cores(cores: usize, app: impl Fn() -> App + Send + Sync + 'static) -> Site {
        Site::of(Server::bind("127.0.0.1:0").cores(cores), app)
    }

    pub(crate) fn of(server: Server, app: impl Fn() -> App + Send + Sync + 'static) -> Site {
        Site { running: Some(server.start(app).unwrap()) }
    }

    pub(crate) fn connect(&self) -> Client {
        let address = self.running.as_ref().unwrap().address();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    /// A connection whose request is sent and whose answer is not waited for.
    pub(crate) fn connect_and_ask(&self, target: &str) -> Client {
        let mut client = self.connect();
        let head = format!("GET {target} HTTP/1.1\r\nhost: example.test\r\n\r\n");
        client.stream.get_mut().write_all(head.as_bytes()).unwrap();
        client
    }

    /// One request over a connection of its own.
    pub(crate) fn send(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        self.connect().send(method, target, fields, body)
    }

    pub(crate) fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", target, fields, "")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown_now().unwrap();
        }
    }
}

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn send(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("host: example.test\r\n");
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        self.read(method == "HEAD")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    fn read(&mut self, head_only: bool) -> Answer {
        let status_line = self.line();
        let status = status_line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {status_line:?}"));
        let mut answer = Answer { status: status.parse().unwrap(), fields: Vec::new(), body: String::new() };
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            answer.fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
        if length > 0 && !head_only {
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).unwrap();
            answer.body = String::from_utf8(body).unwrap();
        }
        answer
    }
}

/// An answer with its body.
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
}

/// Keeps cookies as a browser does; each request goes over a connection of its own.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn new() -> Browser {
        Browser::default()
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    pub(crate) fn get(&mut self, site: &Site, target: &str) -> Answer {
        self.send(site, "GET", target)
    }

    pub(crate) fn post(&mut self, site: &Site, target: &str) -> Answer {
        self.send(site, "POST", target)
    }

    pub(crate) fn send(&mut self, site: &Site, method: &str, target: &str) -> Answer {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let header = pairs.join("; ");
        let fields = [("cookie", &*header)];
        let answer = site.send(method, target, if header.is_empty() { &[] } else { &fields }, "");
        for (_, line) in answer.fields.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = pair(line);
            self.cookies.retain(|(found, _)| *found != name);
            if !line.contains("; Max-Age=0;") && !line.ends_with("; Max-Age=0") {
                self.cookies.push((name, value));
            }
        }
        answer
    }
}

fn pair(line: &str) -> (String, String) {
    let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
    (name.to_owned(), value.to_owned())
}
