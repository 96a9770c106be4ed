//! Clients that people use. One that is missing fails its test, with the command that installs it.

use std::process::{Command, Output};

use super::process::Showcase;

fn run(program: &str, package: &str, args: &[&str]) -> Output {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; sudo apt-get install {package}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn curl_sends_and_receives() {
    let showcase = Showcase::start(&[]);
    let curl = |args: &[&str]| run("curl", "curl", &[&["-sS", "--max-time", "60"], args].concat()).stdout;
    assert_eq!(curl(&[&showcase.url("/plaintext")]), b"Hello, World!");
    assert_eq!(curl(&["--http1.0", &showcase.url("/plaintext")]), b"Hello, World!");
    let stream = curl(&[&showcase.url("/stream?chunks=1000&size=1000")]);
    assert_eq!(stream.len(), 1_000_000);

    // Over a megabyte curl waits for 100-continue; a file without a known length goes out chunked.
    let folder = std::env::temp_dir().join(format!("corelane-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("upload");
    let content: Vec<u8> = (0..20_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    let upload = format!("@{}", file.display());
    let echoed = curl(&["--data-binary", &upload, &showcase.url("/echo")]);
    assert!(echoed == content, "{} bytes came back", echoed.len());
    let chunked =
        curl(&["-H", "transfer-encoding: chunked", "--data-binary", &upload, &showcase.url("/echo")]);
    assert!(chunked == content, "{} bytes came back", chunked.len());
    std::fs::write(&file, vec![0; 65 * 1024 * 1024]).unwrap();
    let code =
        curl(&["-o", "/dev/null", "-w", "%{http_code}", "--data-binary", &upload, &showcase.url("/echo")]);
    assert_eq!(code, b"413", "over 64 MiB");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn python_keeps_its_connection() {
    let showcase = Showcase::start(&[]);
    let script = format!(
        r#"
import http.client, json
c = http.client.HTTPConnection("{}", timeout=30)
for n in range(100):
    c.request("GET", f"/users/{{n}}")
    r = c.getresponse()
    assert r.status == 200 and json.load(r) == {{"id": n}}
    sock = c.sock
    c.request("POST", "/echo", body=b"x" * n, headers={{"Content-Type": "a/b"}})
    r = c.getresponse()
    assert r.read() == b"x" * n and r.getheader("content-type") == "a/b"
    assert c.sock is sock, "the connection was not kept"
c.request("POST", "/echo", body=iter([b"ab", b"cd"]), encode_chunked=True, headers={{"Transfer-Encoding": "chunked"}})
assert c.getresponse().read() == b"abcd"
c.request("HEAD", "/plaintext")
r = c.getresponse()
assert r.read() == b"" and r.getheader("content-length") == "13"
c.request("GET", "/stream?chunks=100&size=10")
assert len(c.getresponse().read()) == 1000
print("good")
"#,
        showcase.address
    );
    assert_eq!(run("python3", "python3", &["-c", &script]).stdout, b"good\n");
}

/// The page lists the routes, and its links lead to them: a browser follows one and shows what it got.
#[test]
fn a_browser_shows_the_page_and_what_its_links_lead_to() {
    let showcase = Showcase::start(&[]);
    let profile = std::env::temp_dir().join(format!("corelane-chromium-{}", std::process::id()));
    let show = |target: &str| {
        let profile = format!("--user-data-dir={}", profile.display());
        let url = showcase.url(target);
        let quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
        let args = [&["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"], &quiet[..]].concat();
        let args = [&args[..], &[&profile, "--dump-dom", &url]].concat();
        String::from_utf8(run("chromium", "chromium", &args).stdout).unwrap()
    };
    let page = show("/");
    let links: Vec<&str> =
        page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for link in ["/plaintext", "/json", "/users/42", "/core", "/panic"] {
        assert!(links.contains(&link), "no link to {link} among {links:?}");
    }
    assert!(show("/users/42").contains(r#"{"id":42}"#));
    assert!(show("/plaintext").contains("Hello, World!"));
    std::fs::remove_dir_all(&profile).unwrap();
}

#[test]
fn wrk_sees_no_error() {
    let showcase = Showcase::start(&[]);
    let output = run("wrk", "wrk", &["-t1", "-c64", "-d2s", &showcase.url("/plaintext")]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("requests in"), "{text}");
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
}
