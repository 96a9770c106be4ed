//! More than eight arguments.

use corelane_http::app::App;
use corelane_http::extract::Peer;

async fn many(_: Peer, _: Peer, _: Peer, _: Peer, _: Peer, _: Peer, _: Peer, _: Peer, _: Peer) {}

fn main() {
    let _ = App::new().get("/", many);
}
