//! Names and passwords.

use std::panic::catch_unwind;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corelane_http::app::App;
use corelane_http::extract::Extension;
use corelane_middlewares::basic_auth::{BasicAuth, CREDENTIALS_BYTES_MAX, Credentials, User};
use corelane_runtime::yield_now;

use crate::support::Site;

fn site() -> Site {
    Site::start(|| {
        let auth = BasicAuth::new("the \"inner\" \\ circle", async |given: Credentials| {
            yield_now().await;
            given.is("ada", "p:ss wörd") || given.is("", "")
        });
        App::new().with(auth).get("/", async |Extension(user): Extension<User>| user.to_string())
    })
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[test]
fn only_the_right_pair_gets_in() {
    let site = site();
    let long = "x".repeat(CREDENTIALS_BYTES_MAX);
    for (why, field, want) in [
        ("right; a colon in the password", basic("ada:p:ss wörd"), 200),
        ("the scheme has no case", basic("ada:p:ss wörd").replace("Basic", "bAsIc"), 200),
        ("both empty, as the verifier likes it", basic(":"), 200),
        ("wrong password", basic("ada:p:ss wörD"), 401),
        ("a prefix of the password", basic("ada:p:ss"), 401),
        ("wrong name", basic("Ada:p:ss wörd"), 401),
        ("no colon", basic("ada"), 401),
        ("a control character", basic("ada\0:p:ss wörd"), 401),
        ("not base64", "Basic !!!!".to_owned(), 401),
        ("not UTF-8", format!("Basic {}", STANDARD.encode(b"ada:\xff")), 401),
        ("another scheme", basic("ada:p:ss wörd").replace("Basic", "Bearer"), 401),
        ("no credentials", "Basic".to_owned(), 401),
        ("too long", basic(&format!("ada:{long}")), 401),
    ] {
        let answer = site.get("/", &[("authorization", &field)]);
        assert_eq!(answer.status, want, "{why}: {}", answer.body);
    }
    assert_eq!(site.get("/", &[("authorization", &basic("ada:p:ss wörd"))]).body, "ada");
    let twice = basic("ada:p:ss wörd");
    assert_eq!(
        site.get("/", &[("authorization", &twice), ("authorization", &twice)]).status,
        401,
        "two fields"
    );
}

#[test]
fn the_challenge_names_the_realm_and_cannot_be_broken_out_of() {
    let answer = site().get("/", &[]);
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.field("www-authenticate"),
        Some("Basic realm=\"the \\\"inner\\\" \\\\ circle\", charset=\"UTF-8\"")
    );
    assert!(catch_unwind(|| BasicAuth::new("a\r\nx: y", async |_: Credentials| true)).is_err());
    assert!(!format!("{:?}", BasicAuth::new("a", async |_: Credentials| true)).is_empty());
}
