//! Flash messages: said once, to the next page that asks.
//!
//! A handler that redirects leaves a message in the [session](crate::session); the page that the browser then loads shows it.
//!
//! ```
//! use corelane_http::response::StatusCode;
//! use corelane_middlewares::flash::{Flash, Level};
//! use corelane_middlewares::session::SessionError;
//!
//! async fn save(flash: Flash) -> Result<(StatusCode, [(&'static str, &'static str); 1], ()), SessionError> {
//!     flash.push(Level::Success, "Your note is saved.")?;
//!     Ok((StatusCode::SEE_OTHER, [("location", "/notes")], ()))
//! }
//!
//! async fn notes(flash: Flash) -> Result<String, SessionError> {
//!     let messages = flash.take()?;
//!     Ok(messages.iter().map(|message| format!("{}: {}\n", message.level, message.text)).collect())
//! }
//! # let _ = corelane_http::app::App::new().post("/notes", save).get("/notes", notes);
//! ```
//!
//! Each message is a value of its own in the session: those that requests leave at the same time are all kept, and reading removes
//! what was read and nothing else.

use std::fmt;

use corelane_http::extract::FromRequest;
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use serde::{Deserialize, Serialize};

use crate::session::{Session, SessionError};

/// Messages that wait in one session at most. With one more the oldest goes: nobody reads a page of them.
pub const MESSAGES_MAX: usize = 16;

/// What messages are kept under, with a number that grows and a random part.
const PREFIX: &str = "_flash.";

/// The messages of the client's session. Rejects as [`Session`] does.
#[derive(Clone, Debug)]
pub struct Flash {
    session: Session,
}

/// How a message is meant. `Display` is the name in lower case, fit for a class in a style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something to know.
    Info,
    /// Something went well.
    Success,
    /// Something to look at.
    Warning,
    /// Something went wrong.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Info => "info",
            Level::Success => "success",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// One message. Its text is not escaped: that is the template's job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How it is meant.
    pub level: Level,
    /// What it says.
    pub text: String,
}

impl Flash {
    /// Leaves a message.
    ///
    /// # Errors
    /// The session is full, or the response has left.
    pub fn push(&self, level: Level, text: impl Into<String>) -> Result<(), SessionError> {
        let waiting: Vec<String> = self.waiting().collect();
        if waiting.len() >= MESSAGES_MAX {
            self.session.take(&waiting[0])?;
        }
        // Numbers go on from the last; the random part keeps two requests at the same time apart.
        let last = waiting.last().and_then(|name| name[PREFIX.len()..].split('.').next()?.parse().ok());
        let number = last.map_or(0_u32, |last: u32| last.wrapping_add(1));
        let random = getrandom::u64().unwrap_or_default();
        let message = Message { level, text: text.into() };
        self.session.put(&format!("{PREFIX}{number:010}.{random:016x}"), &message)
    }

    /// The messages that wait, in the order they were left. They wait no longer.
    ///
    /// # Errors
    /// The response has left.
    pub fn take(&self) -> Result<Vec<Message>, SessionError> {
        let mut messages = Vec::new();
        for name in self.waiting() {
            messages.extend(self.session.get::<Message>(&name).ok().flatten());
            self.session.take(&name)?;
        }
        Ok(messages)
    }

    fn waiting(&self) -> impl Iterator<Item = String> {
        self.session.all_names().filter(|name| name.starts_with(PREFIX))
    }
}

impl FromRequest for Flash {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        Ok(Flash { session: Session::from_request(request).await? })
    }
}
