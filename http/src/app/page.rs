//! Problems as pages, for people.

use corelane_runtime::buf::LocalBoxFuture;
use serde_json::Value;

use crate::request::Request;
use crate::respond::escape_html;
use crate::response::Response;

impl Request {
    /// True if the client asks for HTML in the first place: its `Accept` begins with `text/html` or
    /// `application/xhtml+xml`, as that of a browser does that goes to a page. What scripts in a page fetch, and what
    /// programs send (`*/*`, `application/json`, nothing), does not.
    ///
    /// One comparison rather than a negotiation by weights, as it is asked of each request.
    #[inline]
    pub fn prefers_html(&self) -> bool {
        use corelane_http_proto::head::Name;
        let Some(accept) = self.known_header(Name::Accept) else { return false };
        ["text/html", "application/xhtml+xml"].iter().any(|html| {
            let Some((first, rest)) = accept.split_at_checked(html.len()) else { return false };
            matches!(rest, [] | [b',' | b' ' | b'\t', ..]) && first.eq_ignore_ascii_case(html.as_bytes())
        })
    }
}

/// The same answer, as a page if it is a problem.
pub(super) async fn for_people(answer: LocalBoxFuture<'static, Response>) -> Response {
    let mut response = answer.await;
    if response.is_problem() && !response.headers().contains("content-encoding") {
        show(&mut response);
    }
    response
}

#[cold]
fn show(response: &mut Response) {
    // A body that is not whole any more was put there by a layer.
    let Some(json) = response.body_mut().take_full() else { return };
    let Ok(Value::Object(problem)) = serde_json::from_slice(&json) else {
        response.set_body(json);
        return;
    };
    let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let page = page(response.status().as_u16(), text("title"), text("detail"));
    let fields = response.headers_mut();
    let set = fields
        .insert("content-type", "text/html; charset=utf-8")
        .and_then(|()| fields.append("vary", "accept"));
    debug_assert!(set.is_ok(), "both are short and valid");
    response.set_body(page);
}

fn page(status: u16, title: &str, detail: &str) -> String {
    let mut page = format!("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{status} ");
    page.push_str(&escape_html(title));
    page.push_str("</title>\n<h1>");
    page.push_str(&escape_html(title));
    page.push_str("</h1>\n");
    if !detail.is_empty() {
        page.push_str("<p>");
        page.push_str(&escape_html(detail));
        page.push_str("</p>\n");
    }
    page.push_str("</html>\n");
    page
}
