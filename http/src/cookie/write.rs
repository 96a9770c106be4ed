//! The `set-cookie` field: defaults, rules, bytes.

use ::cookie::{Cookie, SameSite};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::CookieError;
use super::error::Kind;

/// Bytes of one `set-cookie` field at most (4 KiB): what clients have to take (RFC 6265 §6.1).
pub const COOKIE_BYTES_MAX: usize = 4096;

/// What cannot stand in a value (`cookie-octet` of RFC 6265 §4.1.1), and the percent sign.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

/// The value of a `set-cookie` field: the cookie with the defaults of the [module](super#defaults), its value
/// percent-encoded where it has to be. [`Cookies::add`](super::Cookies::add) sends it; layers that send cookies of their own use this.
///
/// ```
/// use corelane_http::cookie::{Cookie, set_cookie};
///
/// let line = set_cookie(Cookie::build(("a", "1; 2")).path("/app"))?;
/// assert_eq!(line, "a=1%3B%202; HttpOnly; SameSite=Lax; Secure; Path=/app");
/// assert!(set_cookie(Cookie::build(("a", "1")).path("/; Domain=evil.test")).unwrap_err().is_injection());
/// # Ok::<(), corelane_http::cookie::CookieError>(())
/// ```
///
/// # Errors
/// The cookie breaks a rule of RFC 6265bis, or is over [`COOKIE_BYTES_MAX`].
pub fn set_cookie<'c>(cookie: impl Into<Cookie<'c>>) -> Result<String, CookieError> {
    let mut cookie = cookie.into();
    cookie.set_http_only(cookie.http_only().unwrap_or(true));
    cookie.set_secure(cookie.secure().unwrap_or(true));
    cookie.set_same_site(cookie.same_site().unwrap_or(SameSite::Lax));
    if cookie.path().is_none() {
        cookie.set_path("/");
    }
    check(&cookie)?;
    let value = utf8_percent_encode(cookie.value(), ESCAPED).to_string();
    cookie.set_value(value);
    let line = cookie.to_string();
    if line.len() > COOKIE_BYTES_MAX {
        return Err(Kind::TooLarge { bytes: line.len() }.into());
    }
    Ok(line)
}

fn check(cookie: &Cookie<'_>) -> Result<(), CookieError> {
    let name = cookie.name();
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Kind::Name.into());
    }
    let plain = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';');
    for (attribute, text) in [("Path", cookie.path()), ("Domain", cookie.domain())] {
        if !text.is_none_or(plain) {
            return Err(Kind::Attribute(attribute).into());
        }
    }
    let secure = cookie.secure() == Some(true);
    // Browsers compare prefixes without case (RFC 6265bis §5.7).
    let has_prefix =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if has_prefix("__Host-") && !(secure && cookie.path() == Some("/") && cookie.domain().is_none()) {
        return Err(
            Kind::Prefix("a `__Host-` cookie has to be `Secure`, with the path `/` and no domain").into()
        );
    }
    if has_prefix("__Secure-") && !secure {
        return Err(Kind::Prefix("a `__Secure-` cookie has to be `Secure`").into());
    }
    if !secure && cookie.same_site() == Some(SameSite::None) {
        return Err(Kind::Insecure("SameSite=None").into());
    }
    if !secure && cookie.partitioned() == Some(true) {
        return Err(Kind::Insecure("Partitioned").into());
    }
    Ok(())
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
