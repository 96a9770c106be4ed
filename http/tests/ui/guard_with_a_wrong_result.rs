//! A guard that does not say yes or no.

use corelane_http::request::Request;
use corelane_http::router::get;

fn query(request: &Request) -> Option<&str> {
    request.query()
}

fn main() {
    let _ = get(async || ()).guard(query);
}
