//! `redis-server` as a child process.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::free_port;

/// Longest a server may take to answer its first `PING`.
const START_MAX: Duration = Duration::from_secs(20);

/// A server with a folder and a port of its own. Dropping it kills it and removes the folder.
pub(crate) struct RedisServer {
    child: Option<Child>,
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
    /// It is a sentinel, which keeps what it learns in its configuration file.
    is_sentinel: bool,
    /// Sent as `AUTH` before the first `PING`, if there is one.
    password: Option<String>,
}

impl RedisServer {
    /// Starts one with the defaults, and no persistence.
    pub(crate) fn start() -> RedisServer {
        RedisServer::start_with(&[])
    }

    /// Starts one with more arguments, as on its command line.
    pub(crate) fn start_with(arguments: &[&str]) -> RedisServer {
        RedisServer::start_as(arguments, None)
    }

    /// Starts a sentinel with this configuration.
    pub(crate) fn start_sentinel(configuration: &str, password: Option<&str>) -> RedisServer {
        let words = password.map(|password| ["--requirepass", password]);
        RedisServer::start_as(words.as_ref().map_or(&[], |words| &words[..]), Some(configuration))
    }

    fn start_as(arguments: &[&str], sentinel: Option<&str>) -> RedisServer {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("corelane-redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        if let Some(configuration) = sentinel {
            fs::write(folder.join("sentinel.conf"), configuration).unwrap();
        }
        let password = arguments.iter().position(|word| *word == "--requirepass");
        let mut server = RedisServer {
            child: None,
            folder,
            port: 0,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            is_sentinel: sentinel.is_some(),
            password: password.and_then(|at| arguments.get(at + 1)).map(|word| (*word).to_owned()),
        };
        // The port may be taken by another test between the look and the start.
        for _ in 0..5 {
            server.port = free_port();
            server.spawn();
            if server.wait_until_up() {
                return server;
            }
            server.kill();
        }
        panic!("redis-server does not start: {}", server.log());
    }

    fn spawn(&mut self) {
        let mut command = Command::new("redis-server");
        if self.is_sentinel {
            command.arg(self.folder.join("sentinel.conf")).arg("--sentinel");
        }
        let child = command
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(&self.folder)
            .arg("--unixsocket")
            .arg(self.socket())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.folder.join("log")).unwrap())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| {
            panic!("these tests need redis-server ({error}). On Debian or Ubuntu: sudo apt-get install redis-server")
        }));
    }

    /// False if the process ended instead.
    fn wait_until_up(&mut self) -> bool {
        let until = Instant::now() + START_MAX;
        while Instant::now() < until {
            if self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
                return false;
            }
            if self.answers() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let auth = self.password.as_ref().map(|password| format!("AUTH {password}\r\n")).unwrap_or_default();
        let asked = stream.write_all(format!("{auth}PING\r\n").as_bytes());
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut answer = Vec::new();
        let mut piece = [0; 256];
        while asked.is_ok() && !answer.ends_with(b"+PONG\r\n") {
            match stream.read(&mut piece) {
                Ok(n) if n > 0 => answer.extend_from_slice(&piece[..n]),
                _ => return false,
            }
        }
        asked.is_ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What it answers to an inline command, without the framing: text, a number, or `-` and an error.
    pub(crate) fn ask(&self, command: &str) -> String {
        read_text(&mut self.send(command))
    }

    /// The elements of the list that it answers with.
    pub(crate) fn ask_list(&self, command: &str) -> Vec<String> {
        let mut lines = self.send(command);
        let count = read_text(&mut lines).parse().unwrap();
        (0..count).map(|_| read_text(&mut lines)).collect()
    }

    /// Sends an inline command on a connection of its own, to read the answer from.
    fn send(&self, command: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(START_MAX)).unwrap();
        let auth = self.password.as_ref().map(|password| format!("AUTH {password}\r\n")).unwrap_or_default();
        stream.write_all(format!("{auth}{command}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        if !auth.is_empty() {
            assert_eq!(read_text(&mut lines), "OK");
        }
        lines
    }

    /// The port of the cluster bus, as the arguments say.
    pub(crate) fn cluster_port(&self) -> String {
        let at = self.arguments.iter().position(|word| word == "--cluster-port").unwrap();
        self.arguments[at + 1].clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// `SIGSTOP`: it keeps its sockets and answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// `SIGCONT`.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// `SIGKILL`, and waits for it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it has ended already.
            let _ended = child.kill();
            child.wait().unwrap();
        }
    }

    /// Starts it again on its port, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.spawn();
        assert!(self.wait_until_up(), "redis-server does not start again: {}", self.log());
    }
}

/// A text, a number, a count of elements, or `-` and an error.
fn read_text(lines: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let line = line.trim_end();
    match line.split_at(1) {
        ("$", "-1") => String::new(),
        ("$", len) => {
            let mut text = vec![0; len.parse::<usize>().unwrap() + 2];
            lines.read_exact(&mut text).unwrap();
            text.truncate(text.len() - 2);
            String::from_utf8(text).unwrap()
        }
        ("-", _) => line.to_owned(),
        (_, rest) => rest.to_owned(),
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        // What is left over is in the temporary folder.
        let _gone = fs::remove_dir_all(&self.folder);
    }
}
