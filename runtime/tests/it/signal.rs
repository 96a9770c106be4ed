//! Real signals, sent to a child process: this test binary, started again for one ignored test.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use corelane_runtime::signal::{Signals, drain_on_signal, unblock_in_child};
use corelane_runtime::{Runtime, blocking, shutdown, time};
use rustix::process::{Pid, Signal, kill_process};

/// Set in the child only; its value says how the child behaves when drained.
const CHILD: &str = "CORELANE_TEST_SIGNAL_CHILD";

/// Longer than any test waits: a child that comes to it was not ended by a signal.
const FOR_EVER: Duration = Duration::from_secs(600);

struct Server {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// Starts the child and waits until its cores run.
    fn start(behaviour: &str) -> Self {
        // The child inherits it. It calls this itself, too, but not in its main thread: that is the
        // harness's, which would take the signals and die of them.
        let _signals = Signals::block().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signal::the_child", "--ignored", "--nocapture"])
            .env(CHILD, behaviour)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, lines };
        server.expect("started");
        server
    }

    fn expect(&mut self, want: &str) {
        let mut line = String::new();
        // The harness writes lines of its own.
        while !line.trim_end().ends_with(want) {
            line.clear();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "the child ended before it said {want:?}"
            );
        }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only matters where a test failed.
        let _ = self.child.kill();
    }
}

#[test]
#[ignore = "not a test of its own: the others start it in a process of its own"]
fn the_child() {
    let Ok(behaviour) = std::env::var(CHILD) else { return };
    let signals = Signals::block().unwrap();
    let (stubborn, hung) = (behaviour == "stubborn", behaviour == "hung");
    let grace = if behaviour == "short grace" { Duration::from_millis(10) } else { FOR_EVER };
    let runtime = Runtime::builder()
        .cores(Some(2))
        .pin(false)
        .start(move |core| async move {
            // A thread of the pool must not take signals either.
            blocking::run(|| ()).await.unwrap();
            if core.index() == 0 {
                println!("started");
            }
            shutdown::draining().await;
            if core.index() == 0 {
                println!("draining");
            }
            if hung {
                // A task that never comes back to its loop.
                std::thread::sleep(FOR_EVER);
            }
            if stubborn || grace < FOR_EVER {
                time::sleep(FOR_EVER).await;
            }
        })
        .unwrap();
    drain_on_signal(runtime, signals, grace).unwrap();
    println!("ended");
}

#[test]
fn the_first_signal_drains() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut server = Server::start("obedient");
        server.send(signal);
        server.expect("draining");
        let (status, rest) = server.end();
        assert!(status.success() && rest.contains("ended"), "{signal:?}: {status}, {rest}");
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let mut server = Server::start("stubborn");
    server.send(Signal::TERM);
    server.expect("draining");
    server.send(Signal::INT);
    let (status, rest) = server.end();
    assert!(status.success() && rest.contains("ended"), "{status}, {rest}");
}

/// Whichever of the last two is taken as the second, the other then ends the process.
#[test]
fn the_third_signal_ends_a_process_that_hangs() {
    let mut server = Server::start("hung");
    server.send(Signal::TERM);
    server.expect("draining");
    server.send(Signal::INT);
    server.send(Signal::HUP);
    let (status, rest) = server.end();
    assert!(
        [Signal::INT, Signal::HUP].map(|s| Some(s.as_raw())).contains(&status.signal()),
        "{status}, {rest}"
    );
}

#[test]
fn what_is_left_after_the_grace_is_stopped() {
    let mut server = Server::start("short grace");
    server.send(Signal::TERM);
    server.expect("draining");
    let (status, rest) = server.end();
    assert!(status.success() && rest.contains("ended"), "{status}, {rest}");
}

#[test]
fn a_runtime_that_ends_by_itself_ends_the_wait() {
    // Blocks the signals in this thread of the test harness only; nobody sends any to this process.
    let signals = Signals::block().unwrap();
    let runtime = Runtime::builder().cores(Some(1)).pin(false).start(|_| async {}).unwrap();
    drain_on_signal(runtime, signals, FOR_EVER).unwrap();
}

/// A child that inherited the mask would sleep on.
#[test]
fn a_child_need_not_inherit_the_mask() {
    let _signals = Signals::block().unwrap();
    let mut command = Command::new("sleep");
    let mut child = unblock_in_child(command.arg("20")).spawn().unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}
