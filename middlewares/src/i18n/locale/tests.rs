use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use corelane_http::app::App;
use corelane_runtime::block_on;

use super::super::Args;
use super::*;

/// A folder of languages that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Folder(std::env::temp_dir().join(format!("corelane-i18n-{}-{number}", std::process::id())));
        for (name, text) in files {
            let path = folder.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn shop() -> Folder {
    Folder::new(&[
        (
            "en/a.ftl",
            "hello = Hello, { $name }!\nonly-english = English\nlogin = Log in\n    .title = Log in here\n",
        ),
        ("en/b.ftl", "cart = { $n ->\n    [one] one thing\n   *[other] { $n } things\n }\n"),
        ("en/notes.txt", "= no Fluent"),
        ("de/a.ftl", "hello = Hallo, { $name }!\n"),
        ("de/b.ftl", "cart = { $n ->\n    [one] ein Ding\n   *[other] { $n } Dinge\n }\n"),
        ("pt-BR/a.ftl", "hello = Ol\u{e1}, { $name }!\n"),
        ("ar/a.ftl", "hello = \u{645}\u{631}\u{62d}\u{628}\u{627} { $name }\n"),
        (".git/a.ftl", "= nothing"),
    ])
}

#[test]
fn the_language_is_that_of_query_cookie_header_or_default() {
    let folder = shop();
    let i18n = I18n::load(&folder.0, "en").unwrap();
    assert_eq!(i18n.languages().next(), Some("en"), "the default comes first");
    for (why, target, cookie, accepts, want) in [
        ("nothing said", "/", "", "", "[\"en\"]"),
        ("the header", "/", "", "de", "[\"de\", \"en\"]"),
        ("a variety that is not there", "/", "", "de-CH-1996", "[\"de\", \"en\"]"),
        ("a language of which only a variety is there", "/", "", "pt", "[\"pt-BR\", \"en\"]"),
        ("another variety", "/", "", "pt-PT", "[\"pt-BR\", \"en\"]"),
        ("any case", "/", "", "PT-br", "[\"pt-BR\", \"en\"]"),
        ("several", "/", "", "fr, pt;q=0.2, de;q=0.7", "[\"de\", \"pt-BR\", \"en\"]"),
        ("the default before another", "/", "", "en, de;q=0.5", "[\"en\", \"de\"]"),
        ("unknown", "/", "", "fr, tlh", "[\"en\"]"),
        ("no tag", "/", "", "\u{1f600}, -, --, de-", "[\"de\", \"en\"]"),
        ("the cookie", "/", "x=1; lang=de", "pt", "[\"de\", \"pt-BR\", \"en\"]"),
        ("the query", "/?a=b&lang=pt_BR", "lang=de", "", "[\"pt-BR\", \"de\", \"en\"]"),
        ("the query, unknown", "/?lang=../../etc", "lang=de", "", "[\"de\", \"en\"]"),
        ("another parameter", "/?xlang=de", "", "", "[\"en\"]"),
    ] {
        let mut request = Request::builder("GET", target);
        for (name, value) in [("cookie", cookie), ("accept-language", accepts)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let locale = i18n.locale_of(&request.build());
        assert_eq!(format!("{locale:?}"), want, "{why}");
    }
    let deaf = i18n.query(None).cookie(None);
    let request = Request::builder("GET", "/?lang=de").header("cookie", "lang=de").build();
    assert_eq!(deaf.locale_of(&request).language(), "en");
}

#[test]
fn texts_have_plurals_attributes_and_values_of_several_types() {
    let folder = shop();
    let i18n = I18n::load(&folder.0, "en").unwrap();
    let (english, german) = (i18n.locale("en"), i18n.locale("de-DE"));
    assert_eq!(english.t("hello", [("name", "<Ada>")]), "Hello, <Ada>!", "escaping is the template's");
    assert_eq!(german.t("cart", [("n", 1)]), "ein Ding");
    assert_eq!(german.t("cart", [("n", 5)]), "5 Dinge");
    assert_eq!(english.t("login.title", ()), "Log in here");
    let mut args = Args::new();
    args.set("n", 2);
    args.set("name", "unused");
    assert_eq!(english.t("cart", args), "2 things");
    assert_eq!(english.t("hello", ()), "Hello, {$name}!", "a value that was not given shows itself");
    let arabic = i18n.locale("ar").t("hello", [("name", "Ada")]);
    assert!(arabic.contains("\u{2068}Ada\u{2069}"), "kept apart in text that runs the other way: {arabic:?}");
}

#[test]
fn what_is_missing_falls_back_and_is_said_once() {
    let folder = shop();
    let i18n = I18n::load(&folder.0, "en").unwrap();
    let german = i18n.locale("de");
    for _ in 0..3 {
        assert_eq!(german.t("only-english", ()), "English");
        assert_eq!(german.t("no-such-key", ()), "no-such-key");
        assert_eq!(german.t("no.such.key", ()), "no.such.key");
    }
    assert_eq!(german.catalog.said(), 3, "one line in the log for each");
    assert!(german.has("only-english") && !german.has("no-such-key"));
    assert!(german.has("login.title") && !german.has("login.other"));
    for number in 0..2000 {
        german.t(&format!("made-up-{number}"), ());
    }
    assert_eq!(german.catalog.said(), 1024, "keys made of what clients send do not fill the memory");
}

#[test]
fn every_mistake_is_told_with_file_and_line() {
    let folder = Folder::new(&[
        ("en/a.ftl", "ok = fine\n\nbad entry\nother = { $x\n"),
        ("en/b.ftl", "# again\nok = twice\n"),
        ("not a language/a.ftl", "x = y\n"),
    ]);
    let error = I18n::load(&folder.0, "fr").unwrap_err();
    let told = error.to_string().replace(&*folder.0.to_string_lossy(), "");
    for wanted in
        ["/en/a.ftl:3: ", "/en/b.ftl:2: ", "`ok` is given twice", "no language tag", "no folder `fr`"]
    {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    assert!(
        error
            .mistakes()
            .iter()
            .any(|mistake| mistake.line() == Some(3) && mistake.path().ends_with("en/a.ftl"))
    );
    let error = I18n::load(folder.0.join("nowhere"), "en").unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn the_response_says_its_language_and_what_it_depends_on() {
    let folder = shop();
    let i18n = I18n::load(&folder.0, "en").unwrap();
    let app = App::new().state(i18n).get("/", async |locale: Locale| {
        let text = locale.t("hello", [("name", "Ada")]);
        (locale, text)
    });
    let request = Request::builder("GET", "/").header("accept-language", "de").build();
    block_on(async {
        let response = app.into_service().call(request).await;
        assert_eq!(response.headers().get("content-language"), Some("de"));
        let vary: Vec<&[u8]> = response.headers().get_all("vary").collect();
        assert_eq!(vary, [&b"accept-language"[..], b"cookie"]);
        assert_eq!(response.into_body().bytes().await.unwrap(), "Hallo, Ada!");
    });
}
