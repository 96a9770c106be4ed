//! Cookies over a socket.

use corelane_http::app::App;
use corelane_http::cookie::{Cookie, CookieError, Cookies, Keys, SetCookies};
use corelane_http::extract::{Path, State};
use corelane_http::response::StatusCode;

use crate::support::{Answer, Browser, Site};

async fn show(cookies: Cookies) -> String {
    cookies.sent().map(|(name, value)| format!("{name}={value};")).collect()
}

async fn remember(cookies: Cookies, State(keys): State<Keys>) -> Result<String, CookieError> {
    let seen = cookies.signed(&keys).get("seen");
    let secret = cookies.private(&keys).get("secret");
    cookies.signed(&keys).add(Cookie::new("seen", "yes"))?;
    cookies.private(&keys).add(Cookie::new("secret", "plan"))?;
    Ok(format!("{seen:?} {secret:?}"))
}

fn site() -> Site {
    let keys = Keys::generate();
    Site::on_cores(2, move || {
        App::new()
            .state(keys.clone())
            .with(SetCookies::new())
            .get("/show", show)
            .get("/set/{value}", async |Path(value): Path<String>, cookies: Cookies| {
                cookies.add(Cookie::new("a", value))
            })
            .get("/fail", async |cookies: Cookies| -> Result<(), StatusCode> {
                cookies.add(Cookie::new("tried", "1")).unwrap();
                Err(StatusCode::CONFLICT)
            })
            .get("/bad-name", async |cookies: Cookies| cookies.add(Cookie::new("a\r\nx-injected: 1", "1")))
            .get("/remember", remember)
    })
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.fields.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| &**value).collect()
}

#[test]
fn changes_leave_with_every_kind_of_answer() {
    let site = site();
    let answer = site.get("/set/1", &[]);
    assert_eq!(
        (answer.status, set_cookies(&answer)),
        (204, vec!["a=1; HttpOnly; SameSite=Lax; Secure; Path=/"])
    );
    let answer = site.get("/fail", &[]);
    assert_eq!((answer.status, set_cookies(&answer).len()), (409, 1), "errors too");
    assert!(set_cookies(&site.get("/show", &[("cookie", "a=1")])).is_empty());
}

#[test]
fn no_field_can_be_injected_and_no_attribute() {
    let site = site();
    for value in ["1%0d%0ax-injected:%201", "1;%20Domain=evil.test", "1%00", "%22%5c,"] {
        let answer = site.get(&format!("/set/{value}"), &[]);
        assert_eq!(answer.status, 204, "{value}");
        assert_eq!(answer.field("x-injected"), None);
        let [line] = set_cookies(&answer)[..] else { panic!("{answer:?}") };
        assert!(line.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"), "{line}");
        assert_eq!(line.matches(';').count(), 4, "{line}");
    }
    let answer = site.get("/bad-name", &[]);
    assert_eq!((answer.status, answer.field("x-injected"), set_cookies(&answer).len()), (500, None, 0));
}

#[test]
fn several_fields_and_strange_ones_are_read_and_huge_ones_refused() {
    let site = site();
    assert_eq!(site.get("/show", &[("cookie", "a=1"), ("cookie", "b=2")]).body, "a=1;b=2;");
    assert_eq!(site.get("/show", &[("cookie", "=;;a; b==;c=\"x\"; \t")]).body, "b==;c=x;");
    assert_eq!(site.get("/show", &[("cookie", &"a=b; ".repeat(4000))]).status, 431);
    let many = site.get("/show", &[("cookie", &"a=b;".repeat(3000))]);
    assert_eq!(many.body.matches("a=b;").count(), 256, "the rest is ignored");
}

#[test]
fn sealed_cookies_come_back_to_every_core_and_forged_ones_do_not() {
    let site = site();
    let mut browser = Browser::new();
    assert_eq!(browser.get(&site, "/remember").body, "None None");
    for _ in 0..8 {
        assert_eq!(browser.get(&site, "/remember").body, "Some(\"yes\") Some(\"plan\")");
    }
    let seen = browser.cookie("seen").unwrap();
    for (why, cookie) in [
        ("another value", seen.replacen("yes", "no!", 1)),
        ("no signature", "yes".to_owned()),
        ("an empty one", "yes.".to_owned()),
    ] {
        assert_eq!(
            site.get("/remember", &[("cookie", &format!("seen={cookie}"))]).body,
            "None None",
            "{why}"
        );
    }
    let swapped = format!("secret={seen}; seen={}", browser.cookie("secret").unwrap());
    assert_eq!(site.get("/remember", &[("cookie", &swapped)]).body, "None None", "each in the other's place");
}
