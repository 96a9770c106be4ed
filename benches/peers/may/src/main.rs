//! may_minihttp with one worker.
//!
//! It binds its listener itself and offers no `TCP_NODELAY`; it writes once per batch of requests, so the option
//! would change nothing.

use std::io;

use bytes::BufMut;
use may_minihttp::{HttpServer, HttpService, Request, Response};
use peer_common::{Message, PLAINTEXT};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone)]
struct Hello;

impl HttpService for Hello {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        match request.path() {
            "/plaintext" => {
                response.header("Content-Type: text/plain; charset=utf-8").body(PLAINTEXT);
            }
            "/json" => {
                response.header("Content-Type: application/json");
                serde_json::to_writer(response.body_mut().writer(), &Message::hello())?;
            }
            _ => {
                response.status_code(404, "Not Found");
            }
        }
        Ok(())
    }
}

fn main() {
    // may pins workers to cores of its own choice; the comparison pins the process.
    may::config().set_workers(1).set_worker_pin(false);
    HttpServer(Hello).start(peer_common::listen_address()).expect("bind").join().expect("server");
}
