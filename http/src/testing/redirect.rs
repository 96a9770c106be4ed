//! Where a redirect leads (RFC 9110 §15.4, RFC 3986 §5.2).

use http::Method;

/// The method that follows a redirect of this status; `None` if it is none.
pub(super) fn method(status: u16, method: &Method) -> Option<Method> {
    match status {
        303 if *method != Method::HEAD => Some(Method::GET),
        301 | 302 if *method == Method::POST => Some(Method::GET),
        301 | 302 | 303 | 307 | 308 => Some(method.clone()),
        _ => None,
    }
}

/// The target that `location` names for a client that is at `target` of `authority`; `None` if it is at another host.
pub(super) fn target(location: &str, authority: &str, target: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    let rest = match location.split_once("://") {
        Some(("http" | "https", rest)) => Some(rest),
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => return None,
        _ => location.strip_prefix("//"),
    };
    if let Some(rest) = rest {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(end);
        let here = host.eq_ignore_ascii_case(authority);
        return here.then(|| if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") });
    }
    let path = target.split('?').next().unwrap_or_default();
    Some(match location.as_bytes().first() {
        None => target.to_owned(),
        Some(b'/') => location.to_owned(),
        Some(b'?') => format!("{path}{location}"),
        Some(_) => merge(path, location),
    })
}

/// A relative path, from the folder that `path` is in.
fn merge(path: &str, relative: &str) -> String {
    let (relative, query) = match relative.split_once('?') {
        Some((relative, query)) => (relative, Some(query)),
        None => (relative, None),
    };
    let mut segments: Vec<&str> = path.split('/').skip(1).collect();
    segments.pop();
    for (at, segment) in relative.split('/').enumerate() {
        let is_last = at + 1 == relative.split('/').count();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            segment => segments.push(segment),
        }
    }
    let path = segments.join("/");
    match query {
        Some(query) => format!("/{path}?{query}"),
        None => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn locations_are_resolved() {
        for (location, want) in [
            ("/x?y", Some("/x?y")),
            ("x", Some("/a/x")),
            ("../x?q=..", Some("/x?q=..")),
            ("./", Some("/a/")),
            ("../../..", Some("/")),
            ("?p=2", Some("/a/b?p=2")),
            ("", Some("/a/b?q")),
            ("#top", Some("/a/b?q")),
            ("http://h/x", Some("/x")),
            ("https://H?x", Some("/?x")),
            ("//h/x", Some("/x")),
            ("//other/x", None),
            ("http://other/x", None),
            ("ftp://h/x", None),
            ("/search?u=http://other", Some("/search?u=http://other")),
        ] {
            assert_eq!(super::target(location, "h", "/a/b?q").as_deref(), want, "{location}");
        }
    }
}
