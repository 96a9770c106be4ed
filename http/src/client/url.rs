//! Absolute `http` and `https` URLs (RFC 9110 §4.2, RFC 3986).

use std::error::Error;
use std::fmt;

use corelane_http_proto::head::is_authority;

/// Longest URL taken, in bytes. Servers rarely accept a target of more than 8 KiB.
pub const URL_BYTES_MAX: usize = 16 * 1024;

/// An absolute `http` or `https` URL, taken apart.
///
/// Scheme and host are kept in lower case, the scheme's own port is left out, and a fragment is dropped: it is never
/// sent. What may not stand in a request target (a space, `"`, bytes from 0x80 on) is percent-encoded. A host that is
/// not ASCII is refused: write it in its `xn--` form.
///
/// ```
/// use corelane_http::client::Url;
///
/// let url: Url = "HTTP://Example.org:80/a b?q=é#top".parse()?;
/// assert_eq!(url.as_str(), "http://example.org/a%20b?q=%C3%A9");
/// assert_eq!((url.host(), url.port()), ("example.org", 80));
/// assert_eq!(url.join("../c?x")?.as_str(), "http://example.org/c?x");
/// # Ok::<(), corelane_http::client::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// `scheme://host[:port]/path[?query]`.
    text: String,
    /// Where the host ends. It begins behind the scheme.
    host_end: usize,
    /// Where the path begins. Invariant: a slash is there.
    path: usize,
    port: u16,
    is_https: bool,
    /// `user:password` as it stood before the `@`.
    userinfo: Option<Box<str>>,
}

impl Url {
    /// The URL without user, password and fragment.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        if self.is_https { "https" } else { "http" }
    }

    /// True for `https`.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Host in lower case; an IPv6 address stands without its brackets.
    pub fn host(&self) -> &str {
        let host = &self.text[self.authority_start()..self.host_end];
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Port: the one given, or 80 or 443.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path, from its slash on, without the query.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or("/")
    }

    /// Query without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Path and query: the request target (RFC 9112 §3.2.1).
    pub(super) fn target(&self) -> &str {
        &self.text[self.path..]
    }

    /// Host and port as the `host` field has them: without the scheme's own port.
    pub(super) fn authority(&self) -> &str {
        &self.text[self.authority_start()..self.path]
    }

    /// `scheme://host[:port]`: equal for URLs of one origin (RFC 9110 §4.3.1).
    pub(super) fn origin(&self) -> &str {
        &self.text[..self.path]
    }

    pub(super) fn userinfo(&self) -> Option<&str> {
        self.userinfo.as_deref()
    }

    fn authority_start(&self) -> usize {
        self.scheme().len() + "://".len()
    }

    /// The URL that `reference` means seen from this one (RFC 3986 §5.2), as of a `location` field.
    ///
    /// # Errors
    /// If the result is not an `http` or `https` URL.
    pub fn join(&self, reference: &str) -> Result<Url, UrlError> {
        let reference = reference.split('#').next().unwrap_or_default();
        if has_scheme(reference) {
            return reference.parse();
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return format!("{}://{rest}", self.scheme()).parse();
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let merged = match path {
            "" if query.is_none() => return Ok(self.clone()),
            "" => self.path().to_owned(),
            _ if path.starts_with('/') => remove_dots(path),
            _ => {
                let folder = self.path().rfind('/').map_or("", |slash| &self.path()[..slash]);
                remove_dots(&format!("{folder}/{path}"))
            }
        };
        let mut text = format!("{}{merged}", self.origin());
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        text.parse()
    }

    /// The same with `pairs` (`name=value&…`, encoded) behind the query.
    pub(super) fn push_query(&mut self, pairs: &str) -> Result<(), UrlError> {
        if pairs.is_empty() {
            return Ok(());
        }
        if self.text.len() + pairs.len() >= URL_BYTES_MAX {
            return Err(UrlError::new(Kind::TooLong));
        }
        match self.query() {
            None => self.text.push('?'),
            Some("") => {}
            Some(_) => self.text.push('&'),
        }
        push_encoded(&mut self.text, pairs)
    }
}

/// True if a scheme and a colon stand first.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// RFC 3986 §5.2.4.
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | "%2e" | "%2E" => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Appends what may stand in a target, the rest percent-encoded.
fn push_encoded(out: &mut String, text: &str) -> Result<(), UrlError> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            0..0x20 | 0x7f => return Err(UrlError::new(Kind::Control)),
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend(['%', char::from(high), char::from(low)]);
            }
            _ => out.push(char::from(byte)),
        }
    }
    Ok(())
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::new(Kind::TooLong));
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::new(Kind::NotAbsolute))?;
        let (is_https, own_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => (false, 80),
            _ if scheme.eq_ignore_ascii_case("https") => (true, 443),
            _ => return Err(UrlError::new(Kind::Scheme)),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        if !is_authority(authority.as_bytes()) {
            let kind = if authority.is_ascii() { Kind::Host } else { Kind::HostNotAscii };
            return Err(UrlError::new(kind));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            _ => (authority, ""),
        };
        let port = match port {
            "" => own_port,
            port => port.parse().map_err(|_| UrlError::new(Kind::Host))?,
        };
        let mut url = String::with_capacity(text.len() + 1);
        url.push_str(if is_https { "https://" } else { "http://" });
        url.extend(host.chars().map(|char| char.to_ascii_lowercase()));
        let host_end = url.len();
        if port != own_port {
            url.push(':');
            url.push_str(itoa::Buffer::new().format(port));
        }
        let path = url.len();
        if !target.starts_with('/') {
            url.push('/');
        }
        push_encoded(&mut url, target)?;
        let userinfo = userinfo.filter(|userinfo| !userinfo.is_empty()).map(Box::from);
        Ok(Url { text: url, host_end, path, port, is_https, userinfo })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Url {
    /// Without the user and the password that may have come with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Url").field(&self.text).finish()
    }
}

/// What can be asked for: a text that is a URL, or a [`Url`].
pub trait IntoUrl {
    /// The URL.
    ///
    /// # Errors
    /// If the text is not an absolute `http` or `https` URL.
    fn into_url(self) -> Result<Url, UrlError>;
}

impl IntoUrl for &str {
    fn into_url(self) -> Result<Url, UrlError> {
        self.parse()
    }
}

impl IntoUrl for &String {
    fn into_url(self) -> Result<Url, UrlError> {
        self.parse()
    }
}

impl IntoUrl for String {
    fn into_url(self) -> Result<Url, UrlError> {
        self.parse()
    }
}

impl IntoUrl for Url {
    fn into_url(self) -> Result<Url, UrlError> {
        Ok(self)
    }
}

impl IntoUrl for &Url {
    fn into_url(self) -> Result<Url, UrlError> {
        Ok(self.clone())
    }
}

/// Why a text is no URL that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlError {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotAbsolute,
    Scheme,
    Host,
    HostNotAscii,
    Control,
    TooLong,
}

impl UrlError {
    const fn new(kind: Kind) -> UrlError {
        UrlError { kind }
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::NotAbsolute => "the URL is not absolute: it has to begin with http:// or https://",
            Kind::Scheme => "the scheme is neither http nor https",
            Kind::Host => "the host or the port of the URL is not valid",
            Kind::HostNotAscii => "the host of the URL is not ASCII: write it in its xn-- form",
            Kind::Control => "the URL holds a control byte",
            Kind::TooLong => "the URL is longer than 16 KiB",
        })
    }
}

impl Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_refused() {
        for (why, text, want) in [
            ("as it is", "http://a/", Some("http://a/")),
            ("no path", "http://a", Some("http://a/")),
            ("no path but a query", "http://a?b", Some("http://a/?b")),
            ("own port", "https://a:443/x", Some("https://a/x")),
            ("the other scheme's port", "http://a:443/x", Some("http://a:443/x")),
            ("empty port", "http://a:/", Some("http://a/")),
            ("IPv6", "http://[::1]:8080/", Some("http://[::1]:8080/")),
            ("user and password are kept apart", "http://u:p@a/", Some("http://a/")),
            ("an at sign in the path", "http://a/x@y", Some("http://a/x@y")),
            ("fragment", "http://a/x#y?z", Some("http://a/x")),
            ("percent stays", "http://a/%2f%20", Some("http://a/%2f%20")),
            ("no scheme", "a/b", None),
            ("other scheme", "ftp://a/", None),
            ("no host", "http:///x", None),
            ("host with a space", "http://a b/", None),
            ("port too large", "http://a:65536/", None),
            ("port with a sign", "http://a:+1/", None),
            ("header injection", "http://a/x\r\nhost: b", None),
            ("header injection in the host", "http://a\r\nx/", None),
            ("host not ASCII", "http://bücher.example/", None),
            ("IPv6 that is none", "http://[::g]/", None),
        ] {
            let parsed = text.parse::<Url>();
            assert_eq!(parsed.as_ref().ok().map(Url::as_str), want, "{why}: {parsed:?}");
        }
        let url: Url = "http://u:p%20w@[::1]:81/x?y".parse().unwrap();
        assert_eq!((url.host(), url.authority(), url.userinfo()), ("::1", "[::1]:81", Some("u:p%20w")));
        assert_eq!((url.path(), url.query(), url.origin()), ("/x", Some("y"), "http://[::1]:81"));
        assert!(!format!("{url:?}").contains("p%20w"));
    }

    /// RFC 3986 §5.4, as far as it leads to http URLs, and what servers send.
    #[test]
    fn references_are_resolved() {
        let base: Url = "http://a/b/c/d;p?q".parse().unwrap();
        for (reference, want) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("HTTPS://b:443/x y", "https://b/x%20y"),
            ("g?u=http://x/", "http://a/b/c/g?u=http://x/"),
        ] {
            assert_eq!(base.join(reference).unwrap().as_str(), want, "{reference}");
        }
        assert!(base.join("mailto:a@b").is_err());
        assert!(base.join("javascript:x").is_err());
        assert!(base.join("/x\r\ny").is_err());
    }

    #[test]
    fn a_query_is_put_behind_what_there_is() {
        for (before, want) in [
            ("http://a", "http://a/?x=1"),
            ("http://a/?", "http://a/?x=1"),
            ("http://a/?b=2", "http://a/?b=2&x=1"),
        ] {
            let mut url: Url = before.parse().unwrap();
            url.push_query("x=1").unwrap();
            assert_eq!(url.as_str(), want);
        }
    }
}
