//! Patterns of parameters: the part behind the colon of `{name:regex}`.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use regex_lite::Regex;

/// A regular expression that has to match all of a segment.
///
/// Of the two crates of the regex project this is the small one: patterns of routes are short, and so is what they are
/// matched with; `regex` would take several seconds of each clean build for speed that does not show here.
/// Classes such as `\d` are ASCII, as numbers of extractors are.
///
/// A match takes its memory from a pool of the expression, behind a mutex that no other core ever sees, as each core compiles
/// its own; from the second match on it allocates nothing.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As it was written.
    text: Box<str>,
    /// Anchored at both ends.
    regex: Regex,
}

impl Pattern {
    /// # Errors
    /// What is wrong, in words for the one who wrote it.
    pub(super) fn compile(text: &str) -> Result<Pattern, Cow<'static, str>> {
        if text.is_empty() {
            return Err("the pattern of a parameter is empty; write `{name}` for any segment".into());
        }
        // Alone first: `a)|(b` would become one by what is put around it.
        let regex = Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$")));
        match regex {
            Ok(regex) => Ok(Pattern { text: text.into(), regex }),
            Err(error) => Err(format!("`{text}` is not a regular expression: {error}").into()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// True for a segment as it stands in a path. It is decoded for that, so that what matches is what the handler gets;
    /// what is not UTF-8 matches nothing.
    pub(super) fn matches(&self, segment: &[u8]) -> bool {
        percent_decode(segment).decode_utf8().is_ok_and(|text| self.fits(&text))
    }

    /// True for a value.
    pub(super) fn fits(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_decoded_segment_has_to_match() {
        for (why, pattern, segment, want) in [
            ("all of it", "[0-9]+", "123", true),
            ("not a part", "[0-9]+", "123a", false),
            ("not a part in front", "[0-9]+", "a123", false),
            ("alternatives are anchored together", "a|b", "ab", false),
            ("each alternative", "a|b", "b", true),
            ("no newline slips behind the end", "[0-9]+", "1%0A", false),
            ("decoded", "a b", "a%20b", true),
            ("decoded before the class is asked", "[a-z]+", "%61b", true),
            ("beyond ASCII", ".", "%C3%A9", true),
            ("ASCII digits only", r"\d", "%D9%A1", false),
            ("no UTF-8", ".*", "%FF", false),
            ("flags", "(?i)abc", "AbC", true),
        ] {
            assert_eq!(Pattern::compile(pattern).unwrap().matches(segment.as_bytes()), want, "{why}");
        }
    }
}
