//! Problem details (RFC 9457): errors that programs can read.
//!
//! Every rejection and error of the framework is answered as one. Handlers return them on the side of errors:
//!
//! ```
//! use corelane_http::extract::Path;
//! use corelane_http::problem::Problem;
//! use corelane_http::response::StatusCode;
//!
//! async fn withdraw(Path(amount): Path<u64>) -> Result<String, Problem> {
//!     if amount > 100 {
//!         return Err(Problem::new(StatusCode::FORBIDDEN)
//!             .kind("https://example.com/problems/out-of-credit")
//!             .title("You do not have enough credit.")
//!             .detail(format!("Your balance is 100, which is less than {amount}."))
//!             .with("balance", 100));
//!     }
//!     Ok(format!("{amount} withdrawn"))
//! }
//! # let _ = corelane_http::app::App::new().get("/withdraw/{amount}", withdraw);
//! ```

use std::borrow::Cow;
use std::fmt;

use corelane_http_proto::encode::reason;
use http::StatusCode;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::respond::{IntoResponse, json_response};
use crate::response::Response;

/// One problem, sent as `application/problem+json`.
///
/// Members that are not set are left out; `title` is then the status' own reason, as RFC 9457 §4.2.1 has it for
/// problems without a type. What goes in is sent to the client: no internals.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Boxed, so that `Result<T, Problem>` is not much larger than `T`.
    members: Box<Members>,
}

#[derive(Clone, Debug, PartialEq)]
struct Members {
    status: StatusCode,
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    extensions: Vec<(Cow<'static, str>, Value)>,
}

impl Problem {
    /// A problem that the status alone describes.
    pub fn new(status: StatusCode) -> Problem {
        let members =
            Members { status, kind: None, title: None, detail: None, instance: None, extensions: Vec::new() };
        Problem { members: Box::new(members) }
    }

    /// 500 that says no more. What has happened belongs in the log, not in the answer.
    pub fn internal() -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.members.status
    }

    /// Sets `type`: a URI that identifies the kind of problem, ideally of its documentation.
    #[must_use]
    pub fn kind(mut self, uri: impl Into<Cow<'static, str>>) -> Problem {
        self.members.kind = Some(uri.into());
        self
    }

    /// Sets `title`: a summary of the kind of problem, the same at each occurrence.
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Problem {
        self.members.title = Some(title.into());
        self
    }

    /// Sets `detail`: what happened this time, and what the client can do about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Problem {
        self.members.detail = Some(detail.into());
        self
    }

    /// Sets `instance`: a URI of this occurrence.
    #[must_use]
    pub fn instance(mut self, uri: impl Into<Cow<'static, str>>) -> Problem {
        self.members.instance = Some(uri.into());
        self
    }

    /// Adds a member of its own (RFC 9457 §3.2). A name given twice, or one of the five above, is the caller's
    /// mistake: the first stands.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Problem {
        let name = name.into();
        let standard = ["type", "title", "status", "detail", "instance"].contains(&&*name);
        if !standard && !self.members.extensions.iter().any(|(found, _)| *found == name) {
            self.members.extensions.push((name, value.into()));
        }
        self
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(kind) = &self.members.kind {
            map.serialize_entry("type", kind)?;
        }
        // The words of the status line, so that the two agree.
        let reason = match reason(self.members.status.as_u16()) {
            "" => "Error",
            reason => reason,
        };
        map.serialize_entry("title", self.members.title.as_deref().unwrap_or(reason))?;
        map.serialize_entry("status", &self.members.status.as_u16())?;
        if let Some(detail) = &self.members.detail {
            map.serialize_entry("detail", detail)?;
        }
        if let Some(instance) = &self.members.instance {
            map.serialize_entry("instance", instance)?;
        }
        for (name, value) in &self.members.extensions {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        json_response(&self, "content-type: application/problem+json\r\n")
            .with_status(self.members.status)
            .with_problem()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.members.status)?;
        match &self.members.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
