//! actix-web with one worker, without the per-connection timers it lets one switch off.

use std::time::Duration;

use actix_web::{App, HttpServer, http::KeepAlive, web};
use peer_common::{Message, PLAINTEXT};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(|| {
        App::new()
            .route("/plaintext", web::get().to(async || PLAINTEXT))
            .route("/json", web::get().to(async || web::Json(Message::hello())))
    })
    .workers(1)
    .keep_alive(KeepAlive::Os)
    .client_request_timeout(Duration::ZERO)
    .listen(peer_common::listener())?
    .run()
    .await
}
