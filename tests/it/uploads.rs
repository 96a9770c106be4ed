//! The uploads example: large files in constant memory, limits, names that lead elsewhere.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Instant;

use super::process::{PATIENCE, Showcase};

/// A directory for the files, removed with them.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("corelane-example-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn entries(&self) -> Vec<PathBuf> {
        std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn start(&self, flags: &[&str]) -> Showcase {
        Showcase::of("uploads", &[&["--cores", "1", "--directory", self.0.to_str().unwrap()], flags].concat())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Peak of the resident memory, in bytes.
fn peak(example: &Showcase) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", example.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn before(file_name: &str) -> String {
    format!("--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\r\n")
}

const AFTER: &str = "\r\n--XX--\r\n";

fn head(len: usize) -> String {
    format!(
        "POST /files HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary=XX\r\ncontent-length: {len}\r\n\r\n"
    )
}

fn post(example: &Showcase, file_name: &str, data: &str) -> String {
    let body = before(file_name) + data + AFTER;
    example.ask(&(head(body.len()) + &body))
}

#[test]
fn a_quarter_of_a_gibibyte_goes_to_the_disk_in_constant_memory() {
    const PIECE: usize = 1024 * 1024;
    // `UPLOAD_MIB=1024` is the run of the issue.
    let pieces: usize = std::env::var("UPLOAD_MIB").map_or(256, |mib| mib.parse().unwrap());
    let dir = Dir::new("large");
    let example = dir.start(&[]);
    // What a first upload sets up is not what grows with the length.
    post(&example, "small", "small");
    let at_rest = peak(&example);

    // Lines that look like the beginning of a delimiter all over.
    let piece: Vec<u8> = b"\r\n--X-0123456789abcdef\r\n\r".iter().copied().cycle().take(PIECE).collect();
    let mut stream = TcpStream::connect(example.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let before = before("large.bin");
    let begun = Instant::now();
    stream.write_all(head(before.len() + pieces * PIECE + AFTER.len()).as_bytes()).unwrap();
    stream.write_all(before.as_bytes()).unwrap();
    for _ in 0..pieces {
        stream.write_all(&piece).unwrap();
    }
    stream.write_all(AFTER.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let took = begun.elapsed();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(answer.contains(&format!("\"bytes\":{}", pieces * PIECE)), "{answer}");

    let grown = peak(&example) - at_rest;
    println!("{pieces} MiB in {took:.2?}; peak {} KiB, grown by {} KiB", peak(&example) / 1024, grown / 1024);
    assert!(grown < 16 * 1024 * 1024, "grown by {grown} bytes");
    let stored =
        dir.entries().into_iter().find(|path| path.to_str().unwrap().ends_with("-large.bin")).unwrap();
    let mut file = std::fs::File::open(stored).unwrap();
    let mut read = vec![0; PIECE];
    for at in 0..pieces {
        file.read_exact(&mut read).unwrap();
        assert!(read == piece, "MiB {at} is not what was sent");
    }
    assert_eq!(file.read(&mut read).unwrap(), 0);
}

#[test]
fn files_are_listed_and_come_back_as_attachments() {
    let dir = Dir::new("listed");
    let example = dir.start(&[]);
    assert!(example.get("/").contains("multipart/form-data"));
    let answer = post(&example, "../../<b>page</b>.html", "<script>alert(1)</script>");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let list = example.get("/files");
    let list: serde_json::Value = serde_json::from_str(list.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["bytes"]), (&"b.html".into(), &25.into()), "{list}");
    assert_eq!(dir.entries().len(), 1, "in the directory, and nowhere else");

    let id = list[0]["id"].as_str().unwrap();
    let file = example.get(&format!("/files/{id}"));
    assert!(file.contains("content-disposition: attachment; filename=\"b.html\""), "{file}");
    assert!(file.ends_with("<script>alert(1)</script>"), "{file}");
    for elsewhere in ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "..", "none"] {
        let answer = example.get(&format!("/files/{elsewhere}"));
        assert!(answer.starts_with("HTTP/1.1 4"), "{elsewhere}: {answer}");
    }
}

#[test]
fn what_is_too_long_or_breaks_off_is_refused_and_nothing_of_it_kept() {
    let dir = Dir::new("refused");
    let example = dir.start(&["--file-bytes-max", "1000", "--upload-bytes-max", "5000"]);
    let fine = before("fine") + "fine" + "\r\n";
    let too_long = fine.clone() + &before("long") + &"x".repeat(1001) + AFTER;
    let answer = example.ask(&(head(too_long.len()) + &too_long));
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("more than 1000 bytes in a file"),
        "{answer}"
    );
    let many = fine.repeat(100) + &before("last") + AFTER;
    let answer = example.ask(&(head(many.len()) + &many));
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("5000"), "{answer}");
    let cut = fine + &before("cut") + "cut";
    let answer = example.ask(&(head(cut.len()) + &cut));
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("before its last delimiter"), "{answer}");
    assert_eq!(dir.entries(), Vec::<PathBuf>::new());
}

#[test]
fn a_wrong_directory_is_told_at_start() {
    let started = std::process::Command::new(super::process::examples().join("uploads"))
        .args(["--listen", "127.0.0.1:0", "--directory", "/no/such"])
        .output()
        .unwrap();
    assert!(!started.status.success());
    assert!(String::from_utf8_lossy(&started.stderr).contains("/no/such"), "{started:?}");
}
