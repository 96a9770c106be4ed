//! The protocols from outside: tables, cuts, properties, and other people's decoders.
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(feature = "postgres")]
mod pg;
mod resp;
