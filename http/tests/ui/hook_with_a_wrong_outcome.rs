//! A hook that ends with something else than nothing or a result.

use corelane_http::app::App;

fn main() {
    let _ = App::new().on_start(async || 7);
}
