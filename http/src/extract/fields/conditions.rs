//! Conditions (RFC 9110 §13.1).

use std::time::SystemTime;

use super::joined;
use crate::extract::HeaderField;
use crate::extract::header::only;

/// An entity tag (RFC 9110 §8.8.3): `"abc"`, or `W/"abc"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag {
    weak: bool,
    tag: Box<str>,
}

impl EntityTag {
    /// The tag in its quotes, after an optional `W/`; `None` if it is none.
    pub fn parse(text: &str) -> Option<EntityTag> {
        let (weak, quoted) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let tag = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let valid = tag.bytes().all(|byte| byte == b'!' || (0x23..=0x7e).contains(&byte) || byte >= 0x80);
        valid.then(|| EntityTag { weak, tag: tag.into() })
    }

    /// True for `W/`.
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// What stands between the quotes.
    pub fn as_str(&self) -> &str {
        &self.tag
    }

    /// True if both are strong and the same (RFC 9110 §8.8.3.2).
    pub fn matches_strong(&self, other: &EntityTag) -> bool {
        !self.weak && !other.weak && self.tag == other.tag
    }

    /// True if they are the same but for `W/`.
    pub fn matches_weak(&self, other: &EntityTag) -> bool {
        self.tag == other.tag
    }
}

/// `*`, or a list of entity tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: whatever there is.
    Any,
    /// One of these; never empty.
    Tags(Vec<EntityTag>),
}

impl EntityTags {
    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<EntityTags> {
        let list = joined(values)?;
        if list.trim() == "*" {
            return Some(EntityTags::Any);
        }
        let mut tags = Vec::new();
        let mut rest = list.trim();
        while !rest.is_empty() {
            // A tag may hold commas: it ends at its second quote.
            let open = rest.find('"')?;
            let end = open + 1 + rest[open + 1..].find('"')? + 1;
            tags.push(EntityTag::parse(&rest[..end])?);
            rest = rest[end..].trim_start();
            match rest.strip_prefix(',') {
                Some(more) => rest = more.trim_start_matches([',', ' ', '\t']),
                None if rest.is_empty() => {}
                None => return None,
            }
        }
        (!tags.is_empty()).then_some(EntityTags::Tags(tags))
    }

    /// True for `*`, and for a list with a tag that `matches`.
    fn any(&self, matches: impl Fn(&EntityTag) -> bool) -> bool {
        match self {
            EntityTags::Any => true,
            EntityTags::Tags(tags) => tags.iter().any(matches),
        }
    }
}

/// `If-Match` (RFC 9110 §13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(pub EntityTags);

impl IfMatch {
    /// True if the condition holds for what has this tag, by strong comparison.
    pub fn allows(&self, current: &EntityTag) -> bool {
        self.0.any(|tag| tag.matches_strong(current))
    }
}

impl HeaderField for IfMatch {
    const NAME: &'static str = "if-match";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        EntityTags::decode(values).map(IfMatch)
    }
}

/// `If-None-Match` (RFC 9110 §13.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfNoneMatch(pub EntityTags);

impl IfNoneMatch {
    /// True if the condition holds for what has this tag, by weak comparison: the client does not have it.
    pub fn allows(&self, current: &EntityTag) -> bool {
        !self.0.any(|tag| tag.matches_weak(current))
    }
}

impl HeaderField for IfNoneMatch {
    const NAME: &'static str = "if-none-match";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        EntityTags::decode(values).map(IfNoneMatch)
    }
}

macro_rules! dates {
    ($($(#[$doc:meta])* $name:ident $field:literal)*) => {$(
        $(#[$doc])*
        ///
        /// RFC 9110 has a date that cannot be read ignored: take a `Result` to do so, as an `Option` rejects it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub SystemTime);

        impl HeaderField for $name {
            const NAME: &'static str = $field;

            fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
                httpdate::parse_http_date(only(values)?).ok().map($name)
            }
        }
    )*};
}

dates! {
    /// `If-Modified-Since` (RFC 9110 §13.1.3).
    IfModifiedSince "if-modified-since"
    /// `If-Unmodified-Since` (RFC 9110 §13.1.4).
    IfUnmodifiedSince "if-unmodified-since"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tags(values: &[&str]) -> Option<String> {
        let tags = EntityTags::decode(values.iter().map(|value| value.as_bytes()))?;
        Some(match tags {
            EntityTags::Any => "*".to_owned(),
            EntityTags::Tags(tags) => {
                tags.iter().map(|tag| format!("{}{}|", if tag.weak { "W" } else { "" }, tag.tag)).collect()
            }
        })
    }

    #[test]
    fn lists_of_tags() {
        for (why, values, want) in [
            ("one", &["\"a\""][..], Some("a|")),
            ("a weak one", &["W/\"a\""], Some("Wa|")),
            ("a comma in a tag", &["\"a,b\" , W/\"c\""], Some("a,b|Wc|")),
            ("two lines, an empty member", &["\"a\",", "\"b\""], Some("a|b|")),
            ("an empty tag", &["\"\""], Some("|")),
            ("any", &["*"], Some("*")),
            ("any, among others", &["*, \"a\""], None),
            ("without quotes", &["a"], None),
            ("an open quote", &["\"a"], None),
            ("lower case w", &["w/\"a\""], None),
            ("a space in a tag", &["\"a b\""], None),
            ("no comma", &["\"a\" \"b\""], None),
            ("empty", &[""], None),
        ] {
            assert_eq!(tags(values).as_deref(), want, "{why}");
        }
    }

    #[test]
    fn comparisons_are_strong_or_weak() {
        let tag = |text| EntityTag::parse(text).unwrap();
        let field = |text: &'static str| EntityTags::decode([text.as_bytes()].into_iter()).unwrap();
        for (why, list, current, matches, none_matches) in [
            ("the same", "\"a\"", "\"a\"", true, false),
            ("another", "\"a\"", "\"b\"", false, true),
            ("one is weak", "W/\"a\"", "\"a\"", false, false),
            ("both are weak", "W/\"a\"", "W/\"a\"", false, false),
            ("any", "*", "\"a\"", true, false),
        ] {
            assert_eq!(IfMatch(field(list)).allows(&tag(current)), matches, "{why}");
            assert_eq!(IfNoneMatch(field(list)).allows(&tag(current)), none_matches, "{why}");
        }
    }

    #[test]
    fn dates_of_all_three_forms() {
        let since = |text: &str| IfModifiedSince::decode([text.as_bytes()].into_iter());
        let want = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(since("Sun, 06 Nov 1994 08:49:37 GMT"), Some(IfModifiedSince(want)));
        assert_eq!(since("Sunday, 06-Nov-94 08:49:37 GMT"), Some(IfModifiedSince(want)));
        assert_eq!(since("Sun Nov  6 08:49:37 1994"), Some(IfModifiedSince(want)));
        assert_eq!(since("yesterday"), None);
    }
}
