//! The boundary between parts.

use std::fmt;

use super::error::{Kind, MultipartError};
use super::params::{self, Value};

/// Longest boundary (RFC 2046 §5.1.1), in characters.
pub const BOUNDARY_LEN_MAX: usize = 70;

/// A valid boundary: 1 to 70 of `bchars`, the last no space (RFC 2046 §5.1.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Boundary {
    text: Box<str>,
}

impl Boundary {
    /// The boundary with this text.
    ///
    /// # Errors
    /// The text has characters that a boundary may not have, or is too long, or empty.
    pub fn new(text: &str) -> Result<Boundary, MultipartError> {
        let valid = text.len() <= BOUNDARY_LEN_MAX
            && text.bytes().all(is_boundary_byte)
            && text.bytes().last().is_some_and(|last| last != b' ');
        if valid { Ok(Boundary { text: text.into() }) } else { Err(Kind::BoundaryInvalid.into()) }
    }

    /// The boundary that a `content-type` names.
    ///
    /// # Errors
    /// Another type than `multipart/form-data` ([`MultipartError::is_other_type`]); no boundary, several, or one that
    /// is not valid; a parameter that breaks the grammar.
    pub fn from_content_type(content_type: &[u8]) -> Result<Boundary, MultipartError> {
        let (essence, params) = params::split(content_type);
        if !essence.eq_ignore_ascii_case(b"multipart/form-data") {
            return Err(Kind::NotFormData.into());
        }
        let mut found: Option<Value<'_>> = None;
        for param in params {
            let (name, value) = param?;
            if name.eq_ignore_ascii_case(b"boundary") && found.replace(value).is_some() {
                return Err(Kind::BoundaryTwice.into());
            }
        }
        let text = found.ok_or(Kind::BoundaryMissing)?.text();
        Boundary::new(std::str::from_utf8(&text).map_err(|_| Kind::BoundaryInvalid)?)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Boundary").field(&self.text).finish()
    }
}

/// `bchars`. That CR and LF are none of them is what makes the search for delimiters simple.
fn is_boundary_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_of_content_types() {
        let longest = format!("multipart/form-data; boundary={}", "a".repeat(70));
        let longer = format!("{longest}a");
        for (why, content_type, want) in [
            (
                "a browser's",
                "multipart/form-data; boundary=----WebKitFormBoundaryAbC",
                Some("----WebKitFormBoundaryAbC"),
            ),
            ("any case", "Multipart/Form-Data; BOUNDARY=a", Some("a")),
            ("quoted", "multipart/form-data; boundary=\"a b:c\"", Some("a b:c")),
            ("quoted, with an escape that makes it none", r#"multipart/form-data; boundary="a\"b""#, None),
            ("after another parameter", "multipart/form-data; charset=utf-8; boundary=a", Some("a")),
            ("the longest", &longest, Some(&*"a".repeat(70))),
            ("one more", &longer, None),
            ("ends in a space", "multipart/form-data; boundary=\"a \"", None),
            ("empty", "multipart/form-data; boundary=\"\"", None),
            ("none", "multipart/form-data", None),
            ("two: which one would the proxy take?", "multipart/form-data; boundary=a; boundary=b", None),
            ("not a token and not quoted", "multipart/form-data; boundary=a:b", None),
            ("not ASCII", "multipart/form-data; boundary=\"é\"", None),
            ("an open quote", "multipart/form-data; boundary=\"a", None),
            ("another type", "multipart/mixed; boundary=a", None),
        ] {
            let found = Boundary::from_content_type(content_type.as_bytes());
            assert_eq!(found.as_ref().ok().map(Boundary::as_str), want, "{why}: {found:?}");
        }
        let other = Boundary::from_content_type(b"text/plain").unwrap_err();
        assert!(other.is_other_type() && other.limit().is_none());
    }
}
