//! Route templates: `/users/{id}/files/{*path}`.

use std::borrow::Cow;
use std::fmt::Write;
use std::rc::Rc;

use super::pattern::Pattern;
use crate::request::PARAMS_MAX;

/// A template, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) segments: Vec<Segment>,
    /// Names of the parameters in order.
    pub(super) names: Rc<[Box<str>]>,
}

/// What stands between two slashes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// These bytes, percent-encoded as a client sends them.
    Static(Box<str>),
    /// `{name}`: anything that is not empty.
    Param,
    /// `{name:regex}`: what the pattern matches, if that is not empty.
    Pattern(Pattern),
    /// `{*name}`: the rest of the path, slashes included, if that is not empty.
    Rest,
}

impl Template {
    /// # Errors
    /// What is wrong, in words for the one who wrote the template.
    pub(super) fn parse(text: &str) -> Result<Template, Cow<'static, str>> {
        let Some(path) = text.strip_prefix('/') else { return Err("it has to begin with a slash".into()) };
        let (mut segments, mut names) = (Vec::new(), Vec::new());
        let mut rest_before = false;
        let mut left = Some(path);
        while let Some(path) = left {
            let (part, behind) = split(path);
            left = behind;
            if rest_before {
                return Err("nothing can stand behind `{*rest}`, which takes all that is left".into());
            }
            let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let segment = match inner {
                Some(inner) => {
                    let (name, pattern) = match inner.split_once(':') {
                        Some((name, pattern)) => (name, Some(pattern)),
                        None => (inner, None),
                    };
                    rest_before = name.starts_with('*');
                    add_name(&mut names, name.strip_prefix('*').unwrap_or(name))?;
                    match pattern {
                        Some(_) if rest_before => {
                            return Err("a pattern is for one segment, `{*rest}` takes several".into());
                        }
                        Some(pattern) => Segment::Pattern(Pattern::compile(pattern)?),
                        None if rest_before => Segment::Rest,
                        None => Segment::Param,
                    }
                }
                None if part.contains(['?', '#']) => {
                    return Err("it matches the path only; take the query with the `Query` extractor".into());
                }
                None if part.contains(['{', '}']) => {
                    return Err(
                        "a parameter takes a whole segment: `/{name}/`, with nothing beside the braces"
                            .into(),
                    );
                }
                None => Segment::Static(encode(part)),
            };
            segments.push(segment);
        }
        Ok(Template { segments, names: names.into() })
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
                Segment::Pattern(pattern) => {
                    let _ = write!(shape, "{{:{}}}", pattern.as_str());
                    continue;
                }
                Segment::Rest => "{*}",
            });
        }
        shape
    }
}

fn add_name(names: &mut Vec<Box<str>>, name: &str) -> Result<(), &'static str> {
    let mut bytes = name.bytes();
    let starts_well = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !starts_well || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("the name of a parameter is made of letters, digits and `_`, and begins with no digit");
    }
    if names.iter().any(|found| **found == *name) {
        return Err("two parameters have the same name");
    }
    if names.len() == PARAMS_MAX {
        return Err("it has more than 16 parameters");
    }
    names.push(name.into());
    Ok(())
}

/// The next segment, and what is behind its slash. A slash inside braces, where a pattern may have one, ends no segment.
fn split(path: &str) -> (&str, Option<&str>) {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if depth > 0 => escaped = true,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'/' if depth == 0 => return (&path[..at], Some(&path[at + 1..])),
            _ => {}
        }
    }
    (path, None)
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
        let pattern = |text: &str| Segment::Pattern(Pattern::compile(text).unwrap());
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
            ("/{id:[0-9]+}", vec![pattern("[0-9]+")], vec!["id"]),
            ("/{id:[0-9]{2,4}}/x", vec![pattern("[0-9]{2,4}"), fixed("x")], vec!["id"]),
            ("/{name:[^/]+}/{b}", vec![pattern("[^/]+"), Segment::Param], vec!["name", "b"]),
            ("/{a:x:y}", vec![pattern("x:y")], vec!["a"]),
            ("/{a:\\{\\}}", vec![pattern("\\{\\}")], vec!["a"]),
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
            ("/{a:(}", "`(` is not a regular expression"),
            ("/{a:x)|(y}", "is not a regular expression"),
            ("/{a:}", "is empty"),
            ("/{*a:x}", "one segment"),
            ("/{:x}", "name of a parameter"),
            ("/{a:{}", "is not a regular expression"),
            ("/{a:[}", "is not a regular expression"),
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
