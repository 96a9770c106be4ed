//! A path without one of its parameters.

use corelane_http::router::{Named, UrlError, UrlFor};

const POST: Named<(String, u64)> = Named::new("post");

async fn link(urls: UrlFor) -> Result<String, UrlError> {
    urls.to(POST, ("ada".to_owned(),))
}

fn main() {
    let _ = link;
}
