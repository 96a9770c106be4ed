//! Clients that are killed, floods of connections, descriptors that run out: the showcase serves on, and is left as it was.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use socket2::{Domain, SockRef, Socket, Type};

use super::process::{PATIENCE, Showcase};

const GET: &[u8] = b"GET /plaintext HTTP/1.1\r\nhost: h\r\n\r\n";

impl Showcase {
    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Memory in use, in bytes.
    fn resident(&self) -> usize {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    fn wait_until_descriptors_are(&self, at_most: usize) {
        let began = Instant::now();
        while self.descriptors() > at_most {
            assert!(began.elapsed() < PATIENCE, "{} descriptors are open, not {at_most}", self.descriptors());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sets how many descriptors the process may have; returns the limit before.
    fn limit_descriptors(&self, soft: u64) -> u64 {
        let pid = Pid::from_child(&self.child);
        let before = prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(soft), maximum: None });
        let before = before.or_else(|_| {
            // Without the right to lift the hard limit, keep it.
            let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
            prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(soft), maximum: hard })
        });
        before.unwrap().current.unwrap_or(u64::MAX)
    }
}

fn connect(showcase: &Showcase) -> TcpStream {
    let stream = TcpStream::connect(showcase.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn is_answered(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 1024];
    stream.write_all(GET).is_ok()
        && matches!(stream.read(&mut answer), Ok(len) if answer[..len].ends_with(b"Hello, World!"))
}

#[test]
fn twenty_thousand_connections_come_and_go() {
    for driver in ["auto", "epoll"] {
        let showcase = Showcase::start(&["--cores", "1", "--driver", driver]);
        assert!(is_answered(&mut connect(&showcase)));
        let mut before = (0, 0);
        for count in 0..20_000 {
            if count == 2_000 {
                // Pools are warm by now: what comes after may not add to them.
                before = (showcase.descriptors(), showcase.resident());
            }
            let mut stream = connect(&showcase);
            if count % 10 == 0 {
                assert!(is_answered(&mut stream), "connection {count}");
            }
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        assert!(is_answered(&mut connect(&showcase)));
        showcase.wait_until_descriptors_are(before.0 + 2);
        let grown = showcase.resident().saturating_sub(before.1);
        assert!(grown < 4 << 20, "{driver}: {grown} bytes more after 18,000 connections");
    }
}

#[test]
fn half_the_clients_are_killed_under_load() {
    let showcase = Showcase::start(&[]);
    let load = || {
        Command::new("wrk")
            .args(["-t1", "-c100", "-d4s", &showcase.url("/json")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("sudo apt-get install wrk")
    };
    assert!(is_answered(&mut connect(&showcase)));
    let before = showcase.descriptors();
    let (stays, mut dies) = (load(), load());
    std::thread::sleep(Duration::from_secs(2));
    dies.kill().unwrap();
    dies.wait().unwrap();
    assert!(is_answered(&mut connect(&showcase)));
    let output = stays.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Socket errors") && !text.contains("Non-2xx"), "the others saw: {text}");
    showcase.wait_until_descriptors_are(before);
}

#[test]
fn running_out_of_descriptors_is_survived() {
    for driver in ["auto", "epoll"] {
        let showcase = Showcase::start(&["--cores", "1", "--driver", driver]);
        let mut kept = connect(&showcase);
        assert!(is_answered(&mut kept));
        let limit = showcase.limit_descriptors(showcase.descriptors() as u64);
        let mut waiting: Vec<TcpStream> = (0..10).map(|_| connect(&showcase)).collect();
        for stream in &mut waiting {
            stream.write_all(GET).unwrap();
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(is_answered(&mut kept), "{driver}: a connection that is open is served on");
        showcase.limit_descriptors(limit);
        for stream in &mut waiting {
            let mut answer = [0; 1024];
            let len = stream.read(&mut answer).unwrap();
            assert!(
                answer[..len].ends_with(b"Hello, World!"),
                "{driver}: those that waited are served after all"
            );
        }
        let before = showcase.descriptors();
        drop(waiting);
        showcase.wait_until_descriptors_are(before - 10);
    }
}

#[test]
fn five_thousand_connections_at_once_are_all_served() {
    let showcase = Showcase::start(&[]);
    let own = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: own.maximum, maximum: own.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised).unwrap();
    assert!(own.maximum.is_none_or(|most| most > 6000), "raise the descriptor limit: ulimit -Hn 16384");
    let mut open: Vec<Socket> = (0..5000)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.connect(&showcase.address.into()).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        })
        .collect();
    for socket in &mut open {
        socket.write_all(GET).unwrap();
    }
    for socket in &mut open {
        let mut answer = [0; 1024];
        let len = socket.read(&mut answer).unwrap();
        assert!(answer[..len].ends_with(b"Hello, World!"));
    }
    drop(open);
    assert!(is_answered(&mut connect(&showcase)));
}
