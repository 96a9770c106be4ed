//! The page that shows the document: Swagger UI, its files in the binary.

use bytes::Bytes;
use http::StatusCode;

use super::docs::hidden;
use crate::app::App;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::escape_html;
use crate::response::{IntoResponse, Response};
use crate::router::get;

/// Swagger UI, Apache-2.0; see `assets/`. Compressed, as every browser takes it.
const VERSION: &str = "5.35.0";
const SCRIPT: &[u8] = include_bytes!("assets/swagger-ui-bundle.js.gz");
const STYLE: &[u8] = include_bytes!("assets/swagger-ui.css.gz");
const START: &str = include_str!("assets/start.js");

/// No other host, no script but the two files. Swagger UI sets style attributes, hence the one exception.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the page at `path` and its files below.
#[track_caller]
pub(super) fn serve(app: App, path: &str, json: &str, title: &str) -> App {
    let page = Bytes::from(page(path, json, title));
    let below = format!("{path}/{VERSION}");
    app.route(path, get(async move || page_response(page.clone())).describe(hidden()))
        .route(
            &format!("{below}/ui.js"),
            get(async |request: Request| packed(&request, "text/javascript", SCRIPT)).describe(hidden()),
        )
        .route(
            &format!("{below}/ui.css"),
            get(async |request: Request| packed(&request, "text/css", STYLE)).describe(hidden()),
        )
        .route(
            &format!("{below}/start.js"),
            get(async || kept(Response::new(START), "text/javascript")).describe(hidden()),
        )
}

/// Addresses are relative to the page, so that a proxy may put all of it below a prefix.
fn page(path: &str, json: &str, title: &str) -> String {
    let depth = path.matches('/').count().saturating_sub(1);
    let document = format!("{}{}", "../".repeat(depth), escape_html(json.trim_start_matches('/')));
    let files = format!("{}/{VERSION}", escape_html(path.rsplit('/').next().unwrap_or_default()));
    let title = escape_html(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"{files}/ui.css\">\n<link rel=\"icon\" href=\"data:,\">\n</head>\n<body>\n\
         <div id=\"ui\"></div>\n<noscript>This page needs JavaScript; the document itself is \
         <a href=\"{document}\">{document}</a>.</noscript>\n<script src=\"{files}/ui.js\"></script>\n\
         <script src=\"{files}/start.js\" data-document=\"{document}\"></script>\n</body>\n</html>\n"
    )
}

fn page_response(page: Bytes) -> Response {
    fields(
        Response::new(page),
        &[
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ],
    )
}

/// A file that is sent as it is packed.
fn packed(request: &Request, content_type: &str, file: &'static [u8]) -> Response {
    let accepts = request.header("accept-encoding").unwrap_or_default();
    let has_gzip = accepts.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
        ["gzip", "x-gzip", "*"].iter().any(|known| name.trim().eq_ignore_ascii_case(known)) && !refused
    });
    if !has_gzip {
        let problem = Problem::new(StatusCode::NOT_ACCEPTABLE);
        return problem.detail("this file is only to be had with `accept-encoding: gzip`").into_response();
    }
    let response = kept(Response::new(file), content_type);
    fields(response, &[("content-encoding", "gzip"), ("vary", "accept-encoding")])
}

/// A file whose address changes with its content.
fn kept(response: Response, content_type: &str) -> Response {
    fields(
        response,
        &[
            ("content-type", content_type),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("x-content-type-options", "nosniff"),
        ],
    )
}

fn fields(mut response: Response, fields: &[(&str, &str)]) -> Response {
    for (name, value) in fields {
        if let Err(error) = response.headers_mut().insert(name, value) {
            return error.into_response();
        }
    }
    response
}
