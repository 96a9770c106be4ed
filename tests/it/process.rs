//! Starts an example on a free port and ends it with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nothing in these tests takes this long; a hang fails instead of stopping the run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running showcase; killed when dropped.
pub(crate) struct Showcase {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// What it printed while starting.
    pub(crate) log: String,
}

impl Showcase {
    /// Starts it with `flags`, on a free port unless they name one.
    pub(crate) fn start(flags: &[&str]) -> Showcase {
        Showcase::of("showcase", flags)
    }

    /// Another example with the same `--listen` and the same log.
    pub(crate) fn of(example: &str, flags: &[&str]) -> Showcase {
        Showcase::of_with(example, flags, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn of_with(example: &str, flags: &[&str], variables: &[(&str, &str)]) -> Showcase {
        let mut child = Command::new(examples().join(example))
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .env("NO_COLOR", "1")
            .env_remove("REDIS_URL")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended: {log}");
            log.push_str(&line);
            if let Some(address) = line.split("address=").nth(1) {
                break address.split_whitespace().next().unwrap().parse().expect(&line);
            }
        };
        // Read on, so that the showcase never waits for somebody to read its log.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Showcase { child, address, log }
    }

    /// What it prints with `flags` that make it end by itself.
    pub(crate) fn printed(flags: &[&str]) -> String {
        let output = Command::new(examples().join("showcase")).args(flags).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Sends one request on a connection of its own and gives the whole answer as text.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    pub(crate) fn get(&self, target: &str) -> String {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"))
    }

    pub(crate) fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the showcase does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Showcase {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the examples, once and only if they are not up to date, and says where they are.
pub(crate) fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet"]);
        cargo.args(
            ["showcase", "web", "file_server", "ticker", "uploads", "rest"]
                .iter()
                .flat_map(|name| ["--example", name]),
        );
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "cargo build --example fails");
        let test = std::env::current_exe().unwrap();
        test.parent().and_then(Path::parent).unwrap().join("examples")
    })
}
