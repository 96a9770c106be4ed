//! Ranges and conditions as they come out on the wire.

use super::{Client, Folder, pattern, request};

#[test]
fn single_ranges() {
    let folder = Folder::new();
    let data = pattern(200_000);
    folder.write("a.bin", &data);
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    for (field, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=100000-100099", 100_000, 100_099),
        ("bytes=199999-", 199_999, 199_999),
        ("bytes=-1000", 199_000, 199_999),
        ("bytes=50000-99999999999999999999999999", 50_000, 199_999),
        ("bytes=0-99,50-149", 0, 149),
    ] {
        let answer = client.get_with("/f/a.bin", &[("range", field)]);
        assert_eq!(answer.status, 206, "{field}");
        let range = format!("bytes {first}-{last}/200000");
        assert_eq!(answer.header("content-range"), Some(&*range), "{field}");
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "{field}");
        assert!(answer.body == data[first..=last], "{field}");
    }
    let answer = client.get_with("/f/a.bin", &[("range", "bytes=200000-")]);
    assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */200000")));
    let head = client.send(request("HEAD", "/f/a.bin", &[("range", "bytes=0-0")])).interim();
    assert_eq!((head.status, head.header("content-length")), (200, Some("200000")), "Range is for GET");
    server.shutdown().unwrap();
}

#[test]
fn several_ranges_are_one_multipart_body() {
    let folder = Folder::new();
    let data = pattern(300_000);
    folder.write("a.html", &data);
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    let answer = client.get_with("/f/a.html", &[("range", "bytes=0-9, 150000-279999, -5")]);
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), None, "each part has its own");
    let kind = answer.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect(kind);
    let mut rest = &answer.body[..];
    for (first, last) in [(0, 9), (150_000, 279_999), (299_995, 299_999)] {
        let head = format!(
            "\r\n--{boundary}\r\ncontent-type: text/html; charset=utf-8\r\n\
             content-range: bytes {first}-{last}/300000\r\n\r\n"
        );
        rest = rest.strip_prefix(head.as_bytes()).unwrap_or_else(|| panic!("{first}-{last}: no head"));
        let (part, behind) = rest.split_at(last - first + 1);
        assert!(part == &data[first..=last], "{first}-{last}");
        rest = behind;
    }
    assert_eq!(rest, format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(client.get("/alive").text(), "yes", "the length was right: the connection goes on");
    server.shutdown().unwrap();
}

#[test]
fn conditions_on_the_wire() {
    let folder = Folder::new();
    folder.write("a.txt", "hello");
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    let answer = client.get("/f/a.txt");
    let tag = answer.header("etag").unwrap().to_owned();
    let date = answer.header("last-modified").unwrap().to_owned();
    for (why, fields, status) in [
        ("has it", [("if-none-match", &*tag), ("x", "")], 304),
        ("has it by date", [("if-modified-since", &*date), ("x", "")], 304),
        ("another", [("if-none-match", "\"x\""), ("x", "")], 200),
        ("about another", [("if-match", "\"x\""), ("x", "")], 412),
        ("about this", [("if-match", &*tag), ("x", "")], 200),
        ("a part of this", [("if-range", &*tag), ("range", "bytes=1-2")], 206),
        ("a part of another", [("if-range", "\"x\""), ("range", "bytes=1-2")], 200),
    ] {
        let target = "/f/a.txt";
        client.send(request("GET", target, &fields));
        let answer = if status == 304 { client.interim() } else { client.answer() };
        assert_eq!(answer.status, status, "{why}");
        if status < 400 {
            assert_eq!(answer.header("etag"), Some(&*tag), "{why}");
        }
    }
    server.shutdown().unwrap();
}
