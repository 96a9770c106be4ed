//! The command against a process that has an admin listener: this one.
#![allow(clippy::unwrap_used, reason = "tests")]

mod profile;
