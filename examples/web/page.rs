//! Pages as text. Whatever a client may have written goes through [`escaped`].

use std::fmt::Write as _;

use corelane::extract::FromRequest;
use corelane::middlewares::flash::Flash;
use corelane::middlewares::session::{Session, SessionError};
use corelane::problem::Problem;
use corelane::request::Request;
use corelane::response::{Html, IntoResponse, Response};

use crate::app::Note;
use crate::form::{Errors, NewNote};
use crate::text::Lang;

const STYLE: &str = "body{font:16px sans-serif;max-width:40em;margin:2em auto}label{display:block;margin:.5em 0}\
    .flash,.error{padding:.5em}.success{background:#dfd}.warning{background:#ffd}.error{color:#a00}";

/// What every page needs: who is there, in which language, and what waits to be said.
pub(crate) struct Page {
    pub(crate) lang: Lang,
    user: Option<String>,
    flash: Flash,
}

impl FromRequest for Page {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let lang = Lang::from_request(request).await?;
        let user = Session::from_request(request).await?.user()?;
        Ok(Page { lang, user, flash: Flash::from_request(request).await? })
    }
}

impl Page {
    /// The whole page around `content`, with the messages that wait.
    pub(crate) fn show(&self, content: String) -> Result<Response, SessionError> {
        let text = self.lang.text();
        let mut html = format!(
            "<!doctype html><html lang={}><meta charset=utf-8><title>{}</title><style>{STYLE}</style>",
            self.lang.code(),
            text.notes
        );
        for lang in Lang::ALL {
            let _ = write!(
                html,
                "<form class=language method=post action=/language><button name=lang value={0}>{0}</button></form>",
                lang.code()
            );
        }
        if let Some(user) = &self.user {
            let _ = write!(
                html,
                "<form id=logout method=post action=/logout><span id=user>{}</span> <button>{}</button></form>",
                escaped(user),
                text.log_out
            );
        }
        for message in self.flash.take()? {
            let _ = write!(html, "<p class=\"flash {}\">{}</p>", message.level, escaped(&message.text));
        }
        html.push_str(&content);
        Ok(([("cache-control", "no-store")], Html(html)).into_response())
    }
}

pub(crate) fn login(lang: Lang, name: &str, is_wrong: bool) -> String {
    let text = lang.text();
    let error = if is_wrong { format!("<p class=error>{}</p>", text.wrong) } else { String::new() };
    format!(
        "<h1>{0}</h1>{error}<form id=login method=post action=/login>\
         <label>{1} <input name=name value=\"{2}\"></label>\
         <label>{3} <input name=password type=password></label><button>{0}</button></form>",
        text.log_in,
        text.name,
        escaped(name),
        text.password
    )
}

pub(crate) fn notes(lang: Lang, notes: &[Note], typed: &NewNote, errors: &Errors) -> String {
    let text = lang.text();
    let error = |message: Option<fn(&crate::text::Text) -> &'static str>| {
        message.map_or_else(String::new, |message| format!("<span class=error>{}</span>", message(text)))
    };
    let mut html = format!("<h1>{}</h1><ul id=notes>", text.notes);
    for note in notes {
        let _ = write!(html, "<li><b>{}</b> {}</li>", escaped(&note.title), escaped(&note.text));
    }
    let _ = write!(
        html,
        "</ul><form id=note method=post action=/notes>\
         <label>{} <input name=title value=\"{}\"> {}</label>\
         <label>{} <textarea name=text>{}</textarea> {}</label><button>{}</button></form>\
         <form id=photo method=post action=/photo enctype=multipart/form-data>\
         <label>{} <input name=photo type=file></label><button>{}</button></form>",
        text.title,
        escaped(&typed.title),
        error(errors.title),
        text.text,
        escaped(&typed.text),
        error(errors.text),
        text.save,
        text.photo,
        text.send,
    );
    html
}

/// Text for HTML, in elements and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
