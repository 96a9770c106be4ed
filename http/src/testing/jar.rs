//! The cookies of a client: RFC 6265 §5.3 and §5.4 without public suffixes.

use std::time::{SystemTime, UNIX_EPOCH};

use cookie::Cookie;

/// Most cookies kept; the oldest goes first. Browsers keep 50 to 180 for each domain.
const COOKIES_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Jar {
    /// In the order they were first set.
    cookies: Vec<Kept>,
}

struct Kept {
    name: String,
    value: String,
    /// Lower case. `None` for a cookie that was put in by hand, which goes everywhere.
    domain: Option<String>,
    /// True if the response named no domain: only that very host gets it.
    host_only: bool,
    path: String,
    /// Seconds since 1970; `None` for as long as the client lives.
    expires: Option<i64>,
}

impl Jar {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let now = unix_now();
        let kept = self.cookies.iter().find(|kept| kept.name == name && kept.lives(now))?;
        Some(kept.value.clone())
    }

    pub(super) fn clear(&mut self) {
        self.cookies.clear();
    }

    pub(super) fn put(&mut self, name: &str, value: &str) {
        self.insert(Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: None,
            host_only: false,
            path: "/".to_owned(),
            expires: None,
        });
    }

    /// Takes in one `set-cookie` field of a response. One that is malformed, or for a foreign domain, is ignored.
    pub(super) fn store(&mut self, field: &str, authority: &str, path: &str) {
        let Ok(cookie) = Cookie::parse(field) else { return };
        let host = host_of(authority);
        let named = cookie.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
        let named = named.filter(|domain| !domain.is_empty());
        if named.as_ref().is_some_and(|domain| !domain_matches(&host, domain)) {
            return;
        }
        let host_only = named.is_none();
        let path = match cookie.path() {
            Some(given) if given.starts_with('/') => given.to_owned(),
            _ => default_path(path),
        };
        let max_age = cookie.max_age().map(|age| match age.whole_seconds() {
            ..=0 => i64::MIN,
            seconds => unix_now().saturating_add(seconds),
        });
        let expires = max_age.or_else(|| cookie.expires_datetime().map(|at| at.unix_timestamp()));
        self.insert(Kept {
            name: cookie.name().to_owned(),
            value: cookie.value().to_owned(),
            domain: Some(named.unwrap_or(host)),
            host_only,
            path,
            expires,
        });
    }

    fn insert(&mut self, new: Kept) {
        let same = |kept: &Kept| kept.name == new.name && kept.path == new.path && kept.domain == new.domain;
        let at = self.cookies.iter().position(same);
        match (at, new.lives(unix_now())) {
            (Some(at), true) => self.cookies[at] = new,
            (Some(at), false) => drop(self.cookies.remove(at)),
            (None, true) => {
                if self.cookies.len() == COOKIES_MAX {
                    self.cookies.remove(0);
                }
                self.cookies.push(new);
            }
            (None, false) => {}
        }
    }

    /// The `cookie` field of a request; `None` if no cookie goes with it. Longer paths come first.
    pub(super) fn field(&self, authority: &str, path: &str) -> Option<String> {
        let (host, now) = (host_of(authority), unix_now());
        let mut going: Vec<&Kept> =
            self.cookies.iter().filter(|kept| kept.lives(now) && kept.goes_to(&host, path)).collect();
        going.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs: Vec<String> = going.iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

impl Kept {
    fn lives(&self, now: i64) -> bool {
        self.expires.is_none_or(|at| at > now)
    }

    fn goes_to(&self, host: &str, path: &str) -> bool {
        let there = match &self.domain {
            None => true,
            Some(domain) if self.host_only => domain == host,
            Some(domain) => domain_matches(host, domain),
        };
        there && path_matches(path, &self.path)
    }
}

fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// The host of an authority, without its port, in lower case.
fn host_of(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

/// RFC 6265 §5.1.3; of an address only the whole matches.
fn domain_matches(host: &str, domain: &str) -> bool {
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    let below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    host == domain || (below && !is_address)
}

/// RFC 6265 §5.1.4.
fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(slash) => path[..slash].to_owned(),
    }
}

/// RFC 6265 §5.1.4.
fn path_matches(path: &str, cookie_path: &str) -> bool {
    match path.strip_prefix(cookie_path) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || cookie_path.ends_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_where_rfc_6265_sends_them() {
        for (why, set, from, to, want) in [
            ("default path", "a=1", ("h", "/x/y"), ("h", "/x/z"), Some("a=1")),
            ("default path is no sibling", "a=1", ("h", "/x/y"), ("h", "/xz"), None),
            ("host only", "a=1", ("h.example", "/"), ("www.h.example", "/"), None),
            ("domain", "a=1; Domain=.H.example", ("h.example", "/"), ("www.h.example", "/"), Some("a=1")),
            ("foreign domain", "a=1; Domain=other", ("h", "/"), ("other", "/"), None),
            ("a name that only ends alike", "a=1; Domain=h", ("h", "/"), ("bach", "/"), None),
            ("port is no part of it", "a=1", ("h:80", "/"), ("h:81", "/"), Some("a=1")),
            ("path", "a=1; Path=/x", ("h", "/"), ("h", "/x"), Some("a=1")),
            ("path elsewhere", "a=1; Path=/x", ("h", "/"), ("h", "/"), None),
            ("dead on arrival", "a=1; Max-Age=0", ("h", "/"), ("h", "/"), None),
            (
                "age before date",
                "a=1; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                ("h", "/"),
                ("h", "/"),
                Some("a=1"),
            ),
            (
                "a date that has passed",
                "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                ("h", "/"),
                ("h", "/"),
                None,
            ),
        ] {
            let mut jar = Jar::default();
            jar.store(set, from.0, from.1);
            assert_eq!(jar.field(to.0, to.1).as_deref(), want, "{why}");
        }
    }

    #[test]
    fn a_cookie_is_replaced_and_deleted_in_place_and_longer_paths_come_first() {
        let mut jar = Jar::default();
        jar.store("a=1; Path=/", "h", "/");
        jar.store("b=2; Path=/x", "h", "/");
        jar.store("a=3; Path=/", "h", "/");
        assert_eq!(jar.field("h", "/x/y").as_deref(), Some("b=2; a=3"));
        jar.store("a=; Path=/; Max-Age=0", "h", "/");
        assert_eq!(jar.field("h", "/x/y").as_deref(), Some("b=2"));
        assert_eq!(jar.get("b").as_deref(), Some("2"));
    }

    #[test]
    fn the_jar_is_bounded() {
        let mut jar = Jar::default();
        for n in 0..=COOKIES_MAX {
            jar.put(&n.to_string(), "v");
        }
        assert_eq!(jar.cookies.len(), COOKIES_MAX);
        assert_eq!(jar.get("0"), None, "the oldest is gone");
    }
}
