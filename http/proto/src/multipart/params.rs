//! Parameters behind a value: `; name=token; name="quoted"` (RFC 9110 §5.6.6, RFC 2183 §2).

use super::error::{Kind, MultipartError};
use crate::class::{is_token, is_token_byte};

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Token(&'a [u8]),
    /// What stands between the quotes, with its escapes.
    Quoted(&'a [u8]),
}

impl Value<'_> {
    /// The text: of `\"` and `\\` the second character. A backslash before anything else stands for itself, as browsers
    /// send it, who do not escape the ones in `C:\new.txt`.
    pub(super) fn text(self) -> Vec<u8> {
        let (Value::Token(raw) | Value::Quoted(raw)) = self;
        let mut text = Vec::with_capacity(raw.len());
        let mut rest = raw.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            let escaped =
                if byte == b'\\' { rest.next_if(|next| matches!(next, b'"' | b'\\')) } else { None };
            text.push(escaped.unwrap_or(byte));
        }
        text
    }
}

/// Splits a field value into what stands before the first `;`, and its parameters.
pub(super) fn split(value: &[u8]) -> (&[u8], Params<'_>) {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    (value[..end].trim_ascii(), Params { rest: &value[end..] })
}

/// Iterator over parameters; ends after the first error.
pub(super) struct Params<'a> {
    /// Empty, or begins with the `;` before the next parameter.
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    fn take(&mut self) -> Result<Option<(&'a [u8], Value<'a>)>, MultipartError> {
        loop {
            let Some(rest) = self.rest.strip_prefix(b";") else {
                return if self.rest.is_empty() { Ok(None) } else { Err(Kind::ParameterInvalid.into()) };
            };
            let rest = rest.trim_ascii_start();
            // An empty one (RFC 9110 §5.6.6).
            if rest.is_empty() || rest.starts_with(b";") {
                self.rest = rest;
                continue;
            }
            let equals = memchr::memchr(b'=', rest).ok_or(Kind::ParameterInvalid)?;
            let (name, value) = (&rest[..equals], &rest[equals + 1..]);
            if !is_token(name) {
                return Err(Kind::ParameterInvalid.into());
            }
            let (value, after) = match value.strip_prefix(b"\"") {
                Some(quoted) => quoted_string(quoted).ok_or(Kind::ParameterInvalid)?,
                None => token(value).ok_or(Kind::ParameterInvalid)?,
            };
            self.rest = after.trim_ascii_start();
            return Ok(Some((name, value)));
        }
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<(&'a [u8], Value<'a>), MultipartError>;

    fn next(&mut self) -> Option<Self::Item> {
        let taken = self.take();
        if taken.is_err() {
            self.rest = b"";
        }
        taken.transpose()
    }
}

/// The value, and what stands after the quote that ends it.
fn quoted_string(rest: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut at = 0;
    loop {
        match rest.get(at)? {
            b'"' => return Some((Value::Quoted(&rest[..at]), &rest[at + 1..])),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn token(rest: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let end = rest.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(rest.len());
    (end > 0).then(|| (Value::Token(&rest[..end]), &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Option<Vec<(String, String)>> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (_, params) = split(value.as_bytes());
        params.map(|param| param.ok().map(|(name, value)| (text(name), text(&value.text())))).collect()
    }

    #[test]
    fn tokens_quotes_and_what_is_neither() {
        for (why, value, want) in [
            ("none", "form-data", Some(&[][..])),
            ("a token", "form-data; name=a", Some(&[("name", "a")][..])),
            ("quoted, with a semicolon", "x;name=\"a;b\"", Some(&[("name", "a;b")])),
            ("two, spaces around", "x ;  a=1 ;\tb=\"2\"", Some(&[("a", "1"), ("b", "2")])),
            ("empty ones", "x;;a=1;", Some(&[("a", "1")])),
            ("an escaped quote", r#"x;a="b\"c""#, Some(&[("a", "b\"c")])),
            ("an escaped backslash", r#"x;a="b\\c""#, Some(&[("a", r"b\c")])),
            ("a path as browsers once sent it", r#"x;a="C:\new.txt""#, Some(&[("a", r"C:\new.txt")])),
            ("UTF-8 in quotes", "x;a=\"é\"", Some(&[("a", "é")])),
            ("UTF-8 without", "x;a=é", None),
            ("no value", "x;a", None),
            ("an empty token", "x;a=", None),
            ("an open quote", "x;a=\"b", None),
            ("a quote that an escape keeps open", r#"x;a="b\""#, None),
            ("space before the sign", "x;a =b", None),
            ("space after it", "x;a= b", None),
            ("something behind the quote", "x;a=\"b\"c", None),
        ] {
            let want = want.map(|pairs| {
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<Vec<_>>()
            });
            assert_eq!(all(value), want, "{why}");
        }
    }
}
