//! From the rest of a request's path to the name of a file: what may be asked for at all.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Longest path beneath the root, in bytes: what Linux takes at most (`PATH_MAX`, its zero byte included).
const PATH_BYTES_MAX: usize = 4095;

/// A path that may be opened beneath the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relative<'a> {
    /// Segments joined by `/`, none of them empty, `.` or `..`. Empty for the root itself.
    pub(super) path: Cow<'a, str>,
    /// True if it was asked for with a slash at its end, as a folder is.
    pub(super) is_folder: bool,
}

/// Why a path is not looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No file can have such a name, or another part of the system might take it for another path: 400.
    Malformed(&'static str),
    /// Not served, and not told from what is not there: 404.
    Hidden,
}

/// Checks and decodes a path, segment by segment and exactly once.
///
/// The kernel keeps the look-up beneath the root (`openat2`), so that is not what this is for. It is for what the kernel
/// would accept: `..` inside the root, names with a backslash or an encoded slash, which a proxy in front and this server
/// would read differently, and files whose names begin with a dot.
pub(super) fn resolve(raw: &str, hidden: bool) -> Result<Relative<'_>, Refused> {
    let (body, is_folder) = match raw.strip_suffix('/') {
        Some(body) => (body, true),
        None => (raw, raw.is_empty()),
    };
    if body.is_empty() {
        // "" is the root; "/" as the rest of a path is an empty segment in it.
        return if raw.is_empty() {
            Ok(Relative { path: Cow::Borrowed(""), is_folder })
        } else {
            Err(Refused::Hidden)
        };
    }
    for (depth, segment) in body.split('/').enumerate() {
        check(segment, depth == 0, hidden)?;
    }
    let path = percent_decode_str(body).decode_utf8().map_err(|_| Refused::Malformed("it is not UTF-8"))?;
    if path.len() > PATH_BYTES_MAX {
        return Err(Refused::Hidden);
    }
    Ok(Relative { path, is_folder })
}

fn check(segment: &str, is_first: bool, hidden: bool) -> Result<(), Refused> {
    let bytes = segment.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_escape = |rest: &[u8]| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit);
        if *byte == b'%' && !is_escape(&bytes[at + 1..]) {
            return Err(Refused::Malformed("a `%` is not followed by two hexadecimal digits"));
        }
    }
    let mut first = [0; 3];
    let mut len = 0;
    for byte in percent_decode_str(segment) {
        match byte {
            0 => return Err(Refused::Malformed("it holds a zero byte")),
            b'/' => return Err(Refused::Malformed("it holds an encoded slash")),
            b'\\' => return Err(Refused::Malformed("it holds a backslash")),
            1..=0x1f | 0x7f => return Err(Refused::Malformed("it holds a control byte")),
            _ => {}
        }
        if let Some(place) = first.get_mut(len) {
            *place = byte;
        }
        len += 1;
    }
    match (len, &first) {
        // An empty segment, `.` and `..`: a client resolves these before it asks.
        (0, _) | (1, [b'.', ..]) | (2, [b'.', b'.', _]) => Err(Refused::Hidden),
        // What is meant to be seen although it begins with a dot (RFC 8615).
        (_, [b'.', ..]) if is_first && segment == ".well-known" => Ok(()),
        (_, [b'.', ..]) if !hidden => Err(Refused::Hidden),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_may_be_opened() {
        for (why, raw, path, is_folder) in [
            ("the root", "", "", true),
            ("a file", "a.txt", "a.txt", false),
            ("a file below", "a/b.txt", "a/b.txt", false),
            ("a folder", "a/b/", "a/b", true),
            ("an encoded name", "a%20b/%C3%A9", "a b/\u{e9}", false),
            ("an encoded percent sign is one, decoded once", "%252e%252e/x", "%2e%2e/x", false),
            ("dots inside", "a..b/c.", "a..b/c.", false),
            ("well known", ".well-known/security.txt", ".well-known/security.txt", false),
        ] {
            let found = resolve(raw, false);
            assert_eq!(found, Ok(Relative { path: path.into(), is_folder }), "{why}: {raw}");
        }
        assert!(resolve(".git/config", true).is_ok(), "if asked to");
    }

    #[test]
    fn paths_that_may_not() {
        use Refused::Hidden;
        let malformed = |what| Refused::Malformed(what);
        let long = "a/".repeat(2047) + "ab";
        for (why, raw, want) in [
            ("up", "../x", Hidden),
            ("up, inside", "a/../b", Hidden),
            ("up, at the end", "a/..", Hidden),
            ("up, as a folder", "a/../", Hidden),
            ("up, encoded", "%2e%2e/x", Hidden),
            ("up, half encoded", ".%2E/x", Hidden),
            ("this", "./x", Hidden),
            ("empty segment: an absolute path", "/etc/passwd", Hidden),
            ("empty segment", "a//b", Hidden),
            ("empty segment at the end", "a//", Hidden),
            ("nothing but a slash", "/", Hidden),
            ("encoded slash", "..%2fx", malformed("it holds an encoded slash")),
            ("encoded slash in a name", "a%2Fb", malformed("it holds an encoded slash")),
            ("backslash", "..\\x", malformed("it holds a backslash")),
            ("encoded backslash", "..%5cx", malformed("it holds a backslash")),
            ("zero byte", "a.txt%00.png", malformed("it holds a zero byte")),
            ("line end", "a%0d%0ab", malformed("it holds a control byte")),
            ("overlong dot and slash", "%c0%ae%c0%ae%c0%af", malformed("it is not UTF-8")),
            ("overlong slash", "a%c0%afb", malformed("it is not UTF-8")),
            ("bad escape", "a%zz", malformed("a `%` is not followed by two hexadecimal digits")),
            ("cut escape", "a%2", malformed("a `%` is not followed by two hexadecimal digits")),
            ("escape across a slash", "a%/2", malformed("a `%` is not followed by two hexadecimal digits")),
            ("hidden file", ".env", Hidden),
            ("hidden file, encoded", "%2eenv", Hidden),
            ("hidden folder", "a/.git/config", Hidden),
            ("well known, but not at the root", "a/.well-known/x", Hidden),
            ("too long", &long, Hidden),
        ] {
            assert_eq!(resolve(raw, false), Err(want), "{why}: {raw}");
        }
        assert_eq!(resolve("a/../b", true), Err(Hidden), "`..` is no hidden file");
    }
}
