//! Hosts that routes are for.

use std::fmt;

/// `api.example.com`, or `*.example.com` for every name below that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPattern {
    /// In lower case, without the `*`; begins with a dot if it is a wildcard.
    text: Box<str>,
}

impl HostPattern {
    /// # Errors
    /// What is wrong, in words for the one who wrote it.
    pub(super) fn parse(text: &str) -> Result<HostPattern, &'static str> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        if name.contains(':') && !name.starts_with('[') {
            return Err("a host has no scheme and no port");
        }
        if !name.is_ascii() {
            return Err("write a name with other than ASCII letters as browsers send it: `xn--…`");
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(allowed) {
            return Err("a host is a name such as `example.com`, an address, or `*.` and a name");
        }
        let text = text.strip_prefix('*').unwrap_or(text).to_ascii_lowercase();
        Ok(HostPattern { text: text.into() })
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.text.starts_with('.')
    }

    /// Which is tried first: names before wildcards, longer wildcards before shorter ones.
    pub(super) fn rank(&self) -> (bool, std::cmp::Reverse<usize>) {
        (self.is_wildcard(), std::cmp::Reverse(self.text.len()))
    }

    /// True for a host without its port, in any case.
    pub(super) fn matches(&self, host: &str) -> bool {
        let (host, wanted) = (host.as_bytes(), self.text.as_bytes());
        if !self.is_wildcard() {
            return host.eq_ignore_ascii_case(wanted);
        }
        // Longer, as something has to stand before the dot.
        host.len() > wanted.len() && host[host.len() - wanted.len()..].eq_ignore_ascii_case(wanted)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_wildcard() { "*" } else { "" };
        write!(f, "{star}{}", self.text)
    }
}

/// The host of an authority: without the port, and without the dot that ends a name at the root.
pub(super) fn without_port(authority: &str) -> &str {
    let end = match authority.strip_prefix('[') {
        Some(literal) => literal.find(']').map_or(authority.len(), |at| at + 2),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let host = &authority[..end];
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_port_and_final_dot() {
        for (why, pattern, authority, want) in [
            ("the name", "example.com", "example.com", true),
            ("case", "Example.com", "eXAMPLE.COM", true),
            ("a port", "example.com", "example.com:8080", true),
            ("the root's dot", "example.com", "example.com.:80", true),
            ("another name", "example.com", "example.org", false),
            ("a name that only ends so", "example.com", "badexample.com", false),
            ("below", "*.example.com", "a.example.com", true),
            ("far below", "*.example.com", "a.b.example.com:1", true),
            ("not the name itself", "*.example.com", "example.com", false),
            ("a dot is not enough", "*.example.com", ".example.com", false),
            ("no dot", "*.example.com", "badexample.com", false),
            ("an address", "[::1]", "[::1]:8080", true),
            ("another address", "127.0.0.1", "127.0.0.2", false),
            ("nothing", "example.com", "", false),
        ] {
            let pattern = HostPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(without_port(authority)), want, "{why}");
        }
    }

    #[test]
    fn what_cannot_be_a_host_is_refused() {
        for text in
            ["", "*.", "*", "*.*.com", "a.*.com", "http://a", "a:80", "caf\u{e9}.fr", "a b", "a/b", ".a"]
        {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
