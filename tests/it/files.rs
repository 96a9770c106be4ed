//! The file server example: a large file in constant memory, listings, curl's resume, no descriptors left.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::process::{PATIENCE, Showcase};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("corelane-example-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A file of that many bytes that takes no room on the disk.
    fn hole(&self, name: &str, bytes: u64) -> &Folder {
        fs::File::create(self.0.join(name)).unwrap().set_len(bytes).unwrap();
        self
    }

    fn serve(&self, flags: &[&str]) -> Showcase {
        let root = self.0.to_str().unwrap();
        let all: Vec<&str> = ["--root", root, "--cores", "1"].iter().chain(flags).copied().collect();
        Showcase::of("file_server", &all)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The most memory the process has had resident, in bytes.
fn peak(server: &Showcase) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn request(server: &Showcase, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_gibibyte_is_sent_in_constant_memory() {
    const BYTES: u64 = 1024 * 1024 * 1024;
    let folder = Folder::new("large");
    folder.hole("large", BYTES);
    for driver in ["auto", "uring", "epoll"] {
        let server = folder.serve(&["--driver", driver]);
        assert!(server.get("/").contains("large"));
        let before = peak(&server);
        let mut stream = request(&server, "/large");
        let mut buffer = vec![0; 1024 * 1024];
        let mut got = 0;
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                len => got += len as u64,
            }
        }
        assert!(got > BYTES && got < BYTES + 1000, "{driver}: {got} bytes with the head");
        // The kernel adds its counts up loosely: a later peak may be told smaller than an earlier one.
        let grown = peak(&server).saturating_sub(before);
        assert!(grown < 8 * 1024 * 1024, "{driver}: memory grew by {grown} bytes");
    }
}

#[test]
fn curl_resumes_and_takes_compressed_files() {
    let folder = Folder::new("curl");
    let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.0.join("data"), &data).unwrap();
    fs::write(folder.0.join("page.html"), "plain").unwrap();
    let gzip = Command::new("gzip").arg("-k").arg(folder.0.join("page.html")).status().unwrap();
    assert!(gzip.success());
    let server = folder.serve(&[]);
    let got = folder.0.join("got");
    fs::write(&got, &data[..123_456]).unwrap();
    let curl = |args: &[&str]| Command::new("curl").args(["-sS", "--fail"]).args(args).output().unwrap();
    let resumed = curl(&["-C", "-", "-o", got.to_str().unwrap(), &server.url("/data")]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(fs::read(&got).unwrap() == data, "what was missing was fetched");
    let page = curl(&["--compressed", "-D", "-", &server.url("/page.html")]);
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("content-encoding: gzip") && page.ends_with("plain"), "{page}");
    assert!(page.contains("cache-control: public, max-age=60"), "{page}");
    let list = server.get("/");
    assert!(list.contains("href=\"./page%2Ehtml\"") && list.contains("800000"), "{list}");
}

/// Every connection takes a descriptor and every file one; there are fewer than both need. The requests that come too late
/// are told so, and once others are done everything works again.
#[test]
fn without_descriptors_requests_are_refused_and_the_server_lives() {
    let folder = Folder::new("descriptors");
    folder.hole("large", 64 * 1024 * 1024);
    let server = folder.serve(&["--driver", "epoll"]);
    assert!(server.get("/").starts_with("HTTP/1.1 200"));
    let pid = server.child.id().to_string();
    let limited = Command::new("prlimit").args(["--nofile=200:200", "--pid", &pid]).status().unwrap();
    assert!(limited.success());
    let mut streams: Vec<TcpStream> = (0..130).map(|_| request(&server, "/large")).collect();
    let (mut sent, mut refused) = (0, 0);
    for stream in &mut streams {
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        match &head[9..] {
            b"200" => sent += 1,
            b"503" => refused += 1,
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
    assert!(sent > 0 && refused > 0, "{sent} were sent, {refused} refused");
    drop(streams);
    let began = Instant::now();
    while !server.get("/").starts_with("HTTP/1.1 200") {
        assert!(began.elapsed() < PATIENCE, "it does not recover");
    }
}
