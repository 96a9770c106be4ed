//! Why a call has no answer.

use std::fmt;

/// A call that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallError {
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NoSuchCore,
    Full,
    TooDeep,
    Panicked,
    CoreEnded,
}

impl CallError {
    /// True if too many calls to that core wait already. Nothing was run there; try later, or shed
    /// the work.
    pub fn is_full(&self) -> bool {
        self.kind == Kind::Full
    }

    /// True if the call was made inside [`CALL_DEPTH_MAX`](super::CALL_DEPTH_MAX) calls. Nothing was run.
    pub fn is_too_deep(&self) -> bool {
        self.kind == Kind::TooDeep
    }

    /// True if what was called panicked. The panic ended there; the core goes on.
    pub fn is_panicked(&self) -> bool {
        self.kind == Kind::Panicked
    }

    /// True if the core ended before it answered, or has no such number. Whether it had begun is not known.
    pub fn is_core_ended(&self) -> bool {
        matches!(self.kind, Kind::CoreEnded | Kind::NoSuchCore)
    }

    /// True if nothing was run, so that the call may be made again whatever it does.
    pub fn is_safe_to_retry(&self) -> bool {
        matches!(self.kind, Kind::Full | Kind::TooDeep | Kind::NoSuchCore)
    }
}

impl From<Kind> for CallError {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::NoSuchCore => "the runtime has no core of that number",
            Kind::Full => "too many calls to the core wait",
            Kind::TooDeep => "a call inside too many calls",
            Kind::Panicked => "what was called on the core panicked",
            Kind::CoreEnded => "the core has ended",
        })
    }
}

impl std::error::Error for CallError {}
