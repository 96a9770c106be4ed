//! The examples as their users meet them: processes of their own, asked by curl, Python, wrk, a browser and by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

mod browser;
mod clients;
mod faults;
mod files;
mod process;
mod redis;
mod rest;
mod restart;
mod routes;
mod signals;
mod ticker;
mod uploads;
mod web;
