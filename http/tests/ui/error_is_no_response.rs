//! An error that cannot be a response.

use corelane_http::app::App;

async fn read() -> Result<String, std::io::Error> {
    std::fs::read_to_string("notes")
}

fn main() {
    let _ = App::new().get("/notes", read);
}
