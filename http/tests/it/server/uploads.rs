//! Uploads over a socket: pieces, waits, limits before the body is sent, clients that go away.

use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::Form;
use corelane_http::multipart::{Multipart, MultipartError, MultipartForm, Spool};
use corelane_http::router::post;
use corelane_http::server::Limits;

use super::{Client, PATIENCE, start};
use crate::uploads::{Dir, body};

fn head(len: usize, more: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-type: multipart/form-data; boundary=XX\r\n\
         content-length: {len}\r\n{more}\r\n"
    )
}

async fn sizes(mut multipart: Multipart) -> Result<String, MultipartError> {
    let mut text = String::new();
    while let Some(mut part) = multipart.next_part().await? {
        let mut sum = 0_u64;
        let mut len = 0;
        while let Some(chunk) = part.chunk().await? {
            len += chunk.len();
            sum = chunk.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        }
        text += &format!("{} {len} {sum}\n", part.name());
    }
    Ok(text)
}

fn sum(data: &[u8]) -> u64 {
    data.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

#[test]
fn pieces_and_chunks_make_no_difference() {
    let server = start(Limits::default(), || App::new().post("/", sizes));
    // Nearly a delimiter again and again, and longer than a buffer.
    let data = b"\r\n--X\r\n-".repeat(20_000);
    let upload = body(&[("a", Some("f"), &data), ("b", None, b"end")]);
    let want = format!("a {} {}\nb 3 {}\n", data.len(), sum(&data), sum(b"end"));

    let mut client = Client::connect(server.address());
    for piece in [upload.len(), 40_000, 1021] {
        client.send(head(upload.len(), ""));
        for piece in upload.chunks(piece) {
            client.send(piece);
        }
        assert_eq!(client.answer().text(), want, "in pieces of {piece}");
    }
    client.send(
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-type: multipart/form-data; boundary=XX\r\n\
         transfer-encoding: chunked\r\n\r\n",
    );
    for piece in upload.chunks(7777) {
        client.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().text(), want, "chunked");
    server.shutdown().unwrap();
}

#[test]
fn a_byte_at_a_time() {
    let server = start(Limits::default(), || App::new().post("/", sizes));
    let upload = body(&[("a", Some("f"), b"\r\n--X\r"), ("b", None, b"")]);
    let mut client = Client::connect(server.address());
    client.send(head(upload.len(), ""));
    for byte in &upload {
        client.send([*byte]);
    }
    assert_eq!(client.answer().text(), format!("a 6 {}\nb 0 0\n", sum(b"\r\n--X\r")));
    server.shutdown().unwrap();
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_sent() {
    let server = start(Limits::default(), || App::new().route("/", post(sizes).body_limit(1000)));
    let mut client = Client::connect(server.address());
    let answer = client.send(head(1001, "expect: 100-continue\r\n")).answer();
    assert_eq!(answer.status, 413, "and no 100 before it: {}", answer.head);
    assert!(answer.text().contains("1000"), "{}", answer.text());

    let mut client = Client::connect(server.address());
    let upload = body(&[("a", None, b"1")]);
    assert_eq!(client.send(head(upload.len(), "expect: 100-continue\r\n")).interim().status, 100);
    assert_eq!(client.send(&upload).answer().text(), "a 1 49\n");
    server.shutdown().unwrap();
}

#[test]
fn a_client_that_goes_away_leaves_nothing_on_the_disk() {
    let dir = Dir::new("gone");
    let spool = Spool { memory_bytes_max: 0, directory: dir.path().to_owned(), ..Spool::default() };
    let saved = dir.path().join("saved");
    let server = {
        let (spool, saved) = (spool.clone(), saved.clone());
        start(Limits::default(), move || {
            let saved = saved.clone();
            App::new()
                .state(spool.clone())
                .post("/", async |form: MultipartForm<()>| form.files().len().to_string())
                .post("/save", async move |mut multipart: Multipart| {
                    let part = multipart.next_part().await?.unwrap();
                    Ok::<_, MultipartError>(part.save_to(&saved).await?.to_string())
                })
                .get("/", async || "alive")
        })
    };
    let upload = body(&[("a", Some("f"), &[b'x'; 300_000])]);
    // Descriptors under the directory are those of files without a name.
    let open = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
        descriptors
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(dir.path()))
            .count()
    };
    let wait_for = |count: usize| {
        let begun = Instant::now();
        while open() != count {
            assert!(begun.elapsed() < PATIENCE, "{} files are open, not {count}", open());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    for target in ["/", "/save"] {
        let mut client = Client::connect(server.address());
        client.send(head(upload.len(), "").replacen('/', target, 1));
        client.send(&upload[..200_000]);
        wait_for(1);
        drop(client);
        wait_for(0);
    }
    assert_eq!(Client::connect(server.address()).get("/").text(), "alive");
    assert_eq!(dir.entries(), Vec::<String>::new());
    server.shutdown().unwrap();
}

#[test]
fn forms_arrive_over_a_socket() {
    let server = start(Limits::default(), || {
        App::new().post("/", async |Form(fields): Form<Vec<(String, String)>>| format!("{fields:?}"))
    });
    let mut client = Client::connect(server.address());
    let send = |client: &mut Client, body: &str| {
        client.send(format!(
            "POST / HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ));
        client.answer()
    };
    assert_eq!(send(&mut client, "a=1&a=2").text(), r#"[("a", "1"), ("a", "2")]"#);
    let long = "a=".to_owned() + &"x".repeat(256 * 1024);
    let answer = send(&mut client, &long);
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("262144"), "{}", answer.text());
    server.shutdown().unwrap();
}
