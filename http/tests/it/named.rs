//! Names of routes, and paths made of them; what all cores share.

use std::sync::Arc;

use corelane_http::app::App;
use corelane_http::extract::{Path, Shared};
use corelane_http::request::Request;
use corelane_http::router::{Named, UrlError, UrlFor, get};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::{call, panic_of};

#[derive(Serialize, Deserialize)]
struct Version {
    name: String,
    major: u32,
}

const HOME: Named<()> = Named::new("home");
const USER: Named<u64> = Named::new("user");
const POST: Named<(String, u64)> = Named::new("post");
const VERSION: Named<Version> = Named::new("version");
const FILE: Named<String> = Named::new("file");
const YEAR: Named<u16> = Named::new("year");

fn app() -> App {
    async fn nothing() {}
    App::new()
        .route("/", get(nothing).name(HOME))
        .group("/caf\u{e9}", |group| group.route("/users/{id}", get(nothing).name(USER)))
        .route("/{user}/posts/{id}", get(nothing).name(POST))
        .route("/packages/{major}/{name}", get(nothing).name(VERSION))
        .route("/files/{*path}", get(nothing).name(FILE))
        .route("/archive/{year:[0-9]{4}}", get(nothing).name(YEAR))
}

#[test]
fn names_give_paths() {
    let urls = app().into_service().urls();
    assert_eq!(urls.to(HOME, ()).unwrap(), "/");
    assert_eq!(urls.to(USER, 7).unwrap(), "/caf%C3%A9/users/7");
    assert_eq!(urls.to(POST, ("a/b ?".to_owned(), 7)).unwrap(), "/a%2Fb%20%3F/posts/7");
    let version = Version { name: "core%lane".to_owned(), major: 2 };
    assert_eq!(urls.to(VERSION, version).unwrap(), "/packages/2/core%25lane");
    assert_eq!(urls.to(FILE, "a b/c".to_owned()).unwrap(), "/files/a%20b/c");
    assert_eq!(urls.to(YEAR, 2026).unwrap(), "/archive/2026");
    assert_eq!(urls.by_name("post", [("id", "7"), ("user", "ada")]).unwrap(), "/ada/posts/7");
}

#[test]
fn what_would_lead_nowhere_is_an_error() {
    let urls = app().into_service().urls();
    let empty = urls.to(FILE, String::new()).unwrap_err();
    assert!(empty.is_invalid() && empty.parameter() == Some("path"), "{empty}");
    let pattern = urls.to(YEAR, 20_260).unwrap_err();
    assert!(pattern.is_invalid() && pattern.route() == "year", "{pattern}");
    assert!(urls.to(Named::<()>::new("none"), ()).unwrap_err().is_unknown());
    assert!(urls.by_name("user", [("id", "")]).unwrap_err().is_invalid());
    assert!(urls.by_name::<&str, &str>("user", []).unwrap_err().is_missing());
    let unexpected = urls.by_name("user", [("id", "7"), ("page", "2")]).unwrap_err();
    assert_eq!(unexpected.to_string(), "the template of `user` has no parameter `page`");
}

#[test]
fn a_name_that_does_not_fit_its_template_is_found_at_start() {
    async fn nothing() {}
    fn checked(wanted: &str, run: impl FnOnce()) {
        let (message, line) = panic_of(run);
        assert!(message.contains(wanted), "{message}");
        assert_ne!(line, 0, "not blamed on a line of this file: {message}");
    }
    checked("the name has 1 parameters (u64), the template 2", || {
        drop(App::new().route("/{a}/{b}", get(nothing).name(USER)));
    });
    checked("the name has 0 parameters", || drop(App::new().route("/{a}", get(nothing).name(HOME))));
    checked("has no field for the parameter `minor`", || {
        drop(App::new().route("/{name}/{major}/{minor}", get(nothing).name(VERSION)));
    });
    checked("no parameter for", || drop(App::new().route("/{name}", get(nothing).name(VERSION))));
}

#[test]
fn a_handler_makes_paths() {
    async fn index(urls: UrlFor) -> Result<String, UrlError> {
        urls.to(USER, 7)
    }
    async fn wrong(urls: UrlFor) -> Result<String, UrlError> {
        urls.to(YEAR, 1)
    }
    let service = app().get("/index", index).get("/wrong", wrong).into_service();
    assert_eq!(call(&service, Request::builder("GET", "/index")).body, "/caf%C3%A9/users/7");
    assert_eq!(call(&service, Request::builder("GET", "/wrong")).status, 500);
}

proptest! {
    /// A path that was made leads to its route, which gets what was put in.
    #[test]
    fn paths_lead_back(user in "\\PC{1,12}", id: u64, rest in "[a-z%?# ]{1,8}(/[a-z%?# ]{1,8}){0,3}") {
        let service = App::new()
            .route(
                "/{user}/posts/{id}",
                get(async |Path((user, id)): Path<(String, u64)>| format!("{user} {id}")).name(POST),
            )
            .route("/files/{*path}", get(async |Path(path): Path<String>| path).name(FILE))
            .into_service();
        let urls = service.urls();
        let path = urls.to(POST, (user.clone(), id)).unwrap();
        prop_assert_eq!(call(&service, Request::builder("GET", &path)).body, format!("{user} {id}"));
        let path = urls.to(FILE, rest.clone()).unwrap();
        prop_assert_eq!(call(&service, Request::builder("GET", &path)).body, rest);
    }
}

#[test]
fn what_is_shared_is_one_for_all_and_missing_is_found_at_start() {
    async fn read(shared: Shared<String>) -> String {
        format!("{} {}", *shared, shared.len())
    }
    let text = Arc::new("text".to_owned());
    let service = App::new().shared(text.clone()).get("/", read).into_service();
    let before = Arc::strong_count(&text);
    assert_eq!(call(&service, Request::builder("GET", "/")).body, "text 4");
    assert_eq!(Arc::strong_count(&text), before);
    let (message, _) = panic_of(|| drop(App::new().get("/", read).into_service()));
    assert!(
        message.contains("takes Shared<alloc::string::String>, but the application has none"),
        "{message}"
    );
    assert!(message.contains("App::shared"), "{message}");
    let (message, _) = panic_of(|| {
        drop(App::new().on_start(async |_: Shared<String>| ()).into_service());
    });
    assert!(message.contains("the hook registered at"), "{message}");
    let (message, _) = panic_of(|| drop(App::new().fallback(read).into_service()));
    assert!(message.contains("the fallback registered at"), "{message}");
}
