//! A body of a type that cannot be read.

use corelane_http::app::App;
use corelane_http::extract::Json;

struct User {
    name: String,
}

async fn create(Json(user): Json<User>) -> String {
    user.name
}

fn main() {
    let _ = App::new().post("/users", create);
}
