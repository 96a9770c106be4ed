//! Where a redirect leads (RFC 9110 §15.4).

use http::Method;

use super::error::{ClientError, Kind};
use super::request::{Outgoing, Payload};
use super::response::Response;
use super::url::Url;

/// The request that follows a redirect.
pub(super) struct Next {
    pub(super) method: Method,
    pub(super) url: Url,
}

/// The request that follows `response`; `None` if it is the answer: no redirect, one without a `location`, one that is
/// not to be followed, or one that would have a body sent again that can be read only once.
///
/// # Errors
/// If it leads nowhere, or from https to http.
pub(super) fn next(response: &Response, request: &Outgoing) -> Result<Option<Next>, ClientError> {
    if request.redirects_max == 0 {
        return Ok(None);
    }
    let Some(method) = method(response.status().as_u16(), &request.method) else { return Ok(None) };
    let Some(location) = response.header("location") else { return Ok(None) };
    if method == request.method && matches!(request.body, Payload::Spent) {
        return Ok(None);
    }
    let url = match request.url.join(location) {
        Ok(url) => url,
        Err(error) => return Err(ClientError::new(Kind::Location(error)).at(&request.url)),
    };
    if request.url.is_https() && !url.is_https() {
        return Err(ClientError::new(Kind::Downgrade).at(&request.url));
    }
    Ok(Some(Next { method, url }))
}

/// The method that follows a redirect of this status; `None` if it is none.
fn method(status: u16, method: &Method) -> Option<Method> {
    match status {
        303 if *method != Method::HEAD => Some(Method::GET),
        // What the RFC permits and every browser does.
        301 | 302 if *method == Method::POST => Some(Method::GET),
        301 | 302 | 303 | 307 | 308 => Some(method.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_follow_as_rfc_9110_has_it() {
        for (status, before, after) in [
            (301, "GET", Some("GET")),
            (301, "POST", Some("GET")),
            (301, "PUT", Some("PUT")),
            (302, "POST", Some("GET")),
            (302, "DELETE", Some("DELETE")),
            (303, "POST", Some("GET")),
            (303, "PUT", Some("GET")),
            (303, "HEAD", Some("HEAD")),
            (307, "POST", Some("POST")),
            (308, "POST", Some("POST")),
            (300, "GET", None),
            (304, "GET", None),
            (305, "GET", None),
        ] {
            let before: Method = before.parse().unwrap();
            let found = method(status, &before);
            assert_eq!(found.as_ref().map(Method::as_str), after, "{status} {before}");
        }
    }
}
