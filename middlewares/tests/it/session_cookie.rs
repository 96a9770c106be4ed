//! Sessions kept by the client.

use corelane_http::app::App;
use corelane_http::cookie::{Cookie, Keys};
use corelane_http::extract::Path;
use corelane_middlewares::session::{COOKIE_DATA_BYTES_MAX, COOKIE_NAME, Session, SessionError, Sessions};

use crate::support::{Browser, Site};

const SECRET: &str = "mMd0cYf9MbTz3dT8pfWzoLKYDbPc1Hf2";
const OTHER: &str = "3mSvWLdGQEvKyWkTQFcbXJUnb8JhQX2a";

async fn read(session: Session) -> Result<String, SessionError> {
    Ok(format!(
        "{:?} {:?}",
        session.user::<String>()?,
        session.get::<String>("large")?.map(|text| text.len())
    ))
}

fn site(keys: Keys) -> Site {
    Site::on_cores(2, move || {
        App::new()
            .with(Sessions::in_cookie(keys.clone()))
            .get("/read", read)
            .post("/login/{user}", async |Path(user): Path<String>, session: Session| session.log_in(user))
            .post("/logout", async |session: Session| session.log_out())
            .post("/large/{bytes}", async |Path(bytes): Path<usize>, session: Session| {
                session.insert("large", "x".repeat(bytes)).map_err(|error| error.to_string())
            })
    })
}

#[test]
fn the_client_keeps_it_and_cannot_read_it() {
    let site = site(Keys::new(SECRET).unwrap());
    let mut browser = Browser::new();
    assert_eq!(browser.get(&site, "/read").field("set-cookie"), None);
    browser.post(&site, "/login/ada");
    assert!(!browser.cookie(COOKIE_NAME).unwrap().contains("ada"));
    let answer = browser.get(&site, "/read");
    assert_eq!(
        (&*answer.body, answer.field("set-cookie")),
        ("Some(\"ada\") None", None),
        "unchanged: not sent again"
    );
    browser.post(&site, "/logout");
    assert_eq!(browser.cookie(COOKIE_NAME), None);
}

#[test]
fn a_changed_cookie_is_no_session() {
    let site = site(Keys::new(SECRET).unwrap());
    let mut browser = Browser::new();
    browser.post(&site, "/login/ada");
    let sealed = browser.cookie(COOKIE_NAME).unwrap().to_owned();
    for at in (0..sealed.len()).step_by(7) {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let cookie = format!("{COOKIE_NAME}={}", String::from_utf8(changed).unwrap());
        assert_eq!(site.get("/read", &[("cookie", &cookie)]).body, "None None", "byte {at}");
    }
    let renamed = Site::start(|| {
        let keys = Keys::new(SECRET).unwrap();
        App::new().with(Sessions::in_cookie(keys).cookie(Cookie::new("other", ""))).get("/read", read)
    });
    let moved = renamed.get("/read", &[("cookie", &format!("other={sealed}"))]);
    assert_eq!(moved.body, "None None", "sealed for one name, sent under another");
}

#[test]
fn keys_are_rotated_without_logging_anyone_out() {
    let mut browser = Browser::new();
    browser.post(&site(Keys::new(OTHER).unwrap()), "/login/ada");
    let rotated = site(Keys::new(SECRET).unwrap().also(OTHER).unwrap());
    assert_eq!(browser.get(&rotated, "/read").body, "Some(\"ada\") None");
    let old = browser.clone();
    browser.post(&rotated, "/large/1");
    let gone = site(Keys::new(SECRET).unwrap());
    assert_eq!(browser.get(&gone, "/read").body, "Some(\"ada\") Some(1)", "sealed anew by the first change");
    assert_eq!(old.clone().get(&gone, "/read").body, "None None");
}

#[test]
fn what_fits_its_bound_fits_the_cookie_and_more_is_an_error() {
    let site = site(Keys::new(SECRET).unwrap());
    let mut browser = Browser::new();
    let most = COOKIE_DATA_BYTES_MAX - "\"large\":\"\",".len();
    let answer = browser.post(&site, &format!("/large/{most}"));
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert!(answer.field("set-cookie").unwrap().len() <= 4096);
    assert_eq!(browser.get(&site, "/read").body, format!("None Some({most})"));
    let answer = browser.post(&site, &format!("/large/{}", most + 1));
    assert!(answer.body.contains("has room for 2600"), "{}", answer.body);
}
