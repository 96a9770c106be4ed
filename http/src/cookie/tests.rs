use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::app::App;

const SECRET: &str = "mMd0cYf9MbTz3dT8pfWzoLKYDbPc1Hf2";
const OTHER: &str = "3mSvWLdGQEvKyWkTQFcbXJUnb8JhQX2a";

fn jar(header: &str) -> Cookies {
    Cookies { jar: Rc::new(Jar::of(&Request::builder("GET", "/").header("cookie", header).build())) }
}

fn lines(cookies: &Cookies) -> Vec<String> {
    cookies.jar.close().collect()
}

#[test]
fn a_cookie_header_is_taken_as_it_comes() {
    for (why, header, want) in [
        ("plain", "a=1; b=2", &[("a", "1"), ("b", "2")][..]),
        ("no space after the semicolon", "a=1;b=2", &[("a", "1"), ("b", "2")]),
        ("white space around both", " a =\t1 ;  b = 2 ", &[("a", "1"), ("b", "2")]),
        ("no equals sign: left out", "nonsense; a=1", &[("a", "1")]),
        ("no name: left out", "=1; a=1", &[("a", "1")]),
        ("no value", "a=", &[("a", "")]),
        ("equals sign in the value", "a=b=c", &[("a", "b=c")]),
        ("quotes around the value go", "a=\"1\"", &[("a", "1")]),
        ("one quote stays", "a=\"1", &[("a", "\"1")]),
        ("only one quote in all", "a=\"", &[("a", "\"")]),
        ("a comma separates nothing", "a=1,b=2", &[("a", "1,b=2")]),
        (
            "the old version attribute is a cookie like others",
            "$Version=1; a=1",
            &[("$Version", "1"), ("a", "1")],
        ),
        ("empty pairs", ";;; a=1;;", &[("a", "1")]),
        ("nothing", "", &[]),
        ("both of one name are there", "a=1; a=2", &[("a", "1"), ("a", "2")]),
        ("not decoded", "a=%41", &[("a", "%41")]),
    ] {
        assert_eq!(jar(header).sent().collect::<Vec<_>>(), want, "{why}");
    }
    let cookies = jar("a=1; a=2; up=%C3%A4; raw=%ff; odd=100%");
    assert_eq!(cookies.get("a").as_deref(), Some("1"), "the first counts");
    assert_eq!(cookies.get("A"), None, "names have case");
    assert_eq!(cookies.get("up").as_deref(), Some("ä"));
    assert_eq!(cookies.get("raw").as_deref(), Some("%ff"), "not UTF-8: as it was sent");
    assert_eq!(cookies.get("odd").as_deref(), Some("100%"));
}

#[test]
fn several_fields_are_one_and_bytes_that_are_no_text_hide_nothing() {
    let request =
        Request::builder("GET", "/").header("cookie", "a=1").header("cookie", b"\xff\xfe; b=2").build();
    assert_eq!(cookies_of(&request).map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn more_cookies_than_the_bound_are_ignored() {
    let header: String = (0..=COOKIES_MAX).map(|n| format!("c{n}=x;")).collect();
    let cookies = jar(&header);
    assert_eq!(cookies.sent().count(), COOKIES_MAX);
    assert_eq!(cookies.get("c255").as_deref(), Some("x"));
    assert_eq!(cookies.get("c256"), None);
}

#[test]
fn set_cookie_fields_have_safe_defaults_and_keep_the_rules() {
    type Ask = fn(&CookieError) -> bool;
    let cookie = |name, value| Cookie::build((name, value));
    let rows: Vec<(&str, Cookie<'static>, Result<&str, Ask>)> = vec![
        ("defaults", Cookie::new("a", "1"), Ok("a=1; HttpOnly; SameSite=Lax; Secure; Path=/")),
        (
            "what is said stays",
            cookie("a", "1")
                .http_only(false)
                .secure(false)
                .same_site(SameSite::Strict)
                .path("/x")
                .domain("e.test")
                .build(),
            Ok("a=1; SameSite=Strict; Path=/x; Domain=e.test"),
        ),
        (
            "an age",
            cookie("a", "1").max_age(time::Duration::hours(1)).build(),
            Ok("a=1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"),
        ),
        (
            "injection through the value is encoded",
            Cookie::new("a", "1; Domain=evil.test\r\nx: y"),
            Ok("a=1%3B%20Domain=evil.test%0D%0Ax:%20y; HttpOnly; SameSite=Lax; Secure; Path=/"),
        ),
        ("through the name", Cookie::new("a=1; b", "2"), Err(CookieError::is_injection)),
        ("no name", Cookie::new("", "2"), Err(CookieError::is_injection)),
        ("through the path", cookie("a", "1").path("/; Secure").build(), Err(CookieError::is_injection)),
        (
            "a line end in the path",
            cookie("a", "1").path("/\r\nx: y").build(),
            Err(CookieError::is_injection),
        ),
        (
            "through the domain",
            cookie("a", "1").domain("e.test; Path=/").build(),
            Err(CookieError::is_injection),
        ),
        (
            "__Host- with its rules",
            Cookie::new("__Host-a", "1"),
            Ok("__Host-a=1; HttpOnly; SameSite=Lax; Secure; Path=/"),
        ),
        (
            "__Host- with a path",
            cookie("__Host-a", "1").path("/x").build(),
            Err(CookieError::is_refused_by_browsers),
        ),
        (
            "any case of it",
            cookie("__hOST-a", "1").path("/x").build(),
            Err(CookieError::is_refused_by_browsers),
        ),
        (
            "with a domain",
            cookie("__Host-a", "1").domain("e.test").build(),
            Err(CookieError::is_refused_by_browsers),
        ),
        (
            "not secure",
            cookie("__Host-a", "1").secure(false).build(),
            Err(CookieError::is_refused_by_browsers),
        ),
        (
            "__Secure-, not secure",
            cookie("__Secure-a", "1").secure(false).build(),
            Err(CookieError::is_refused_by_browsers),
        ),
        (
            "SameSite=None, not secure",
            cookie("a", "1").same_site(SameSite::None).secure(false).build(),
            Err(CookieError::is_refused_by_browsers),
        ),
        ("4 KiB and more", Cookie::new("a", "x".repeat(COOKIE_BYTES_MAX)), Err(CookieError::is_too_large)),
        (
            "too large once encoded",
            Cookie::new("a", ";".repeat(COOKIE_BYTES_MAX / 3)),
            Err(CookieError::is_too_large),
        ),
    ];
    for (why, cookie, want) in rows {
        match (set_cookie(cookie), want) {
            (Ok(line), Ok(want)) => assert_eq!(line, want, "{why}"),
            (Err(error), Err(is)) => assert!(is(&error), "{why}: {error}"),
            (got, _) => panic!("{why}: {got:?}"),
        }
    }
}

#[test]
fn changes_show_at_once_replace_each_other_and_end_with_the_response() {
    let cookies = jar("a=1");
    cookies.add(Cookie::new("a", "2")).unwrap();
    assert_eq!(cookies.get("a").as_deref(), Some("2"));
    cookies.remove("a").unwrap();
    assert_eq!(cookies.get("a"), None);
    cookies.add(Cookie::build(("a", "3")).path("/x")).unwrap();
    let lines = lines(&cookies);
    assert_eq!(lines.len(), 2, "another path is another cookie: {lines:?}");
    assert!(lines[0].starts_with("a=; ") && lines[0].contains("Max-Age=0"), "{lines:?}");
    assert!(lines[1].starts_with("a=3; "), "{lines:?}");
    assert!(cookies.add(Cookie::new("b", "1")).unwrap_err().is_too_late());
}

#[test]
fn a_response_takes_so_many_changes_and_so_many_bytes() {
    let cookies = jar("");
    for n in 0..CHANGES_MAX {
        cookies.add(Cookie::new(format!("c{n}"), "x")).unwrap();
    }
    assert!(cookies.add(Cookie::new("more", "x")).unwrap_err().is_too_many());
    cookies.add(Cookie::new("c7", "y")).unwrap();
    assert_eq!(lines(&cookies).len(), CHANGES_MAX, "replacing needs no place");

    let cookies = jar("");
    let fits =
        (0..CHANGES_MAX).take_while(|n| cookies.add(Cookie::new(format!("c{n}"), "x".repeat(3000))).is_ok());
    assert_eq!(fits.count(), 5, "16 KiB of 3 KiB");
}

#[test]
fn every_changed_byte_makes_a_sealed_cookie_absent() {
    let keys = Keys::new(SECRET).unwrap();
    let made = jar("");
    made.signed(&keys).add(Cookie::new("user", "ada; admin=1")).unwrap();
    made.private(&keys).add(Cookie::new("secret", "plan")).unwrap();
    assert_eq!(made.signed(&keys).get("user").as_deref(), Some("ada; admin=1"), "shows at once");
    let lines = lines(&made);
    let pair = |line: &str| line.split(';').next().unwrap().to_owned();
    let (signed, private) = (pair(&lines[0]), pair(&lines[1]));
    let header = format!("{signed}; {private}");
    assert!(!header.contains("plan"));
    let get = |header: &str| {
        let cookies = jar(header);
        (cookies.signed(&keys).get("user"), cookies.private(&keys).get("secret"))
    };
    assert_eq!(get(&header), (Some("ada; admin=1".to_owned()), Some("plan".to_owned())));
    let before = refused_count();
    let mut tampered = 0;
    for (sealed, start) in [(&signed, "user=".len()), (&private, "secret=".len())] {
        for at in start..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(get(&text), (None, None), "byte {at} of {sealed}");
            tampered += 1;
        }
        for cut in start..sealed.len() {
            assert_eq!(get(&sealed[..cut]), (None, None), "cut at {cut} of {sealed}");
            tampered += 1;
        }
    }
    assert_eq!(refused_count() - before, tampered);
}

#[test]
fn a_seal_is_bound_to_the_name_and_a_forgery_in_front_hides_nothing() {
    let keys = Keys::new(SECRET).unwrap();
    let signed = keys.sign("user", "ada");
    let private = keys.seal("user", b"ada").unwrap();
    for (why, header) in [("signed", format!("admin={signed}")), ("private", format!("admin={private}"))] {
        let cookies = jar(&header);
        assert_eq!(
            (cookies.signed(&keys).get("admin"), cookies.private(&keys).get("admin")),
            (None, None),
            "{why}"
        );
    }
    let tossed = jar(&format!("user=forged; user={signed}"));
    assert_eq!(tossed.signed(&keys).get("user").as_deref(), Some("ada"));
    let many = jar(&format!("{}user={signed}", "user=x; ".repeat(10)));
    assert_eq!(many.signed(&keys).get("user"), None, "so many are not tried");
}

#[test]
fn old_keys_are_taken_and_new_ones_used() {
    let (old, new) = (Keys::new(OTHER).unwrap(), Keys::new(SECRET).unwrap());
    let both = Keys::new(SECRET).unwrap().also(OTHER).unwrap();
    let sealed = old.seal("a", b"1").unwrap();
    assert_eq!(new.open("a", &sealed), None);
    assert_eq!(both.open("a", &sealed).as_deref(), Some(&b"1"[..]));
    assert_eq!(both.verify("a", &old.sign("a", "1")), Some("1"));
    assert_eq!(new.open("a", &both.seal("a", b"1").unwrap()).as_deref(), Some(&b"1"[..]));
    assert_eq!(new.verify("a", &both.sign("a", "1")), Some("1"));
}

#[test]
fn weak_secrets_are_refused_and_nothing_of_them_shows() {
    for (why, secret, want) in [
        (
            "31 bytes",
            &SECRET[..31],
            "the secret has 31 bytes and needs 32: `openssl rand -base64 48` makes one",
        ),
        (
            "repeats itself",
            "abcabcabcabcabcabcabcabcabcabcabcabcabc",
            "the secret has fewer than 8 different bytes: `openssl rand -base64 48` makes one",
        ),
    ] {
        let error = Keys::new(secret).unwrap_err();
        assert!(error.is_weak());
        assert_eq!(error.to_string(), want, "{why}");
    }
    let many = (1..KEYS_MAX).try_fold(Keys::new(SECRET).unwrap(), |keys, _| keys.also(OTHER)).unwrap();
    assert!(!many.also(OTHER).unwrap_err().is_weak(), "too many of them");
    let parse = |text: &str| {
        serde_json::from_str::<Keys>(text).map(|keys| format!("{keys:?}")).map_err(|e| e.to_string())
    };
    assert_eq!(parse(&format!("{SECRET:?}")), Ok("Keys(1 keys, hidden)".to_owned()));
    assert_eq!(parse(&format!("[{SECRET:?}, {OTHER:?}]")), Ok("Keys(2 keys, hidden)".to_owned()));
    assert!(parse("[]").unwrap_err().contains("no secret"));
    assert!(parse("\"short\"").unwrap_err().contains("has 5 bytes"));
    assert!(!format!("{:?}", Keys::new(SECRET)).contains("mMd0"));
}

#[test]
fn without_the_layer_the_extractor_refuses() {
    let run = |app: App| {
        corelane_runtime::block_on(async {
            let response = app.into_service().call(Request::builder("GET", "/").build()).await;
            (response.status().as_u16(), response.headers().get_all("set-cookie").count())
        })
    };
    let adds = async |cookies: Cookies| cookies.add(Cookie::new("a", "1"));
    assert_eq!(run(App::new().get("/", adds)), (500, 0));
    assert_eq!(run(App::new().with(SetCookies::new()).get("/", adds)), (204, 1));
    let failing = async |cookies: Cookies| {
        cookies.add(Cookie::new("a", "1")).unwrap();
        crate::response::StatusCode::BAD_REQUEST
    };
    assert_eq!(run(App::new().with(SetCookies::new()).get("/", failing)), (400, 1), "errors take them along");
    assert_eq!(run(App::new().with(SetCookies::new()).get("/", async || "none")), (200, 0));
}

proptest! {
    #[test]
    fn any_value_comes_back_as_it_was(value in any::<String>()) {
        prop_assume!(value.len() < 300);
        let keys = Keys::new(SECRET).unwrap();
        let made = jar("");
        made.add(Cookie::new("plain", value.clone())).unwrap();
        made.signed(&keys).add(Cookie::new("signed", value.clone())).unwrap();
        made.private(&keys).add(Cookie::new("private", value.clone())).unwrap();
        let header: Vec<String> =
            lines(&made).iter().map(|line| line.split("; ").next().unwrap().to_owned()).collect();
        let back = jar(&header.join("; "));
        prop_assert_eq!(back.get("plain"), Some(value.clone()));
        prop_assert_eq!(back.signed(&keys).get("signed"), Some(value.clone()));
        prop_assert_eq!(back.private(&keys).get("private"), Some(value));
    }

    #[test]
    fn any_header_is_read_without_a_panic(header in "[\\x20-\\x7e]{0,200}") {
        let cookies = jar(&header);
        for (name, value) in cookies.sent() {
            prop_assert!(!name.is_empty() && !name.contains(['=', ';']) && !value.contains(';'));
        }
    }
}
