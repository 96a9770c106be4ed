//! Routes, layers and handlers.

use std::time::Duration;

use corelane::app::App;
use corelane::cookie::{Cookie, CookieError, Cookies, SetCookies, time};
use corelane::extract::{Form, FromRequest, State};
use corelane::middlewares::access_log::AccessLog;
use corelane::middlewares::flash::{Flash, Level};
use corelane::middlewares::i18n::{Args, I18n, Locale};
use corelane::middlewares::panic_page::PanicPage;
use corelane::middlewares::request_id::RequestIds;
use corelane::middlewares::session::{MemoryStore, RedisStore, Session, SessionError, Sessions};
use corelane::middlewares::trailing_slash::TrailingSlash;
use corelane::multipart::MultipartForm;
use corelane::problem::Problem;
use corelane::request::Request;
use corelane::response::{IntoResponse, Redirect, Response, StatusCode};
use corelane::router::post;
use corelane::storage::redis::{Config, Redis};
use serde::{Deserialize, Serialize};

use crate::form::{Errors, NewNote};
use crate::page::Page;

/// Bytes of an uploaded photo at most, with what the form adds.
const PHOTO_BYTES_MAX: u64 = 5 << 20;

/// What all cores share.
pub(crate) struct Settings {
    pub(crate) log: AccessLog,
    pub(crate) sessions: Store,
    pub(crate) session_idle: Duration,
    pub(crate) texts: I18n,
    pub(crate) debug: bool,
}

/// Where sessions are kept.
pub(crate) enum Store {
    Memory(MemoryStore),
    /// In this Redis, to which each core has a client of its own.
    Redis(Box<Config>),
}

impl Store {
    fn sessions(&self) -> Sessions {
        match self {
            Store::Memory(store) => Sessions::new(store.clone()),
            Store::Redis(config) => {
                let redis =
                    Redis::lazy((**config).clone()).unwrap_or_else(|error| panic!("--redis: {error}"));
                Sessions::new(RedisStore::new(redis))
            }
        }
    }
}

/// The application of one core.
pub(crate) fn build(settings: &Settings) -> App {
    App::new()
        .state(settings.texts.clone())
        .before(TrailingSlash::trim().redirect())
        .with(RequestIds::new())
        .with(settings.log.layer())
        .with(PanicPage::in_debug_mode(settings.debug))
        .with(SetCookies::new())
        .with(settings.sessions.sessions().idle(settings.session_idle))
        .get("/", home)
        .get("/login", login_form)
        .post("/login", login)
        .post("/logout", logout)
        .post("/language", language)
        .get("/notes", notes)
        .post("/notes", add_note)
        .route("/photo", post(photo).body_limit(PHOTO_BYTES_MAX))
}

/// A note, kept in the session of its owner.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// Somebody who has logged in. A handler that takes it is for them only; others are sent to log in.
struct LoggedIn;

impl FromRequest for LoggedIn {
    type Rejection = Response;

    async fn from_request(request: &mut Request) -> Result<Self, Response> {
        let session = Session::from_request(request).await.map_err(Problem::into_response)?;
        if session.user::<String>().map_err(SessionError::into_response)?.is_some() {
            return Ok(LoggedIn);
        }
        let locale = Locale::from_request(request).await.map_err(Problem::into_response)?;
        let flash = Flash::from_request(request).await.map_err(Problem::into_response)?;
        flash.push(Level::Warning, locale.t("log-in-first", ())).map_err(SessionError::into_response)?;
        Err(Redirect::to("/login").into_response())
    }
}

async fn home() -> Redirect {
    Redirect::to("/notes")
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

async fn login_form(page: Page) -> Result<Response, SessionError> {
    page.login("", false)
}

async fn login(
    session: Session,
    flash: Flash,
    page: Page,
    Form(given): Form<Login>,
) -> Result<Response, SessionError> {
    let name = given.name.trim();
    // Stored passwords are hashed, on the blocking pool. This one is for show.
    if name.is_empty() || name.chars().count() > 40 || given.password != "corelane" {
        let shown = page.login(name, true)?;
        return Ok(shown.with_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    session.log_in(name)?;
    flash.push(Level::Success, page.locale.t("welcome", ()))?;
    Ok(Redirect::to("/notes").into_response())
}

async fn logout(session: Session) -> Result<Redirect, SessionError> {
    session.log_out()?;
    Ok(Redirect::to("/login"))
}

#[derive(Deserialize)]
struct Chosen {
    lang: String,
}

async fn language(
    cookies: Cookies,
    State(texts): State<I18n>,
    Form(chosen): Form<Chosen>,
) -> Result<Redirect, CookieError> {
    // A language that the site has, and nothing else, goes into the cookie.
    let locale = texts.locale(&chosen.lang);
    cookies.add(Cookie::build(("lang", locale.language())).max_age(time::Duration::days(365)))?;
    Ok(Redirect::to("/notes"))
}

async fn notes(_: LoggedIn, session: Session, page: Page) -> Result<Response, SessionError> {
    let notes: Vec<Note> = session.get("notes")?.unwrap_or_default();
    page.notes(&notes, &NewNote::default(), &Errors::default())
}

async fn add_note(
    _: LoggedIn,
    session: Session,
    flash: Flash,
    page: Page,
    Form(note): Form<NewNote>,
) -> Result<Response, SessionError> {
    let mut notes: Vec<Note> = session.get("notes")?.unwrap_or_default();
    let errors = note.errors(notes.len());
    if !errors.is_empty() {
        // The page again, with what was typed: nothing is lost.
        let shown = page.notes(&notes, &note, &errors)?;
        return Ok(shown.with_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    notes.push(Note { title: note.title.trim().to_owned(), text: note.text });
    session.insert("notes", notes)?;
    flash.push(Level::Success, page.locale.t("saved", ()))?;
    // A redirect, so that loading the page anew does not send the form again.
    Ok(Redirect::to("/notes").into_response())
}

#[derive(Deserialize)]
struct NoFields {}

async fn photo(
    _: LoggedIn,
    flash: Flash,
    locale: Locale,
    form: MultipartForm<NoFields>,
) -> Result<Redirect, SessionError> {
    match form.file("photo") {
        // The client's name is shown, escaped, and never a path.
        Some(file) => {
            let mut args = Args::new();
            args.set("name", file.safe_file_name().unwrap_or_else(|| "?".to_owned()));
            args.set("bytes", file.len().to_string());
            flash.push(Level::Success, locale.t("received", args))?;
        }
        None => flash.push(Level::Error, locale.t("no-file", ()))?,
    }
    Ok(Redirect::to("/notes"))
}
