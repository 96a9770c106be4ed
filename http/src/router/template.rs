//! Route templates: `/users/{id}/files/{*path}`.

use std::fmt::Write;

use crate::request::PARAMS_MAX;

/// A template, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) segments: Vec<Segment>,
    /// Names of the parameters in order.
    pub(super) names: Vec<Box<str>>,
}

/// What stands between two slashes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// These bytes, percent-encoded as a client sends them.
    Static(Box<str>),
    /// `{name}`: anything that is not empty.
    Param,
    /// `{*name}`: the rest of the path, slashes included, if that is not empty.
    Rest,
}

impl Template {
    /// # Errors
    /// What is wrong, in words for the one who wrote the template.
    pub(super) fn parse(text: &str) -> Result<Template, &'static str> {
        let Some(path) = text.strip_prefix('/') else { return Err("it has to begin with a slash") };
        let mut template = Template { segments: Vec::new(), names: Vec::new() };
        let mut rest_before = false;
        for part in path.split('/') {
            if rest_before {
                return Err("nothing can stand behind `{*rest}`, which takes all that is left");
            }
            let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let segment = match inner {
                Some(inner) => {
                    let name = inner.strip_prefix('*').unwrap_or(inner);
                    template.name(name)?;
                    rest_before = inner.starts_with('*');
                    if rest_before { Segment::Rest } else { Segment::Param }
                }
                None if part.contains(['?', '#']) => {
                    return Err("it matches the path only; take the query with the `Query` extractor");
                }
                None if part.contains(['{', '}']) => {
                    return Err(
                        "a parameter takes a whole segment: `/{name}/`, with nothing beside the braces",
                    );
                }
                None => Segment::Static(encode(part)),
            };
            template.segments.push(segment);
        }
        Ok(template)
    }

    /// The same for templates that match the same paths.
    pub(super) fn shape(&self) -> String {
        let mut shape = String::new();
        for segment in &self.segments {
            shape.push('/');
            // Braces do not occur in encoded text.
            shape.push_str(match segment {
                Segment::Static(text) => text,
                Segment::Param => "{}",
                Segment::Rest => "{*}",
            });
        }
        shape
    }

    fn name(&mut self, name: &str) -> Result<(), &'static str> {
        let mut bytes = name.bytes();
        let starts_well = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if !starts_well || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(
                "the name of a parameter is made of letters, digits and `_`, and begins with no digit",
            );
        }
        if self.names.iter().any(|found| **found == *name) {
            return Err("two parameters have the same name");
        }
        if self.names.len() == PARAMS_MAX {
            return Err("it has more than 16 parameters");
        }
        self.names.push(name.into());
        Ok(())
    }
}

/// Text as it stands in a path: what RFC 3986 §3.3 does not allow in a segment is percent-encoded.
fn encode(part: &str) -> Box<str> {
    let mut encoded = String::with_capacity(part.len());
    for byte in part.bytes() {
        // `%` stays: a template may be written encoded.
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_taken_apart_at_slashes() {
        let fixed = |text: &str| Segment::Static(text.into());
        for (text, segments, names) in [
            ("/", vec![fixed("")], vec![]),
            ("/users", vec![fixed("users")], vec![]),
            ("/users/", vec![fixed("users"), fixed("")], vec![]),
            ("/users/{id}", vec![fixed("users"), Segment::Param], vec!["id"]),
            ("/{a}/{_b2}", vec![Segment::Param, Segment::Param], vec!["a", "_b2"]),
            ("/files/{*path}", vec![fixed("files"), Segment::Rest], vec!["path"]),
            ("/{*all}", vec![Segment::Rest], vec!["all"]),
            ("/caf\u{e9} au lait", vec![fixed("caf%C3%A9%20au%20lait")], vec![]),
            ("/a%20b", vec![fixed("a%20b")], vec![]),
        ] {
            let template = Template::parse(text).unwrap();
            assert_eq!(template.segments, segments, "{text}");
            assert_eq!(template.names.iter().map(|name| &**name).collect::<Vec<_>>(), names, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_template_is_refused_with_the_reason() {
        let many: String = (0..17).map(|n| format!("/{{p{n}}}")).collect();
        for (text, reason) in [
            ("", "begin with a slash"),
            ("users", "begin with a slash"),
            ("/{id}.json", "whole segment"),
            ("/v{n}", "whole segment"),
            ("/{", "whole segment"),
            ("/a}", "whole segment"),
            ("/{}", "name of a parameter"),
            ("/{*}", "name of a parameter"),
            ("/{1a}", "name of a parameter"),
            ("/{a-b}", "name of a parameter"),
            ("/{{a}}", "name of a parameter"),
            ("/{a}/{a}", "same name"),
            ("/{*rest}/more", "behind `{*rest}`"),
            ("/{*rest}/", "behind `{*rest}`"),
            ("/search?q={q}", "query"),
            (&many, "more than 16"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
