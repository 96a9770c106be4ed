//! The server connection machine (RFC 9112 §9).

mod bodies;
mod driver;
mod endings;
mod framing;
mod handover;
mod link;
mod misuse;
mod persistence;
mod whole;
