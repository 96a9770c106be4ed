//! Integration tests, one module a subject. Each runs over every driver.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod echo;
mod support;
