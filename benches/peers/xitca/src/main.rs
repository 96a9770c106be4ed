//! xitca-web with one worker.

use std::time::Duration;

use peer_common::{Message, PLAINTEXT};
use xitca_web::{
    App,
    handler::{handler_service, json::Json},
    route::get,
};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn plaintext() -> &'static str {
    PLAINTEXT
}

async fn json() -> Json<Message> {
    Json(Message::hello())
}

fn main() -> std::io::Result<()> {
    App::new()
        .at("/plaintext", get(handler_service(plaintext)))
        .at("/json", get(handler_service(json)))
        .serve()
        .server_threads(1)
        .worker_threads(1)
        .disable_vectored_write()
        // Its 5 s would close the connections whose idle memory is measured.
        .keep_alive_timeout(Duration::from_secs(75))
        .listen(peer_common::listener())?
        .run()
        .wait()
}
