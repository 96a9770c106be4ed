//! A result that cannot be a response.

use corelane_http::app::App;

#[derive(serde::Serialize)]
struct User {
    name: String,
}

async fn read() -> User {
    User { name: "ada".to_owned() }
}

fn main() {
    let _ = App::new().get("/users/1", read);
}
