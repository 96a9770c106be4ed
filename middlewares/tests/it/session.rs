//! Sessions in the memory of several cores, over sockets.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::Path;
use corelane_http::response::StatusCode;
use corelane_http::server::Server;
use corelane_middlewares::session::{
    COOKIE_NAME, MemoryStore, Saved, Session, SessionError, SessionStore, Sessions, StoreError, StoreKey,
    Stored,
};
use corelane_runtime::time;

use crate::support::{Browser, Site};

async fn put(
    Path((name, value)): Path<(String, String)>,
    session: Session,
) -> Result<StatusCode, SessionError> {
    session.insert(&name, value)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where requests wait with their session in hand, until the test lets them all go on.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicUsize, AtomicBool)>);

impl Gate {
    async fn pass(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        while !self.0.1.load(Ordering::SeqCst) {
            time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Blocks the test until so many requests wait.
    fn wait_for(&self, count: usize) {
        let began = Instant::now();
        while self.0.0.load(Ordering::SeqCst) < count {
            assert!(began.elapsed() < Duration::from_secs(30), "the requests do not come");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn open(&self) {
        self.0.1.store(true, Ordering::SeqCst);
    }
}

/// Sessions on two cores, with a route that waits at the gate.
fn gated_site() -> (Site, Gate) {
    let (store, gate) = (MemoryStore::new(), Gate::default());
    let inner = gate.clone();
    let site = Site::on_cores(2, move || {
        let gate = inner.clone();
        routes(Sessions::new(store.clone())).post(
            "/gate/{name}/{value}",
            async move |path, session: Session| {
                gate.pass().await;
                put(path, session).await
            },
        )
    });
    (site, gate)
}

async fn read(session: Session) -> Result<String, SessionError> {
    let mut text = String::new();
    for name in session.names() {
        text.push_str(&format!("{name}={} ", session.get::<String>(&name)?.unwrap()));
    }
    if let Some(user) = session.user::<String>()? {
        text.push_str(&format!("user={user}"));
    }
    Ok(text.trim_end().to_owned())
}

async fn log_in(Path(user): Path<String>, session: Session) -> Result<StatusCode, SessionError> {
    session.log_in(user)?;
    Ok(StatusCode::NO_CONTENT)
}

fn routes(sessions: Sessions) -> App {
    App::new()
        .with(sessions)
        .get("/read", read)
        .get("/none", async || "no session here")
        .post("/put/{name}/{value}", put)
        .post("/remove/{name}", async |Path(name): Path<String>, session: Session| {
            session.remove(&name).map(|found| found.to_string())
        })
        .post("/login/{user}", log_in)
        .post("/logout", async |session: Session| session.log_out())
        .post("/restart", async |session: Session| {
            session.log_out()?;
            session.log_in("again")
        })
        .post("/rotate", async |session: Session| session.rotate())
        .post("/large/{bytes}", async |Path(bytes): Path<usize>, session: Session| {
            match session.insert("large", "x".repeat(bytes)) {
                Err(error) if error.is_too_large() => Ok(error.to_string()),
                result => result.map(|()| "kept".to_owned()),
            }
        })
}

fn site_with(
    cores: usize,
    store: MemoryStore,
    set: impl Fn(Sessions) -> Sessions + Send + Sync + 'static,
) -> Site {
    Site::on_cores(cores, move || {
        let store = store.clone();
        let asked = store.clone();
        routes(set(Sessions::new(store))).get("/stats", async move || {
            let asked = asked.clone();
            asked.stats().await.map(|stats| stats.sessions.to_string())
        })
    })
}

fn site() -> Site {
    site_with(2, MemoryStore::new(), |sessions| sessions)
}

#[test]
fn a_session_is_found_from_every_core_and_a_connection_each_time() {
    let site = site();
    let mut browsers: Vec<Browser> = (0..8).map(|_| Browser::new()).collect();
    for round in 0..4 {
        for (n, browser) in browsers.iter_mut().enumerate() {
            browser.post(&site, &format!("/put/round/{round}-{n}"));
            assert_eq!(browser.get(&site, "/read").body, format!("round={round}-{n}"));
        }
    }
    assert_eq!(browsers[0].get(&site, "/stats").body, "8", "eight clients, eight sessions");
}

#[test]
fn a_client_gets_a_session_with_the_first_value_and_not_before() {
    let site = site();
    let mut browser = Browser::new();
    for (why, method, target) in [
        ("no session taken", "GET", "/none"),
        ("read only", "GET", "/read"),
        ("nothing to rotate", "POST", "/rotate"),
        ("nothing to end", "POST", "/logout"),
        ("nothing to remove", "POST", "/remove/a"),
    ] {
        let answer = browser.send(&site, method, target);
        assert_eq!(answer.field("set-cookie"), None, "{why}");
        assert_eq!(answer.field("vary"), (target != "/none").then_some("cookie"), "{why}");
    }
    assert_eq!(browser.get(&site, "/stats").body, "0");
    let answer = browser.post(&site, "/put/a/1");
    let line = answer.field("set-cookie").unwrap();
    let (pair, attributes) = line.split_once("; ").unwrap();
    let id = pair.strip_prefix("__Host-session=").unwrap();
    assert!(id.len() == 43 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{id}");
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/");
    assert_eq!(browser.post(&site, "/put/a/2").field("set-cookie"), None, "the client has it already");
    assert_eq!(browser.get(&site, "/read").body, "a=2");
}

#[test]
fn an_id_that_the_client_chose_is_never_taken_over() {
    let site = site();
    let planted = "A".repeat(43);
    for (why, id) in [
        ("well-formed, unknown", &*planted),
        ("too short", "abc"),
        ("too long", &"A".repeat(5000)),
        ("no base64url", &"%".repeat(43)),
        ("empty", ""),
    ] {
        let cookie = format!("{COOKIE_NAME}={id}");
        let answer = site.send("POST", "/login/ada", &[("cookie", &cookie)], "");
        let given = answer.field("set-cookie").unwrap_or_else(|| panic!("{why}: no id of its own"));
        assert!(!given.contains(&format!("={id};")), "{why}: {given}");
        assert_eq!(
            site.get("/read", &[("cookie", &cookie)]).body,
            "",
            "{why}: the attacker's cookie opens nothing"
        );
    }
}

#[test]
fn logging_in_changes_the_id_and_kills_the_one_before() {
    let site = site();
    let mut victim = Browser::new();
    victim.post(&site, "/put/basket/apples");
    let planted = victim.clone();
    victim.post(&site, "/login/ada");
    assert_ne!(victim.cookie(COOKIE_NAME), planted.cookie(COOKIE_NAME));
    assert_eq!(victim.get(&site, "/read").body, "basket=apples user=ada");
    assert_eq!(planted.clone().get(&site, "/read").body, "", "who planted the id before has nothing of it");
    assert_eq!(victim.get(&site, "/stats").body, "1", "the old one is deleted");

    let before = victim.clone();
    victim.post(&site, "/rotate");
    assert_ne!(victim.cookie(COOKIE_NAME), before.cookie(COOKIE_NAME));
    assert_eq!(victim.get(&site, "/read").body, "basket=apples user=ada");
    assert_eq!(before.clone().get(&site, "/read").body, "");

    victim.post(&site, "/login/eve");
    assert_eq!(victim.get(&site, "/read").body, "user=eve", "another user finds nothing of the one before");
}

#[test]
fn logging_out_ends_the_session_for_every_copy_of_its_cookie() {
    let site = site();
    let mut browser = Browser::new();
    browser.post(&site, "/login/ada");
    let copy = browser.clone();
    let answer = browser.post(&site, "/logout");
    assert!(answer.field("set-cookie").unwrap().contains("Max-Age=0"), "{answer:?}");
    assert_eq!(browser.cookie(COOKIE_NAME), None);
    assert_eq!(copy.clone().get(&site, "/read").body, "");
    assert_eq!(browser.get(&site, "/stats").body, "0");

    browser.post(&site, "/put/old/1");
    let before = browser.clone();
    browser.post(&site, "/restart");
    assert_eq!(
        browser.get(&site, "/read").body,
        "user=again",
        "ended and begun in one request: nothing comes back"
    );
    assert_eq!(before.clone().get(&site, "/read").body, "");
}

/// Race: six requests of one session have all loaded it before the first saves. Sign of failure: a name is missing.
#[test]
fn requests_at_the_same_time_keep_each_others_names() {
    let (site, gate) = gated_site();
    let mut browser = Browser::new();
    browser.post(&site, "/put/first/0");
    std::thread::scope(|scope| {
        for n in 0..6 {
            let (mut browser, site) = (browser.clone(), &site);
            scope.spawn(move || {
                let answer = browser.post(site, &format!("/gate/n{n}/{n}"));
                assert_eq!(answer.status, 204, "{}", answer.body);
            });
        }
        gate.wait_for(6);
        gate.open();
    });
    assert_eq!(browser.get(&site, "/read").body, "first=0 n0=0 n1=1 n2=2 n3=3 n4=4 n5=5");
}

/// Race: the session ends, or changes its id, while a request has it. Sign of failure: it is there again.
#[test]
fn a_session_that_was_ended_or_renamed_meanwhile_is_not_brought_back() {
    for (end, left) in [("/logout", ""), ("/rotate", "user=ada"), ("/login/eve", "user=eve")] {
        let (site, gate) = gated_site();
        let mut browser = Browser::new();
        browser.post(&site, "/login/ada");
        let mut late = browser.clone();
        let before = late.clone();
        std::thread::scope(|scope| {
            let site = &site;
            let waiting = scope.spawn(move || late.post(site, "/gate/late/1"));
            gate.wait_for(1);
            browser.post(site, end);
            gate.open();
            let answer = waiting.join().unwrap();
            assert_eq!((answer.status, answer.field("set-cookie")), (204, None), "{end}");
        });
        assert_eq!(browser.get(&site, "/read").body, left, "{end}");
        assert_eq!(before.clone().get(&site, "/read").body, "", "{end}: the id before opens nothing");
    }
}

#[test]
fn idle_time_slides_and_the_lifetime_does_not() {
    let store = MemoryStore::new();
    let times = |sessions: Sessions| {
        sessions.idle(Duration::from_millis(2900)).lifetime(Duration::from_millis(7500)).persistent()
    };
    let site = site_with(1, store, times);
    let (mut used, mut unused) = (Browser::new(), Browser::new());
    for browser in [&mut used, &mut unused] {
        let answer = browser.post(&site, "/put/a/1");
        assert!(answer.field("set-cookie").unwrap().ends_with("; Max-Age=3"), "{answer:?}");
    }
    for second in [1.5, 3.0, 4.5] {
        std::thread::sleep(Duration::from_millis(1500));
        let answer = used.get(&site, "/read");
        assert_eq!(answer.body, "a=1", "after {second} s, used within the idle time");
        assert!(answer.field("set-cookie").is_some(), "the browser's own age slides too");
    }
    assert_eq!(unused.get(&site, "/read").body, "", "unused for longer");
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(1600));
        used.get(&site, "/read");
    }
    assert_eq!(used.get(&site, "/read").body, "", "its lifetime is over, used or not");
}

#[test]
fn a_session_that_would_grow_over_its_bound_says_so_and_stays() {
    let site = site_with(1, MemoryStore::new(), |sessions| sessions.bytes_max(1000));
    let mut browser = Browser::new();
    assert_eq!(browser.post(&site, "/large/900").body, "kept");
    let body = browser.post(&site, "/large/1000").body;
    assert!(body.contains("would take 1011 bytes and has room for 1000"), "{body}");
    assert_eq!(browser.get(&site, "/read").body.len(), "large=".len() + 900);
    assert_eq!(browser.post(&site, "/put/_user/eve").status, 500, "reserved names");
}

/// Fails on demand.
#[derive(Clone)]
struct Failing {
    store: MemoryStore,
    on: Rc<RefCell<&'static str>>,
}

impl Failing {
    fn check(&self, step: &str) -> Result<(), StoreError> {
        if *self.on.borrow() == step { Err(StoreError::new("secret address of the store")) } else { Ok(()) }
    }
}

impl SessionStore for Failing {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        self.check("load")?;
        self.store.load(key).await
    }

    async fn save(
        &self,
        key: &StoreKey,
        data: Vec<u8>,
        version: Option<u64>,
        ttl: Duration,
    ) -> Result<Saved, StoreError> {
        self.check("save")?;
        if *self.on.borrow() == "conflict" {
            return Ok(Saved::Conflict);
        }
        self.store.save(key, data, version, ttl).await
    }

    async fn touch(&self, key: &StoreKey, ttl: Duration) -> Result<bool, StoreError> {
        self.store.touch(key, ttl).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<(), StoreError> {
        self.check("delete")?;
        self.store.delete(key).await
    }
}

#[test]
fn a_store_that_fails_is_503_with_nothing_of_the_reason() {
    let store = MemoryStore::new();
    let site = Site::start(move || {
        let on = Rc::new(RefCell::new(""));
        let sessions = Sessions::new(Failing { store: store.clone(), on: Rc::clone(&on) });
        routes(sessions).post("/fail/{step}", async move |Path(step): Path<String>| {
            *on.borrow_mut() =
                ["load", "save", "delete", "conflict"].into_iter().find(|s| **s == step).unwrap_or("");
        })
    });
    let mut browser = Browser::new();
    browser.post(&site, "/put/a/1");
    for (step, method, target, want) in [
        ("load", "GET", "/read", 503),
        ("load", "GET", "/none", 200),
        ("save", "POST", "/put/a/2", 503),
        ("save", "GET", "/read", 200),
        ("conflict", "POST", "/put/a/2", 503),
        ("delete", "POST", "/logout", 503),
    ] {
        browser.post(&site, &format!("/fail/{step}"));
        let answer = browser.send(&site, method, target);
        assert_eq!(answer.status, want, "{step}, {target}: {}", answer.body);
        if want == 503 {
            assert_eq!(answer.field("content-type"), Some("application/problem+json"));
            assert_eq!(answer.field("set-cookie"), None);
            assert!(!answer.body.contains("secret"), "{}", answer.body);
        }
    }
    browser.post(&site, "/fail/none");
    assert_eq!(browser.get(&site, "/read").body, "a=1", "what was not saved has changed nothing");
}

#[test]
fn without_the_layer_the_extractor_refuses() {
    let site = Site::start(|| App::new().get("/read", read));
    assert_eq!(site.get("/read", &[]).status, 500);
}

#[test]
fn a_store_made_on_one_of_several_cores_is_refused_at_start() {
    let factory = || App::new().with(Sessions::new(MemoryStore::new())).get("/read", read);
    let started = std::panic::catch_unwind(|| Server::bind("127.0.0.1:0").cores(2).start(factory));
    // Whether the caller or the end hears of it depends on which core was first.
    if let Ok(Ok(running)) = started {
        assert!(running.shutdown_now().is_err());
    }
}
