//! The system call of the ring failing under load: errors put in by `strace`, every third call.
//!
//! The driver's own fault layer (`driver/ring/tests/faults.rs`) does the same below the call; this
//! shows that the two agree, on the real one.

use std::process::Command;

use corelane_runtime::{DriverChoice, spawn};

use crate::support::{echo_server, listen, on};

/// Calls that a ring makes while it is opened and probed, and some to spare: a kernel that fails in
/// there is one without io_uring, which is another test.
const PROBING: u32 = 40;

#[test]
fn an_enter_that_fails_now_and_then_loses_nothing() {
    for error in ["EINTR", "EAGAIN", "EBUSY", "ENOMEM"] {
        let log = concat!(env!("CARGO_TARGET_TMPDIR"), "/inject.log");
        let output = Command::new("strace")
            .args(["-f", "-qq", "-o", log, "-e", "trace=io_uring_enter"])
            .args(["-e", &format!("inject=io_uring_enter:error={error}:when={PROBING}+3")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "inject::the_child", "--ignored", "--nocapture"])
            .output()
            .expect("this test needs strace: `apt-get install strace`");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{error}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "{error}: the child ran: {said}");
        let injected = std::fs::read_to_string(log).unwrap().matches("INJECTED").count();
        assert!(injected > 10, "{error}: only {injected} calls failed");
    }
}

#[test]
#[ignore = "not a test of its own: the other starts it under strace"]
fn the_child() {
    on(DriverChoice::Ring, async {
        let listener = listen();
        let address = listener.local_addr().unwrap();
        drop(spawn(echo_server(listener)));
        for round in 0..20u8 {
            let mut client = corelane_runtime::net::Stream::connect(address).await.unwrap();
            for len in [1, 5_000, 200_000] {
                let bytes: Vec<u8> = (0..len).map(|n: usize| n.to_le_bytes()[0] ^ round).collect();
                client.send(bytes.clone()).await.unwrap();
                let mut back = Vec::new();
                while back.len() < len {
                    back.extend_from_slice(&client.recv().await.unwrap());
                }
                assert!(back == bytes, "round {round}, {len} bytes");
            }
        }
    });
}
