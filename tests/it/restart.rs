//! SIGUSR2 hands the listening sockets to a new process, under load, and no request fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{PATIENCE, examples};

/// A showcase and its successors, which share a log.
struct Family {
    child: Child,
    lines: mpsc::Receiver<String>,
    address: SocketAddr,
    /// The one that serves.
    process: u32,
}

impl Family {
    fn start(program: &Path, flags: &[&str]) -> Family {
        let mut child = Command::new(program)
            .args(["--listen", "127.0.0.1:0", "--cores", "2"])
            .args(flags)
            .env("NO_COLOR", "1")
            .env_remove("REDIS_URL")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let process = child.id();
        let mut family = Family { child, lines, address: "127.0.0.1:0".parse().unwrap(), process };
        let line = family.expect("address=127");
        family.address = value(&line, "address=").parse().expect(&line);
        family
    }

    /// The next line with this in it.
    fn expect(&self, wanted: &str) -> String {
        let mut seen = Vec::new();
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line says {wanted:?}: {seen:#?}"),
            }
        }
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.process.to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// Has a new process take over, and returns when the old one has let go.
    fn restart(&mut self) {
        self.signal("-USR2");
        let line = self.expect("another process has taken over");
        self.process = value(&line, "process=").parse().expect(&line);
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.process.to_string()]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn value<'l>(line: &'l str, key: &str) -> &'l str {
    line.split(key).nth(1).expect(line).split_whitespace().next().unwrap()
}

/// Requests in a loop until it is told to stop: on one connection for as long as the server keeps it, or on a new one each
/// time. No request is repeated.
fn ask_on(
    address: SocketAddr,
    keep: bool,
    every: Duration,
    stop: &AtomicBool,
    done: &AtomicU64,
) -> Result<(), String> {
    let request = match keep {
        true => "GET /plaintext HTTP/1.1\r\nhost: h\r\n\r\n",
        false => "GET /plaintext HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    };
    let mut open: Option<BufReader<TcpStream>> = None;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += every;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(address).map_err(|error| format!("connect: {error}"))?;
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                BufReader::new(stream)
            }
        };
        stream.get_mut().write_all(request.as_bytes()).map_err(|error| format!("send: {error}"))?;
        let mut closes = false;
        let mut first = String::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).map_err(|error| format!("receive: {error}"))?;
            closes |= line == "connection: close\r\n";
            match line.as_str() {
                "" => return Err("the connection ended before the answer".to_owned()),
                "\r\n" => break,
                _ if first.is_empty() => first = line,
                _ => {}
            }
        }
        let mut body = [0; 13];
        stream.read_exact(&mut body).map_err(|error| format!("body: {error}"))?;
        if first != "HTTP/1.1 200 OK\r\n" || &body != b"Hello, World!" {
            return Err(format!("answered {first:?}"));
        }
        done.fetch_add(1, Ordering::Relaxed);
        open = (!closes).then_some(stream);
    }
    Ok(())
}

/// The long form: `CORELANE_TEST_RESTARTS=20 CORELANE_TEST_RESTART_SECONDS=120 CORELANE_TEST_RESTART_CLIENTS=32`.
fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}

#[test]
fn no_request_fails_while_processes_take_over_from_one_another() {
    let restarts = number("CORELANE_TEST_RESTARTS", 4);
    let seconds = number("CORELANE_TEST_RESTART_SECONDS", 4);
    let clients = number("CORELANE_TEST_RESTART_CLIENTS", 8);
    let every = Duration::from_micros(number("CORELANE_TEST_RESTART_EVERY_US", 2000).into());
    let mut family = Family::start(&examples().join("showcase"), &[]);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let address = family.address;
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let (stop, done) = (stop.clone(), done.clone());
            // One in eight connects anew for each request.
            thread::spawn(move || ask_on(address, client % 8 != 7, every, &stop, &done))
        })
        .collect();
    let began = Instant::now();
    for restart in 1..=restarts {
        let due = Duration::from_secs(seconds.into()) * restart / (restarts + 1);
        thread::sleep(due.saturating_sub(began.elapsed()));
        let before = family.process;
        family.restart();
        assert_ne!(family.process, before);
    }
    thread::sleep(Duration::from_secs(seconds.into()).saturating_sub(began.elapsed()));
    stop.store(true, Ordering::Relaxed);
    let failed: Vec<_> = clients.into_iter().filter_map(|client| client.join().unwrap().err()).collect();
    let answered = done.load(Ordering::Relaxed);
    println!(
        "{restarts} restarts in {:?}: {answered} requests answered, {} failed",
        began.elapsed(),
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:?}");
    assert!(answered > 100, "there was load: {answered} requests");
    // The first one ends by itself once nobody is connected to it.
    let began = Instant::now();
    while family.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "the first process does not end");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_process_that_does_not_start_takes_nothing_over() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("restart-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("showcase");
    std::fs::hard_link(examples().join("showcase"), &program).unwrap();
    let unix = folder.join("app.sock");
    let unix_flag = format!("unix:{},mode=600", unix.display());
    let mut family = Family::start(&program, &["--listen", &unix_flag]);
    let inode = std::os::unix::fs::MetadataExt::ino(&unix.metadata().unwrap());
    let works = |family: &Family| {
        let (stop, done, address) = (AtomicBool::new(false), AtomicU64::new(0), family.address);
        thread::scope(|scope| {
            let asking = scope.spawn(|| ask_on(address, true, Duration::ZERO, &stop, &done));
            while done.load(Ordering::Relaxed) < 10 && !asking.is_finished() {
                thread::sleep(Duration::from_millis(5));
            }
            stop.store(true, Ordering::Relaxed);
            asking.join().unwrap().unwrap();
        });
        std::os::unix::net::UnixStream::connect(&unix).unwrap();
    };

    // A version that ends at once, and none at all.
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    family.signal("-USR2");
    family.expect("the process that was to take over has ended; this one goes on");
    works(&family);
    std::fs::remove_file(&program).unwrap();
    family.signal("-USR2");
    family.expect("another process could not be started; this one goes on");
    works(&family);

    std::fs::hard_link(examples().join("showcase"), &program).unwrap();
    family.restart();
    works(&family);
    assert_eq!(
        std::os::unix::fs::MetadataExt::ino(&unix.metadata().unwrap()),
        inode,
        "the Unix socket is the same one"
    );
    family.signal("-TERM");
    let began = Instant::now();
    while unix.exists() {
        assert!(began.elapsed() < PATIENCE, "the last process removes the socket");
        thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
