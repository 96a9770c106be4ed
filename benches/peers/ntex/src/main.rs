//! ntex with one worker, without the per-connection timers it lets one switch off.

use ntex::{
    SharedCfg,
    http::{HttpServiceConfig, KeepAlive},
    time::Seconds,
    web::{self, App, HttpResponse, HttpServer},
};
use peer_common::{Message, PLAINTEXT};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn plaintext() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(PLAINTEXT)
}

async fn json() -> HttpResponse {
    HttpResponse::Ok().json(&Message::hello())
}

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let http = HttpServiceConfig::new().set_keepalive(KeepAlive::Os).set_client_timeout(Seconds::ZERO);
    HttpServer::new(async || {
        App::new().route("/plaintext", web::get().to(plaintext)).route("/json", web::get().to(json))
    })
    .workers(1)
    .config(SharedCfg::new("peer").add(http))
    .listen(peer_common::listener())?
    .run()
    .await
}
