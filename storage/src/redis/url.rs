//! URLs.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::config::{Config, Endpoint, Protocol, ReadFrom, Secret, Topology};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// Which part of a URL is wrong. It does not repeat the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlError {
    part: &'static str,
    problem: &'static str,
}

impl UrlError {
    /// The part: `scheme`, `host`, `port`, `database`, …
    pub fn part(&self) -> &'static str {
        self.part
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the redis URL's {} {}", self.part, self.problem)
    }
}

impl Error for UrlError {}

fn wrong<T>(part: &'static str, problem: &'static str) -> Result<T, UrlError> {
    Err(UrlError { part, problem })
}

pub(super) fn parse(url: &str) -> Result<Config, UrlError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return wrong("scheme", "is missing: redis://host[:port][/database]");
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut config = match scheme {
        "redis" | "rediss" => single(rest)?,
        "redis+unix" | "unix" => unix(rest)?,
        "redis-cluster" | "rediss-cluster" => cluster(rest)?,
        "redis-sentinel" | "rediss-sentinel" => sentinel(rest)?,
        _ => {
            return wrong(
                "scheme",
                "is none of redis, rediss, redis+unix, redis-cluster, rediss-cluster, redis-sentinel, rediss-sentinel",
            );
        }
    };
    config.tls = scheme.starts_with("rediss");
    parameters(&mut config, query)?;
    Ok(config)
}

fn single(rest: &str) -> Result<Config, UrlError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = userinfo(authority);
    let mut config = Config::new(vec![endpoint(host, PORT)?], Topology::Single);
    credentials(&mut config, user)?;
    if !path.is_empty() {
        config.database = database(path)?;
    }
    Ok(config)
}

fn unix(rest: &str) -> Result<Config, UrlError> {
    let (user, path) = match rest.find('/') {
        Some(0) => (None, rest),
        Some(at) => match rest[..at].strip_suffix('@') {
            Some(user) => (Some(user), &rest[at..]),
            None => return wrong("path", "must be absolute: redis+unix:///path/to/socket"),
        },
        None => return wrong("path", "is missing: redis+unix:///path/to/socket"),
    };
    let path = decode("path", path)?;
    let mut config = Config::new(vec![Endpoint::Unix(PathBuf::from(path))], Topology::Single);
    credentials(&mut config, user)?;
    Ok(config)
}

fn cluster(rest: &str) -> Result<Config, UrlError> {
    let (user, hosts) = userinfo(rest.strip_suffix('/').unwrap_or(rest));
    if hosts.contains('/') {
        return wrong("database", "cannot be chosen: a cluster has only database 0");
    }
    let mut config = Config::new(endpoints(hosts, PORT)?, Topology::Cluster);
    credentials(&mut config, user)?;
    Ok(config)
}

fn sentinel(rest: &str) -> Result<Config, UrlError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (service, number) = path.split_once('/').unwrap_or((path, ""));
    if service.is_empty() {
        return wrong("service", "is missing: redis-sentinel://host[:port]/service[/database]");
    }
    let (user, hosts) = userinfo(authority);
    let service = decode("service", service)?;
    let mut config = Config::new(endpoints(hosts, SENTINEL_PORT)?, Topology::Sentinel { service });
    credentials(&mut config, user)?;
    if !number.is_empty() {
        config.database = database(number)?;
    }
    Ok(config)
}

/// What stands before the last `@`: passwords that were not encoded may hold one.
fn userinfo(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    }
}

fn credentials(config: &mut Config, user: Option<&str>) -> Result<(), UrlError> {
    let Some(user) = user else { return Ok(()) };
    let (name, password) = match user.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (user, None),
    };
    if !name.is_empty() {
        config.username = Some(decode("user", name)?);
    }
    config.password = match password {
        Some(password) => Some(Secret::new(decode("password", password)?)),
        None => return wrong("user", "has no password: redis://user:password@host"),
    };
    Ok(())
}

fn decode(part: &'static str, text: &str) -> Result<String, UrlError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => wrong(part, "is not UTF-8 once decoded"),
    }
}

fn endpoints(hosts: &str, port: u16) -> Result<Vec<Endpoint>, UrlError> {
    hosts.split(',').map(|host| endpoint(host, port)).collect()
}

fn endpoint(text: &str, default_port: u16) -> Result<Endpoint, UrlError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return wrong("host", "opens a bracket and does not close it");
        };
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return wrong("host", "is in brackets and no IPv6 address");
        }
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return wrong("port", "must follow the bracket after a colon"),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return wrong("host", "is an IPv6 address without brackets: redis://[::1]:6379");
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return wrong("host", "is missing");
    }
    let port = match port {
        None => default_port,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return wrong("port", "is not a number from 1 to 65535"),
            Ok(port) => port,
        },
    };
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

fn database(text: &str) -> Result<u32, UrlError> {
    text.parse().or_else(|_| wrong("database", "is not a number"))
}

fn parameters(config: &mut Config, query: &str) -> Result<(), UrlError> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, value) {
            ("db", number) => config.database = database(number)?,
            ("client_name", name) => config.client_name = Some(decode("client_name", name)?),
            ("protocol", "2") => config.protocol = Protocol::Resp2,
            ("protocol", "3") => config.protocol = Protocol::Best,
            ("protocol", _) => return wrong("protocol", "is neither 2 nor 3"),
            ("read_from", "primary") => config.read_from = ReadFrom::Primary,
            ("read_from", "replica") => config.read_from = ReadFrom::Replica,
            ("read_from", _) => return wrong("read_from", "is neither primary nor replica"),
            _ => return wrong("query", "has a parameter other than db, client_name, protocol and read_from"),
        }
    }
    if config.topology == Topology::Cluster && config.database != 0 {
        return wrong("database", "cannot be chosen: a cluster has only database 0");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn each_form_is_read() {
        for (url, endpoints, topology, database) in [
            ("redis://localhost", vec![tcp("localhost", 6379)], Topology::Single, 0),
            ("redis://localhost/", vec![tcp("localhost", 6379)], Topology::Single, 0),
            ("redis://10.0.0.1:6380/3", vec![tcp("10.0.0.1", 6380)], Topology::Single, 3),
            ("redis://[::1]:7000", vec![tcp("::1", 7000)], Topology::Single, 0),
            ("redis://h?db=4", vec![tcp("h", 6379)], Topology::Single, 4),
            (
                "redis+unix:///run/r.sock?db=1",
                vec![Endpoint::Unix("/run/r.sock".into())],
                Topology::Single,
                1,
            ),
            ("redis-cluster://a,b:7001", vec![tcp("a", 6379), tcp("b", 7001)], Topology::Cluster, 0),
            (
                "redis-sentinel://a,b:1/main/2",
                vec![tcp("a", 26_379), tcp("b", 1)],
                Topology::Sentinel { service: "main".into() },
                2,
            ),
        ] {
            let config = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(
                (config.endpoints, config.topology, config.database),
                (endpoints, topology, database),
                "{url}"
            );
            assert!(!config.tls);
        }
        for url in ["rediss://h", "rediss-cluster://h", "rediss-sentinel://h/s"] {
            assert!(parse(url).unwrap().tls, "{url}");
        }
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        for (url, user, password) in [
            ("redis://:secret@h", None, "secret"),
            ("redis://app:p%40ss%3A@h", Some("app"), "p@ss:"),
            ("redis://app:a@b@h", Some("app"), "a@b"),
            ("redis+unix://app:x@/run/r.sock", Some("app"), "x"),
        ] {
            let config = parse(url).unwrap();
            assert_eq!(config.username.as_deref(), user, "{url}");
            assert_eq!(config.password, Some(Secret::new(password)), "{url}");
            assert!(!format!("{config:?}").contains(&format!("\"{password}\"")), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("localhost:6379", "scheme"),
            ("http://h", "scheme"),
            ("redis://", "host"),
            ("redis://:6379", "host"),
            ("redis://::1", "host"),
            ("redis://[::1", "host"),
            ("redis://[x]", "host"),
            ("redis://h:0", "port"),
            ("redis://h:70000", "port"),
            ("redis://h:+1x", "port"),
            ("redis://h/x", "database"),
            ("redis://h/-1", "database"),
            ("redis://user@h", "user"),
            ("redis://:%ff@h", "password"),
            ("redis://h?ssl=true", "query"),
            ("redis://h?protocol=4", "protocol"),
            ("redis-cluster://h?read_from=secondary", "read_from"),
            ("redis+unix://relative/path", "path"),
            ("redis-cluster://h/1", "database"),
            ("redis-cluster://h?db=1", "database"),
            ("redis-sentinel://h", "service"),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.part(), part, "{url}: {error}");
        }
    }
}
