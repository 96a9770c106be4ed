//! A layer that takes something else than a request and what is further in.

use corelane_http::app::App;
use corelane_http::request::Request;
use corelane_http::response::Response;

async fn layer(_: Request) -> Response {
    Response::new("no")
}

fn main() {
    let _ = App::new().with(layer);
}
