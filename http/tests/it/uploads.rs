//! Uploads: what handlers get of them, and what is answered to what is wrong. Over sockets in `server/uploads.rs`.

use std::path::{Path, PathBuf};

use corelane_http::app::App;
use corelane_http::multipart::{Multipart, MultipartError, MultipartForm, MultipartLimits, Spool};
use corelane_http::request::Request;
use corelane_http::router::post;
use corelane_http_proto::multipart::{Boundary, Encoder};
use corelane_runtime::fs::OpenOptions;
use serde::Deserialize;
use serde_json::json;

use crate::support::{Answer, call};

/// A directory that is removed with what is in it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("corelane-uploads-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A body of parts: name, file name, data.
pub(crate) fn body(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let encoder = Encoder::new(Boundary::new("XX").unwrap());
    let mut body = Vec::new();
    for (name, file_name, data) in parts {
        match file_name {
            Some(file_name) => encoder.begin_file(name, file_name, "text/plain", &mut body),
            None => encoder.begin_field(name, &mut body),
        }
        body.extend_from_slice(data);
        encoder.end_part(&mut body);
    }
    encoder.finish(&mut body);
    body
}

fn send(app: App, body: impl Into<Vec<u8>>) -> Answer {
    let content_type = "multipart/form-data; boundary=XX";
    let request = Request::builder("POST", "/").header("content-type", content_type).body(body.into());
    call(&app.into_service(), request)
}

/// Tells what the parts are.
async fn list(mut multipart: Multipart) -> Result<String, MultipartError> {
    let mut text = String::new();
    while let Some(part) = multipart.next_part().await? {
        let (name, file_name, kind) = (
            part.name().to_owned(),
            part.file_name().map(str::to_owned),
            part.content_type().map(str::to_owned),
        );
        text += &format!("{name} {file_name:?} {kind:?} {:?}\n", part.bytes().await?);
    }
    Ok(text)
}

#[test]
fn parts_are_given_in_order_and_skipped_if_not_read() {
    let parts = body(&[("a", None, b"1"), ("f", Some("../x"), b"\r\n--X"), ("b", None, b"")]);
    let answer = send(App::new().post("/", list), parts.clone());
    assert_eq!(
        answer.body,
        "a None None b\"1\"\nf Some(\"../x\") Some(\"text/plain\") b\"\\r\\n--X\"\nb None None b\"\"\n"
    );
    let names = async |mut multipart: Multipart| {
        let mut names = String::new();
        while let Some(mut part) = multipart.next_part().await? {
            names += part.name();
            if part.name() == "a" {
                while part.chunk().await?.is_some() {}
                assert_eq!(part.chunk().await?, None, "the end is told again, and not the next part");
            }
        }
        Ok::<_, MultipartError>(names)
    };
    assert_eq!(send(App::new().post("/", names), parts).body, "afb");
}

#[test]
fn what_is_wrong_is_told() {
    let one = |head: &str| format!("--XX\r\n{head}\r\n\r\nx\r\n--XX--\r\n");
    let a = "content-disposition: form-data; name=\"a\"";
    for (why, body, says) in [
        ("nothing", String::new(), "no delimiter"),
        ("no last delimiter", format!("--XX\r\n{a}\r\n\r\nx"), "ends before its last delimiter"),
        ("filename*", one(&format!("{a}; filename*=UTF-8''x")), "RFC 7578 §4.2"),
        ("NUL in a file name", one(&format!("{a}; filename=\"a\0b\"")), "no field"),
        (
            "a new field through the file name",
            one(&format!("{a}; filename=\"x\r\nset-cookie: a=b\"")),
            "parameter",
        ),
        ("too many parts", format!("--XX\r\n{a}\r\n\r\n\r\n").repeat(257) + "--XX--", "more than 256 parts"),
        (
            "a million parts",
            format!("--XX\r\n{a}\r\n\r\n\r\n").repeat(40_000) + "--XX--",
            "more than 256 parts",
        ),
        (
            "a head without end",
            format!("--XX\r\n{a}; x=\"{}", "y".repeat(9000)),
            "more than 8192 bytes in the head",
        ),
    ] {
        let answer = send(App::new().post("/", list), body);
        assert_eq!(answer.status, 400, "{why}: {}", answer.body);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{why}: {detail}");
    }
    for (why, content_type, status) in [
        ("another type", "application/x-www-form-urlencoded", 415),
        ("no boundary", "multipart/form-data", 400),
        ("two", "multipart/form-data; boundary=XX; boundary=YY", 400),
        ("quoted", "multipart/form-data; boundary=\"XX\"", 200),
    ] {
        let request = Request::builder("POST", "/").header("content-type", content_type).body(body(&[]));
        assert_eq!(call(&App::new().post("/", list).into_service(), request).status, status, "{why}");
    }
    let untyped = Request::builder("POST", "/").body(body(&[]));
    assert_eq!(call(&App::new().post("/", list).into_service(), untyped).status, 415);
    let optional = App::new().post("/", async |multipart: Option<Multipart>| multipart.is_some().to_string());
    assert_eq!(call(&optional.into_service(), Request::builder("POST", "/")).body, "false");
}

#[test]
fn limits_are_named_with_the_part() {
    let small = MultipartLimits {
        field_bytes_max: 3,
        fields_bytes_max: 4,
        file_bytes_max: 5,
        ..MultipartLimits::default()
    };
    let app = || App::new().state(small).post("/", list);
    for (why, parts, limit, part) in [
        ("a field", body(&[("a", None, b"1234")]), 3, "a"),
        ("fields", body(&[("a", None, b"123"), ("b", None, b"12")]), 4, "b"),
        ("a file read into memory", body(&[("f", Some("x"), b"1234")]), 3, "f"),
    ] {
        let answer = send(app(), parts);
        assert_eq!(answer.status, 413, "{why}: {}", answer.body);
        assert_eq!((&answer.json()["limit"], &answer.json()["part"]), (&json!(limit), &json!(part)), "{why}");
    }
    let count = async |mut multipart: Multipart| {
        while multipart.next_part().await?.is_some() {}
        Ok::<_, MultipartError>("read")
    };
    let near = App::new().state(MultipartLimits::default()).route("/", post(count).with(small));
    assert_eq!(
        send(near, body(&[("f", Some("x"), b"123456")])).json()["limit"],
        5,
        "skipped bytes count too"
    );
    let whole = App::new().route("/", post(count).body_limit(40));
    assert_eq!(send(whole, body(&[("a", None, b"1")])).json()["limit_bytes"], 40, "the body's");
}

#[derive(Debug, Deserialize)]
struct Album {
    title: String,
    #[serde(default)]
    tag: Vec<String>,
    year: Option<u16>,
}

async fn album(form: MultipartForm<Album>) -> Result<String, MultipartError> {
    let mut text = format!("{} {:?} {:?}", form.title, form.tag, form.year);
    for file in form.files() {
        let begin = file.read_at(1, 2).await?;
        text += &format!(
            "; {} {:?} {} {} {begin:?}",
            file.name(),
            file.safe_file_name(),
            file.len(),
            file.is_on_disk()
        );
    }
    Ok(text)
}

#[test]
fn a_form_is_collected_and_large_files_go_to_the_disk_without_a_name() {
    let dir = Dir::new("collected");
    let spool = Spool { memory_bytes_max: 8, directory: dir.path().to_owned(), ..Spool::default() };
    let parts = body(&[
        ("tag", None, b"x"),
        ("f", Some("a.txt"), b"12345"),
        ("title", None, "é & =".as_bytes()),
        ("f", Some("../b.txt"), b"123456789"),
        ("g", Some("c"), b"123"),
        ("none", Some(""), b""),
        ("tag", None, b"y"),
    ]);
    let app = App::new().state(spool).post("/", album);
    let answer = send(app, parts);
    assert_eq!(
        answer.body,
        "é & = [\"x\", \"y\"] None; f Some(\"a.txt\") 5 false b\"23\"; f Some(\"b.txt\") 9 true b\"23\"; \
         g Some(\"c\") 3 false b\"23\""
    );
    assert_eq!(dir.entries(), Vec::<String>::new());

    let spool = Spool { memory_bytes_max: 0, directory: dir.path().to_owned(), disk_files_max: 2 };
    let app = || {
        App::new()
            .state(spool.clone())
            .post("/", async |form: MultipartForm<()>| form.files().len().to_string())
    };
    let files = [("a", Some("x"), &b"1"[..]); 3];
    assert_eq!(send(app(), body(&files[..2])).body, "2");
    let answer = send(app(), body(&files));
    assert_eq!((answer.status, &answer.json()["limit"]), (400, &json!(2)), "descriptors are few");

    for (why, parts, status, detail, part) in [
        ("missing", body(&[("tag", None, b"x")]), 422, "missing field `title`", None),
        ("no number", body(&[("title", None, b"a"), ("year", None, b"x")]), 422, "`year`", None),
        ("not UTF-8", body(&[("title", None, b"\xff")]), 400, "not UTF-8", Some("title")),
    ] {
        let answer = send(App::new().post("/", album), parts);
        assert_eq!(answer.status, status, "{why}: {}", answer.body);
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{why}: {}", answer.body);
        assert_eq!(answer.json().get("part").and_then(|part| part.as_str()), part, "{why}");
    }
}

#[test]
fn files_are_kept_under_paths_of_ours_and_overwrite_nothing() {
    let dir = Dir::new("kept");
    let (one, two, streamed) = (dir.path().join("one"), dir.path().join("two"), dir.path().join("three"));
    let spool = Spool { memory_bytes_max: 4, directory: dir.path().to_owned(), ..Spool::default() };
    let keep = {
        let (one, two) = (one.clone(), two.clone());
        async move |form: MultipartForm<()>| {
            let (_, files) = form.into_parts();
            for (file, path) in files.into_iter().zip([&one, &two]) {
                file.persist(path).await?;
            }
            Ok::<_, MultipartError>("kept")
        }
    };
    let parts = body(&[("a", Some("/etc/passwd"), b"disk and more"), ("b", Some("../../x"), b"1234")]);
    let app = || App::new().state(spool.clone()).post("/", keep.clone());
    assert_eq!(send(app(), parts.clone()).body, "kept");
    assert_eq!(
        (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap()),
        (b"disk and more".to_vec(), b"1234".to_vec())
    );
    assert_eq!(send(app(), parts).status, 500, "it is there already");
    assert_eq!(std::fs::read(&one).unwrap(), b"disk and more");

    let save = {
        let path = streamed.clone();
        async move |mut multipart: Multipart| {
            let part = multipart.next_part().await?.unwrap();
            Ok::<_, MultipartError>(part.save_to(&path).await?.to_string())
        }
    };
    assert_eq!(send(App::new().post("/", save.clone()), body(&[("a", Some("f"), b"12345")])).body, "5");
    assert_eq!(std::fs::read(&streamed).unwrap(), b"12345");
    std::fs::remove_file(&streamed).unwrap();
    let cut = body(&[("a", Some("f"), b"12345")]);
    assert_eq!(send(App::new().post("/", save), &cut[..cut.len() - 9]).status, 400);
    assert!(!streamed.exists(), "what is not complete never stood there");
    let mut entries = dir.entries();
    entries.sort();
    assert_eq!(entries, ["one", "two"]);
}

#[test]
fn a_full_disk_is_507_and_a_missing_directory_our_mistake() {
    let full = async |mut multipart: Multipart| {
        let device = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        let part = multipart.next_part().await?.unwrap();
        Ok::<_, MultipartError>(part.copy_to(&device).await?.to_string())
    };
    let answer = send(App::new().post("/", full), body(&[("a", Some("f"), b"12345")]));
    assert_eq!(answer.status, 507, "{}", answer.body);
    assert!(answer.json()["detail"].as_str().unwrap().contains("no room left"), "{}", answer.body);
    assert_eq!(answer.json()["part"], "a");

    let spool = Spool { memory_bytes_max: 0, directory: "/no/such/directory".into(), ..Spool::default() };
    let app = App::new().state(spool).post("/", async |_: MultipartForm<()>| "");
    let answer = send(app, body(&[("a", Some("f"), b"12345")]));
    assert_eq!((answer.status, answer.json().get("detail")), (500, None), "paths of ours are not told");
}
