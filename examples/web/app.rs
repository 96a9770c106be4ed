//! Routes, layers and handlers.

use std::time::Duration;

use corelane::app::App;
use corelane::cookie::{Cookie, CookieError, Cookies, SetCookies, time};
use corelane::extract::{Form, FromRequest};
use corelane::middlewares::access_log::AccessLog;
use corelane::middlewares::flash::{Flash, Level};
use corelane::middlewares::panic_page::PanicPage;
use corelane::middlewares::request_id::RequestIds;
use corelane::middlewares::session::{MemoryStore, Session, SessionError, Sessions};
use corelane::middlewares::trailing_slash::TrailingSlash;
use corelane::multipart::MultipartForm;
use corelane::problem::Problem;
use corelane::request::Request;
use corelane::response::{IntoResponse, Redirect, Response, StatusCode};
use corelane::router::post;
use serde::{Deserialize, Serialize};

use crate::form::{Errors, NewNote};
use crate::page::{self, Page};
use crate::text::Lang;

/// Bytes of an uploaded photo at most, with what the form adds.
const PHOTO_BYTES_MAX: u64 = 5 << 20;

/// What all cores share.
pub(crate) struct Settings {
    pub(crate) log: AccessLog,
    pub(crate) sessions: MemoryStore,
    pub(crate) session_idle: Duration,
    pub(crate) debug: bool,
}

/// The application of one core.
pub(crate) fn build(settings: &Settings) -> App {
    App::new()
        .before(TrailingSlash::trim().redirect())
        .with(RequestIds::new())
        .with(settings.log.layer())
        .with(PanicPage::in_debug_mode(settings.debug))
        .with(SetCookies::new())
        .with(Sessions::new(settings.sessions.clone()).idle(settings.session_idle))
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
        let lang = Lang::from_request(request).await.map_err(Problem::into_response)?;
        let flash = Flash::from_request(request).await.map_err(Problem::into_response)?;
        flash.push(Level::Warning, lang.text().log_in_first).map_err(SessionError::into_response)?;
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
    page.show(page::login(page.lang, "", false))
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
        let shown = page.show(page::login(page.lang, name, true))?;
        return Ok(shown.with_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    session.log_in(name)?;
    flash.push(Level::Success, page.lang.text().welcome)?;
    Ok(Redirect::to("/notes").into_response())
}

async fn logout(session: Session) -> Result<Redirect, SessionError> {
    session.log_out()?;
    Ok(Redirect::to("/login"))
}

#[derive(Deserialize)]
struct Chosen {
    lang: Lang,
}

async fn language(cookies: Cookies, Form(chosen): Form<Chosen>) -> Result<Redirect, CookieError> {
    let cookie = Cookie::build(("lang", chosen.lang.code())).max_age(time::Duration::days(365));
    cookies.add(cookie)?;
    Ok(Redirect::to("/notes"))
}

async fn notes(_: LoggedIn, session: Session, page: Page) -> Result<Response, SessionError> {
    let notes: Vec<Note> = session.get("notes")?.unwrap_or_default();
    page.show(page::notes(page.lang, &notes, &NewNote::default(), &Errors::default()))
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
        let shown = page.show(page::notes(page.lang, &notes, &note, &errors))?;
        return Ok(shown.with_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    notes.push(Note { title: note.title.trim().to_owned(), text: note.text });
    session.insert("notes", notes)?;
    flash.push(Level::Success, page.lang.text().saved)?;
    // A redirect, so that loading the page anew does not send the form again.
    Ok(Redirect::to("/notes").into_response())
}

#[derive(Deserialize)]
struct NoFields {}

async fn photo(
    _: LoggedIn,
    flash: Flash,
    lang: Lang,
    form: MultipartForm<NoFields>,
) -> Result<Redirect, SessionError> {
    let text = lang.text();
    match form.file("photo") {
        // The client's name is shown, escaped, and never a path.
        Some(file) => {
            let name = file.safe_file_name().unwrap_or_else(|| "?".to_owned());
            flash.push(Level::Success, format!("{}: {name}, {} B", text.received, file.len()))?;
        }
        None => flash.push(Level::Error, text.no_file)?,
    }
    Ok(Redirect::to("/notes"))
}
