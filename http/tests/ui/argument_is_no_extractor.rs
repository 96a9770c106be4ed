//! An argument that cannot be taken from a request.

use corelane_http::app::App;

#[derive(serde::Deserialize)]
struct User {
    name: String,
}

async fn create(user: User) -> String {
    user.name
}

fn main() {
    let _ = App::new().post("/users", create);
}
