//! Types, folders, listings, compressed siblings, cache fields.

use std::fs;
use std::time::{Duration, SystemTime};

use corelane_http::app::App;
use corelane_http::files::{Conditions, FileError, Files, NamedFile};
use corelane_http::response::{CacheControl, Response};
use corelane_http::server::Limits;

use super::{Client, Folder, pattern, request, start};

#[test]
fn files_are_served_with_their_type_and_validators() {
    let folder = Folder::new();
    let data = pattern(200_000);
    folder
        .write("a.txt", "hello")
        .write("empty.css", "")
        .write("deep/er/b b.bin", &data)
        .write("sp\u{e9}.html", "<p>");
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    for (target, content_type, body) in [
        ("/f/a.txt", "text/plain; charset=utf-8", &b"hello"[..]),
        ("/f/a.txt?v=1", "text/plain; charset=utf-8", b"hello"),
        ("/f/empty.css", "text/css; charset=utf-8", b""),
        ("/f/deep/er/b%20b.bin", "application/octet-stream", &data),
        ("/f/sp%C3%A9.html", "text/html; charset=utf-8", b"<p>"),
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{target}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{target}");
        assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()), "{target}");
        assert!(answer.header("etag").unwrap().starts_with('"'), "{target}: a strong tag");
        assert!(answer.header("last-modified").unwrap().ends_with(" GMT"), "{target}");
        assert_eq!(answer.header("vary"), None, "{target}");
        assert!(answer.body == body, "{target}: {} bytes of {}", answer.body.len(), body.len());
    }
    server.shutdown().unwrap();
}

#[test]
fn head_has_the_length_and_no_body() {
    let folder = Folder::new();
    folder.write("a.bin", pattern(100_000));
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    let head = client.send(request("HEAD", "/f/a.bin", &[])).interim();
    assert_eq!((head.status, head.header("content-length")), (200, Some("100000")));
    assert_eq!(client.get("/alive").text(), "yes", "and the connection goes on");
    let wrong = client.send(request("POST", "/f/a.bin", &[("content-length", "0")])).answer();
    assert_eq!(wrong.status, 405);
    server.shutdown().unwrap();
}

#[test]
fn pipelined_files_come_whole_and_in_order() {
    let folder = Folder::new();
    let (large, small) = (pattern(300_000), pattern(10));
    folder.write("large", &large).write("small", &small);
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    let targets = ["/f/small", "/f/large", "/alive", "/f/small", "/f/none", "/f/large", "/alive"];
    let all: String = targets.iter().map(|target| request("GET", target, &[])).collect();
    client.send(all);
    for target in targets {
        let answer = client.answer();
        match target {
            "/f/small" => assert_eq!(answer.body, small),
            "/f/large" => assert!(answer.body == large),
            "/alive" => assert_eq!(answer.text(), "yes"),
            _ => assert_eq!(answer.status, 404),
        }
    }
    server.shutdown().unwrap();
}

#[test]
fn folders_have_an_index_or_a_listing_or_nothing() {
    let folder = Folder::new();
    folder
        .write("index.html", "root")
        .write("with/index.html", "with")
        .write("without/<b>.txt", "x")
        .write("without/.secret", "x")
        .write("without/sub/y", "y");
    std::os::unix::fs::symlink("/etc", folder.path("without/link")).unwrap();
    let plain = folder.serve(|files| files);
    let listing = folder.serve(Files::listing);
    let bare = folder.serve(Files::no_index);
    let mut client = Client::connect(plain.address());
    for (why, target, status, text) in [
        ("the prefix and a slash", "/f/", 200, "root"),
        ("a folder with its slash", "/f/with/", 200, "with"),
        ("a folder without an index", "/f/without/", 404, "nothing"),
        ("a file is no folder", "/f/with/index.html/", 404, "nothing"),
        ("nothing there", "/f/nothing/", 404, "nothing"),
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status, status, "{why}");
        assert!(answer.text().contains(text), "{why}: {}", answer.text());
    }
    for (why, target, location) in [
        ("the prefix alone", "/f", "/f/"),
        ("a folder", "/f/with", "/f/with/"),
        ("with its query", "/f/with?a=b&c", "/f/with/?a=b&c"),
    ] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.header("location")), (307, Some(location)), "{why}");
    }
    let mut client = Client::connect(listing.address());
    assert_eq!(client.get("/f/with/").text(), "with", "an index goes before the list");
    let page = client.get("/f/without/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let text = page.text();
    assert!(text.contains("&lt;b&gt;.txt") && text.contains("sub/</a>"), "{text}");
    assert!(
        !text.contains("secret") && !text.contains("link"),
        "hidden files and links are left out: {text}"
    );
    let mut client = Client::connect(bare.address());
    assert_eq!(client.get("/f/with/").status, 404);
    assert_eq!(client.get("/f/with").status, 404);
    for server in [plain, listing, bare] {
        server.shutdown().unwrap();
    }
}

#[test]
fn a_fallback_stands_for_what_is_not_there() {
    let folder = Folder::new();
    folder.write("app.html", "app").write("a.txt", "a");
    let root = folder.root();
    // As the handler of everything, not of a group.
    let server = start(Limits::default(), move || {
        let files = Files::new(&root).fallback("app.html").no_index();
        App::new().get("/", files.clone()).get("/{*path}", files)
    });
    let mut client = Client::connect(server.address());
    for (target, status, text) in [
        ("/a.txt", 200, "a"),
        ("/", 200, "app"),
        ("/users/7", 200, "app"),
        ("/.env", 404, "nothing"),
        ("/a%00", 400, "zero byte"),
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.text().contains(text), "{target}: {}", answer.text());
    }
    server.shutdown().unwrap();
}

#[test]
fn compressed_siblings_are_sent_to_those_who_take_them() {
    let folder = Folder::new();
    folder
        .write("app.js", "plain")
        .write("app.js.br", "brotli")
        .write("app.js.gz", "gzip")
        .write("old.js", "plain")
        .write("old.js.gz", "stale")
        .write("none.js", "plain")
        .write("folder.js", "plain");
    fs::create_dir(folder.path("folder.js.gz")).unwrap();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(folder.path("old.js.gz")).unwrap().set_modified(hour_ago).unwrap();
    let server = folder.serve(Files::precompressed);
    let mut client = Client::connect(server.address());
    let mut tags = Vec::new();
    for (why, target, accepts, coding, body) in [
        ("the best of those", "/f/app.js", "gzip, br, zstd", Some("br"), "brotli"),
        ("what is taken", "/f/app.js", "gzip", Some("gzip"), "gzip"),
        ("by weight", "/f/app.js", "br;q=0.1, gzip;q=0.9", Some("gzip"), "gzip"),
        ("none that is there", "/f/app.js", "zstd", None, "plain"),
        ("none", "/f/app.js", "br;q=0", None, "plain"),
        ("one that is older than its file", "/f/old.js", "gzip", None, "plain"),
        ("no sibling", "/f/none.js", "gzip, br", None, "plain"),
        ("a folder of that name", "/f/folder.js", "gzip", None, "plain"),
    ] {
        let answer = client.get_with(target, &[("accept-encoding", accepts)]);
        assert_eq!((answer.status, answer.text()), (200, body), "{why}");
        assert_eq!(answer.header("content-encoding"), coding, "{why}");
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"), "{why}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{why}");
        tags.push(answer.header("etag").unwrap().to_owned());
    }
    assert!(tags[0] != tags[1] && tags[1] != tags[3], "each coding has its own tag: {tags:?}");
    let part = client.get_with("/f/app.js", &[("accept-encoding", "br"), ("range", "bytes=0-2")]);
    assert_eq!((part.status, part.text(), part.header("content-encoding")), (206, "bro", Some("br")));
    server.shutdown().unwrap();
}

#[test]
fn cache_control_is_what_was_asked_for_and_no_cache_in_development() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    let control = || CacheControl::public().max_age(Duration::from_secs(60));
    for (why, development, want) in
        [("asked for", false, "public, max-age=60"), ("development", true, "no-cache")]
    {
        let server = folder.serve(move |files| files.cache_control(control()).development(development));
        let mut client = Client::connect(server.address());
        let answer = client.get("/f/a.txt");
        assert_eq!(answer.header("cache-control"), Some(want), "{why}");
        let tag = answer.header("etag").unwrap();
        let same = client.send(request("GET", "/f/a.txt", &[("if-none-match", tag)])).interim();
        assert_eq!((same.status, same.header("cache-control")), (304, Some(want)), "{why}: a 304 has it too");
        folder.write("a.txt", "changed");
        let changed = client.get_with("/f/a.txt", &[("if-none-match", tag)]);
        assert_eq!((changed.status, changed.text()), (200, "changed"), "{why}");
        folder.write("a.txt", "a");
        server.shutdown().unwrap();
    }
}

#[test]
fn one_file_chosen_by_a_handler() {
    let folder = Folder::new();
    folder.write("report.csv", "a,b\n");
    let path = folder.path("report.csv");
    let server = start(Limits::default(), move || {
        let (path, whole) = (path.clone(), path.clone());
        App::new()
            .get("/download", async move |conditions: Conditions| {
                let file = NamedFile::open(&path).await?.attachment("Umsatz \u{20ac}.csv");
                Ok::<Response, FileError>(file.respond(&conditions))
            })
            .get("/whole", async move || NamedFile::open(&whole).await)
            .get("/none", async || NamedFile::open("/no/such/file").await)
            .get("/device", async || NamedFile::open("/dev/zero").await)
    });
    let mut client = Client::connect(server.address());
    let answer = client.get_with("/download", &[("range", "bytes=2-")]);
    assert_eq!((answer.status, answer.text()), (206, "b\n"));
    let disposition = "attachment; filename=\"Umsatz _.csv\"; filename*=UTF-8''Umsatz%20%E2%82%AC.csv";
    assert_eq!(answer.header("content-disposition"), Some(disposition));
    let whole = client.get_with("/whole", &[("range", "bytes=2-")]);
    assert_eq!((whole.status, whole.text()), (200, "a,b\n"), "without conditions it is sent whole");
    assert_eq!(client.get("/none").status, 404);
    assert_eq!(client.get("/device").status, 404);
    server.shutdown().unwrap();
}
