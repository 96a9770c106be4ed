//! What must not be served, and what must not stop the server.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use corelane_http::files::Files;

use super::{Client, Folder};

#[test]
fn no_path_leads_out_of_the_root() {
    let folder = Folder::new();
    folder
        .write("a.txt", "inside")
        .write("sub/b.txt", "inside")
        .write(".env", "SECRET")
        .write("sub/.git/config", "SECRET");
    fs::write(folder.0.join("secret"), "SECRET").unwrap();
    fs::create_dir(folder.0.join("root-other")).unwrap();
    fs::write(folder.0.join("root-other/secret"), "SECRET").unwrap();
    let server = folder.serve(Files::listing);
    let mut client = Client::connect(server.address());
    let ups = [
        "..",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e.",
        "%252e%252e",
        "..%00",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%uff0e%uff0e",
        "..;",
        "...",
        "..%5c",
        "%5c..",
        "..%2f",
        "%2f..",
        "..%252f",
        "..%c0%af",
        "..%ef%bc%8f",
    ];
    let mut tried = 0;
    for up in ups {
        for path in [
            format!("{up}/secret"),
            format!("sub/{up}/{up}/secret"),
            format!("{up}secret"),
            format!("sub/{up}{up}secret"),
            format!("{up}/root-other/secret"),
            format!("a.txt/{up}/{up}/secret"),
            format!("{up}/root/a.txt"),
            format!("sub/{up}/a.txt"),
            format!("{up}/{up}/{up}/{up}/{up}/{up}/{up}/{up}/etc/passwd"),
        ] {
            let answer = client.get(&format!("/f/{path}"));
            assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
            assert!(!answer.text().contains("SECRET") && !answer.text().contains("root:"), "{path}");
            tried += 1;
        }
    }
    assert_eq!(tried, ups.len() * 9);
    for path in [
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "file:///etc/passwd",
        ".env",
        "%2eenv",
        "./.env",
        "sub/.git/config",
        ".env/",
        "a.txt%00.html",
        "a.txt%0a",
        "sub\\..\\a.txt",
        "sub%5c..%5ca.txt",
        "a.txt/",
        "a.txt/.",
        "a.txt/x",
        "sub//b.txt",
        "proc/self/environ",
    ] {
        let answer = client.get(&format!("/f/{path}"));
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    let long = "a".repeat(5000);
    assert_eq!(client.get(&format!("/f/{long}")).status, 404, "a path longer than the system takes");
    let name = "a".repeat(300);
    assert_eq!(client.get(&format!("/f/{name}")).status, 404, "a name longer than the file system takes");
    server.shutdown().unwrap();
}

#[test]
fn links_are_followed_only_inside() {
    let folder = Folder::new();
    folder.write("a.txt", "inside").write("sub/b.txt", "inside");
    fs::write(folder.0.join("secret"), "SECRET").unwrap();
    for (target, name) in [
        ("a.txt", "to-file"),
        ("sub", "to-folder"),
        ("../secret", "out"),
        ("../../../../../../../etc", "far-out"),
        ("/etc/passwd", "absolute"),
        ("/proc/self/fd", "magic"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
    ] {
        symlink(target, folder.path(name)).unwrap();
    }
    symlink(folder.path("a.txt"), folder.path("absolute-inside")).unwrap();
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    for (why, path, status) in [
        ("a link inside", "to-file", 200),
        ("through a link inside", "to-folder/b.txt", 200),
        ("out", "out", 404),
        ("far out", "far-out/passwd", 404),
        ("absolute", "absolute", 404),
        ("absolute is out of the root wherever it leads", "absolute-inside", 404),
        ("of /proc", "magic/0", 404),
        ("in a circle", "loop", 404),
        ("to nothing", "dangling", 404),
    ] {
        assert_eq!(client.get(&format!("/f/{path}")).status, status, "{why}");
    }
    server.shutdown().unwrap();
}

/// A thread swaps a name between a file inside and a link to a secret outside, as fast as it can, by rename: at every
/// look-up the name is one or the other. A server that checks first and opens later would serve the secret
/// sooner or later.
#[test]
fn a_link_swapped_in_during_requests_does_not_lead_out() {
    let folder = Folder::new();
    fs::write(folder.0.join("secret"), "SECRET").unwrap();
    folder.write("name", "inside");
    symlink("../secret", folder.path("link")).unwrap();
    folder.write("file", "inside");
    let server = folder.serve(|files| files);
    let over = Arc::new(AtomicBool::new(false));
    let swapper = thread::spawn({
        let (over, root) = (over.clone(), folder.root());
        move || {
            let mut swaps = 0_u64;
            while !over.load(Ordering::Relaxed) {
                let _ = fs::hard_link(root.join("file"), root.join("next"));
                let _ = fs::rename(root.join("next"), root.join("name"));
                // A rename of a hard link onto the same inode does nothing and leaves the name behind.
                let _ = fs::remove_file(root.join("next"));
                symlink("../secret", root.join("next-link")).unwrap();
                fs::rename(root.join("next-link"), root.join("name")).unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let mut client = Client::connect(server.address());
    let (mut inside, mut refused) = (0, 0);
    let began = Instant::now();
    while (inside < 20 || refused < 20) && began.elapsed() < Duration::from_secs(15) {
        let answer = client.get("/f/name");
        match answer.status {
            200 => {
                assert_eq!(answer.text(), "inside");
                inside += 1;
            }
            404 => refused += 1,
            503 => {}
            other => panic!("{other}: {}", answer.text()),
        }
    }
    over.store(true, Ordering::Relaxed);
    let swaps = swapper.join().unwrap();
    assert!(inside > 0 && refused > 0 && swaps > 0, "{inside} inside, {refused} refused, {swaps} swaps");
    server.shutdown().unwrap();
}

#[test]
fn pipes_sockets_and_devices_are_not_served_and_do_not_hang() {
    let folder = Folder::new();
    let made = Command::new("mkfifo").arg(folder.path("pipe")).status().unwrap();
    assert!(made.success());
    let _socket = UnixListener::bind(folder.path("socket")).unwrap();
    // A device needs rights to be made; the terminal's and the null device's are found through a root of their own.
    let server = folder.serve(|files| files);
    let devices = super::serve(std::path::Path::new("/dev"), Files::listing);
    let mut client = Client::connect(server.address());
    for name in ["pipe", "socket"] {
        let began = Instant::now();
        assert_eq!(client.get(&format!("/f/{name}")).status, 404, "{name}");
        assert!(began.elapsed() < Duration::from_secs(5), "{name}");
    }
    let mut client = Client::connect(devices.address());
    for name in ["zero", "null", "full", "random"] {
        assert_eq!(client.get(&format!("/f/{name}")).status, 404, "{name}");
    }
    let page = client.get("/f/");
    assert!(page.status == 200 && !page.text().contains("zero"), "devices are not listed");
    server.shutdown().unwrap();
    devices.shutdown().unwrap();
}

#[test]
fn range_fields_that_are_meant_to_hurt_are_answered_whole() {
    let folder = Folder::new();
    folder.write("a.txt", "x".repeat(5000));
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    let overlapping = format!("bytes={}0-", "0-,".repeat(1300));
    let small: Vec<String> = (0..1000).map(|n| format!("{}-{}", n * 5, n * 5)).collect();
    let small = format!("bytes={}", small.join(","));
    let digits = format!("bytes={}-", "9".repeat(8000));
    for (why, field, status) in [
        ("many that overlap (CVE-2011-3192 in Apache)", &overlapping, 200),
        ("many small ones", &small, 200),
        ("many digits", &digits, 416),
        (
            "the end of 64 bits (CVE-2017-7529 in nginx)",
            &"bytes=-9223372036854775608,-9223372036854775208".into(),
            206,
        ),
    ] {
        let answer = client.get_with("/f/a.txt", &[("range", field)]);
        assert_eq!(answer.status, status, "{why}");
        if status != 416 {
            assert_eq!(answer.body.len(), 5000, "{why}");
        }
    }
    server.shutdown().unwrap();
}
