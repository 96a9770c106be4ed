//! Pages as text. Whatever a client may have written goes through [`escaped`].

use std::fmt::Write as _;

use corelane::extract::{FromRequest, State};
use corelane::middlewares::flash::Flash;
use corelane::middlewares::i18n::{I18n, Locale};
use corelane::middlewares::session::{Session, SessionError};
use corelane::problem::Problem;
use corelane::request::Request;
use corelane::response::escape_html;
use corelane::response::{Html, IntoResponse, Response};

use crate::app::Note;
use crate::form::{Errors, NewNote, Wrong};

const STYLE: &str = "body{font:16px sans-serif;max-width:40em;margin:2em auto}label{display:block;margin:.5em 0}\
    .flash,.error{padding:.5em}.success{background:#dfd}.warning{background:#ffd}.error{color:#a00}";

/// What every page needs: who is there, in which language, and what waits to be said.
pub(crate) struct Page {
    pub(crate) locale: Locale,
    texts: State<I18n>,
    user: Option<String>,
    flash: Flash,
}

impl FromRequest for Page {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let locale = Locale::from_request(request).await?;
        let texts = State::from_request(request).await?;
        let user = Session::from_request(request).await?.user()?;
        Ok(Page { locale, texts, user, flash: Flash::from_request(request).await? })
    }
}

impl Page {
    /// The whole page around `content`, with the messages that wait.
    pub(crate) fn show(&self, content: String) -> Result<Response, SessionError> {
        let mut html = format!(
            "<!doctype html><html lang={}><meta charset=utf-8><title>{}</title><style>{STYLE}</style>",
            self.locale.language(),
            self.text("notes")
        );
        for language in self.texts.languages() {
            let _ = write!(
                html,
                "<form class=language method=post action=/language>\
                 <button name=lang value={language}>{language}</button></form>",
            );
        }
        if let Some(user) = &self.user {
            let _ = write!(
                html,
                "<form id=logout method=post action=/logout><span id=user>{}</span> <button>{}</button></form>",
                escape_html(user),
                self.text("log-out")
            );
        }
        for message in self.flash.take()? {
            let _ = write!(html, "<p class=\"flash {}\">{}</p>", message.level, escape_html(&message.text));
        }
        html.push_str(&content);
        // The locale says in which language this is, and what that depends on.
        Ok((self.locale.clone(), [("cache-control", "no-store")], Html(html)).into_response())
    }

    fn text(&self, key: &str) -> String {
        escape_html(&self.locale.t(key, ()))
    }

    fn error(&self, wrong: Option<Wrong>) -> String {
        wrong.map_or_else(String::new, |(key, max)| {
            format!("<span class=error>{}</span>", escape_html(&self.locale.t(key, [("max", max)])))
        })
    }

    pub(crate) fn login(&self, name: &str, is_wrong: bool) -> Result<Response, SessionError> {
        let error =
            if is_wrong { format!("<p class=error>{}</p>", self.text("wrong")) } else { String::new() };
        self.show(format!(
            "<h1>{0}</h1>{error}<form id=login method=post action=/login>\
             <label>{1} <input name=name value=\"{2}\"></label>\
             <label>{3} <input name=password type=password></label><button>{0}</button></form>",
            self.text("log-in"),
            self.text("name"),
            escape_html(name),
            self.text("password")
        ))
    }

    pub(crate) fn notes(
        &self,
        notes: &[Note],
        typed: &NewNote,
        errors: &Errors,
    ) -> Result<Response, SessionError> {
        let mut html = format!("<h1>{}</h1><ul id=notes>", self.text("notes"));
        for note in notes {
            let _ = write!(html, "<li><b>{}</b> {}</li>", escape_html(&note.title), escape_html(&note.text));
        }
        let _ = write!(
            html,
            "</ul><form id=note method=post action=/notes>\
             <label>{} <input name=title value=\"{}\"> {}</label>\
             <label>{} <textarea name=text>{}</textarea> {}</label><button>{}</button></form>\
             <form id=photo method=post action=/photo enctype=multipart/form-data>\
             <label>{} <input name=photo type=file></label><button>{}</button></form>",
            self.text("title"),
            escape_html(&typed.title),
            self.error(errors.title),
            self.text("text"),
            escape_html(&typed.text),
            self.error(errors.text),
            self.text("save"),
            self.text("photo"),
            self.text("send"),
        );
        self.show(html)
    }
}
