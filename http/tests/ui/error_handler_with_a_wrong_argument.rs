//! An error handler that takes something else than a request and an answer.

use corelane_http::app::App;
use corelane_http::response::StatusCode;

async fn page(_: StatusCode) -> &'static str {
    "lost"
}

fn main() {
    let _ = App::new().on_error(404, page);
}
