//! A handler without `async`.

use corelane_http::app::App;

fn hello() -> &'static str {
    "hello"
}

fn main() {
    let _ = App::new().get("/", hello);
}
