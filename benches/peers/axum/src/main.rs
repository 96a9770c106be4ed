//! axum on one current-thread tokio runtime.
//!
//! Connections are handed to hyper's HTTP/1 connection directly instead of through `axum::serve`: that is hyper's
//! documented way to `pipeline_flush`, without which every pipelined answer is a write of its own.

use axum::{Json, Router, routing::get};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use peer_common::{Message, PLAINTEXT};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn serve() {
    let app = Router::new()
        .route("/plaintext", get(async || PLAINTEXT))
        .route("/json", get(async || Json(Message::hello())));
    let listener = tokio::net::TcpListener::from_std(peer_common::listener()).expect("listener");
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    loop {
        // Out of descriptors: the next accept may do better.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        tokio::spawn(async move {
            // A connection that ends in an error concerns its client alone.
            let _ = connection.await;
        });
    }
}

fn main() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(serve());
}
