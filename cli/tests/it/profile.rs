//! `corelane profile`.

use std::path::PathBuf;
use std::process::{Command, Output};

use corelane_middlewares::admin::{Admin, AdminServer};

struct Bench {
    admin: AdminServer,
    folder: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let folder = std::env::temp_dir().join(format!("corelane-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let admin = Admin::bind("127.0.0.1:0").token("s3cret").history(49).start().unwrap();
        Bench { admin, folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
        command.env_remove("CORELANE_ADMIN_TOKEN").current_dir(&self.folder).args(arguments).output().unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}", self.admin.address())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn profiles_are_written_in_the_format_of_the_files_name() {
    let bench = Bench::new("formats");
    let url = bench.url();
    for (name, begins) in [("flame.svg", &b"<svg"[..]), ("cpu.pb", b"\x0a"), ("cpu.folded", b"")] {
        let done =
            bench.run(&["profile", "cpu", "--url", &url, "--token", "s3cret", "--seconds", "1", "-o", name]);
        assert!(done.status.success(), "{name}: {}", told(&done));
        let written = std::fs::read(bench.folder.join(name)).unwrap();
        assert!(written.starts_with(begins), "{name}");
    }
    let pid = std::process::id().to_string();
    let done = bench.run(&["profile", "diff", "--pid", &pid, "--token", "s3cret", "-o", "diff.svg"]);
    assert!(done.status.success(), "found by process: {}", told(&done));
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let bench = Bench::new("errors");
    let url = bench.url();
    let pid = std::process::id().to_string();
    for (arguments, says) in [
        (&["profile", "cpu", "--url", &url, "--seconds", "1"][..], "wants a token: --token"),
        (&["profile", "cpu", "--url", &url, "-o", "x.png"], "end it with .svg"),
        (&["profile", "diff", "--url", &url, "-o", "x.pb"], "end the file's name with .svg"),
        (&["profile", "cpu", "--url", "http://127.0.0.1:1", "--seconds", "1"], "--admin"),
        (&["profile", "cpu", "--url", "https://127.0.0.1:1"], "no TLS"),
        (&["profile", "cpu", "--pid", &pid, "--url", &url], "cannot be used with"),
        (&["profile", "cpu", "--seconds", "301"], "1..=300"),
    ] {
        let done = bench.run(arguments);
        assert!(!done.status.success() && told(&done).contains(says), "{arguments:?}: {}", told(&done));
    }
}

#[test]
fn findings_are_printed_and_set_the_exit_status() {
    let bench = Bench::new("doctor");
    let url = bench.url();
    for command in [&["doctor"][..], &["profile", "findings"]] {
        let done = bench.run(&[command, &["--url", &url, "--token", "s3cret"]].concat());
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        // What the tests run is a debug build, and that is a finding.
        let expected =
            if cfg!(debug_assertions) { (Some(2), "debug-build") } else { (Some(0), "nothing found") };
        assert!(done.status.code() == expected.0 && text.contains(expected.1), "{text}{}", told(&done));
    }
    let done = bench.run(&["doctor", "--json", "--url", &url, "--token", "s3cret"]);
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(json["findings"].is_array());
}
