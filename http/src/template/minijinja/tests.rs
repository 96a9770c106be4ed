use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("corelane-templates-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn values_are_escaped_by_the_ending() {
    let folder = Folder::new(&[
        ("a.html", "{{ value }}"),
        ("b.txt", "{{ value }}"),
        ("c.html.j2", "{{ value }}"),
        ("d.xml", "{{ value }}"),
        ("sub/e.html", "{% include 'a.html' %}"),
        (".hidden.html", "{% this is no template"),
        ("left~", "{% nor is this"),
    ]);
    let templates = Templates::load(&folder.0).unwrap();
    for (name, content_type, want) in [
        ("a.html", "text/html; charset=utf-8", "&lt;b&gt;"),
        ("b.txt", "text/plain; charset=utf-8", "<b>"),
        ("c.html.j2", "text/html; charset=utf-8", "&lt;b&gt;"),
        ("d.xml", "text/xml; charset=utf-8", "&lt;b&gt;"),
        ("sub/e.html", "text/html; charset=utf-8", "&lt;b&gt;"),
    ] {
        let response = templates.render(name, json!({"value": "<b>"}));
        assert_eq!(response.headers().get("content-type"), Some(content_type), "{name}");
        let body = corelane_runtime::block_on(response.into_body().bytes()).unwrap();
        assert_eq!(body, want, "{name}");
    }
}

#[test]
fn errors_say_where_and_answers_do_not() {
    let folder = Folder::new(&[("a.html", "one\ntwo {{ missing }}\n"), ("b.html", "{{ 1 + 'x' }}")]);
    let templates = Templates::load(&folder.0).unwrap();
    let error = templates.render_text("a.html", json!({})).unwrap_err();
    assert!(error.is_undefined(), "{error}");
    assert_eq!((error.template_name(), error.line()), (Some("a.html"), Some(2)), "{error}");
    assert!(error.to_string().contains("a.html:2"), "{error}");
    let error = templates.render_text("none.html", json!({})).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let response = templates.render("a.html", json!({}));
    assert_eq!(response.status(), 500);
    let body = corelane_runtime::block_on(response.into_body().bytes()).unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("a.html"), "internals are for the log");

    folder.write("c.html", "fine\n{% if %}\n");
    let error = Templates::load(&folder.0).unwrap_err();
    assert_eq!((error.template_name(), error.line()), (Some("c.html"), Some(2)), "{error}");
    let error = Templates::load(folder.0.join("nowhere")).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn changes_are_seen_in_development_and_only_there() {
    let folder = Folder::new(&[("a.html", "old {{ site }} {{ 'x' | twice }}")]);
    let load = |development| {
        Templates::load(&folder.0).unwrap().development(development).configure(|environment| {
            environment.add_global("site", "s");
            environment.add_filter("twice", |text: String| text.repeat(2));
        })
    };
    let (live, fixed) = (load(true), load(false));
    let later = || std::thread::sleep(LOOK_EVERY + Duration::from_millis(20));
    assert_eq!(live.render_text("a.html", ()).unwrap(), "old s xx");
    folder.write("a.html", "new, longer {{ site }} {{ 'x' | twice }}");
    folder.write("b.html", "added");
    later();
    assert_eq!(live.render_text("a.html", ()).unwrap(), "new, longer s xx", "with what was configured");
    assert_eq!(live.render_text("b.html", ()).unwrap(), "added");
    assert_eq!(fixed.render_text("a.html", ()).unwrap(), "old s xx");
    assert!(fixed.render_text("b.html", ()).unwrap_err().is_not_found());

    folder.write("b.html", "broken {% if %}");
    later();
    for _ in 0..2 {
        let error = live.render_text("a.html", ()).unwrap_err();
        assert_eq!(error.template_name(), Some("b.html"), "each page says so until it is mended: {error}");
    }
    folder.write("b.html", "mended");
    assert_eq!(live.render_text("b.html", ()).unwrap(), "mended");
    fs::remove_file(folder.0.join("b.html")).unwrap();
    later();
    assert!(live.render_text("b.html", ()).unwrap_err().is_not_found());
}
