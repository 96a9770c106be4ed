//! A closure that owns what cannot be cloned.

use corelane_http::app::App;

struct Database;

fn main() {
    let database = Database;
    let _ = App::new().get("/", async move || {
        let _ = &database;
    });
}
