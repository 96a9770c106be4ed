//! `Content-Disposition`: whether a client shows what it gets or saves it, and under which name (RFC 6266).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::ResponsePart;
use crate::response::{HeaderError, Response};

/// All but `attr-char` (RFC 8187 §3.2.1).
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Whether a response is shown or saved. A [`ResponsePart`].
///
/// The name goes out twice if it has to: as `filename*` in UTF-8 (RFC 8187), and before it as `filename` for clients that do not
/// know that, with `_` for what is not plain ASCII. What could be taken for a path is replaced too, so that no client is
/// told to write beside its download folder: slashes, backslashes, control characters, marks of
/// writing direction, dots at the beginning.
///
/// ```
/// use corelane_http::response::{Disposition, IntoResponse};
///
/// async fn report() -> (Disposition, &'static str) {
///     (Disposition::attachment("sales.csv"), "month,sum\n")
/// }
/// # let _ = corelane_http::app::App::new().get("/report", report);
///
/// let response = (Disposition::attachment("\u{20ac} rates.txt"), "").into_response();
/// assert_eq!(
///     response.headers().get("content-disposition"),
///     Some("attachment; filename=\"_ rates.txt\"; filename*=UTF-8''%E2%82%AC%20rates.txt"),
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    value: String,
}

impl Disposition {
    /// The client saves it and proposes this name.
    pub fn attachment(name: impl AsRef<str>) -> Disposition {
        Disposition::named("attachment", name.as_ref())
    }

    /// The client shows it if it can, and proposes this name if it is saved.
    pub fn inline(name: impl AsRef<str>) -> Disposition {
        Disposition::named("inline", name.as_ref())
    }

    fn named(kind: &str, name: &str) -> Disposition {
        // Marks of writing direction too, which make `cod.exe` look like `exe.doc`.
        let is_unsafe = |c: char| {
            c.is_control() || matches!(c, '/' | '\\' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let name: String = name.chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
        let name = name.trim_start_matches(['.', ' ']).trim_end();
        if name.is_empty() {
            return Disposition { value: kind.to_owned() };
        }
        // `%` is left out of the plain form: some clients decode it there, against the RFC (6266, appendix D).
        let is_plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '%';
        let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let mut value = format!("{kind}; filename=\"{plain}\"");
        if plain != name {
            value.push_str("; filename*=UTF-8''");
            value.extend(utf8_percent_encode(name, NOT_ATTR_CHAR));
        }
        Disposition { value }
    }

    /// The field's value.
    pub fn as_str(&self) -> &str {
        &self.value
    }
}

impl ResponsePart for Disposition {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        response.headers_mut().insert("content-disposition", self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_encoded_and_no_paths() {
        for (why, name, want) in [
            ("plain", "a b.txt", r#"attachment; filename="a b.txt""#),
            ("quotes", "a\"b", r#"attachment; filename="a_b"; filename*=UTF-8''a%22b"#),
            ("percent", "100%.txt", r#"attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt"#),
            ("not ASCII", "na\u{ef}ve", r#"attachment; filename="na_ve"; filename*=UTF-8''na%C3%AFve"#),
            ("a path", "../../etc/passwd", r#"attachment; filename="_.._etc_passwd""#),
            ("a path of Windows", "..\\a", r#"attachment; filename="_a""#),
            ("a hidden file", ".profile", r#"attachment; filename="profile""#),
            ("line end", "a\r\nb: c", r#"attachment; filename="a__b: c""#),
            ("nothing left", "..", "attachment"),
            ("nothing", "", "attachment"),
        ] {
            let disposition = Disposition::attachment(name);
            assert_eq!(disposition.as_str(), want, "{why}");
            assert!(disposition.apply(&mut Response::new("")).is_ok(), "{why}");
        }
    }
}
