//! `Vary`, which several layers add to.

use corelane_http::response::{HeaderError, Response};

/// Names a request field that the response depends on (RFC 9110 §12.5.5), unless it is named already.
pub(crate) fn vary(response: &mut Response, field: &str) -> Result<(), HeaderError> {
    let named = response.headers().get_all("vary").any(|value| {
        value
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .any(|name| name == b"*" || name.eq_ignore_ascii_case(field.as_bytes()))
    });
    if named { Ok(()) } else { response.headers_mut().append("vary", field) }
}
