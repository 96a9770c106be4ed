//! What a server says about who serves which slots, and the redirections it answers with. No I/O happens here.

use std::collections::HashMap;

use crate::redis::config::Endpoint;
use crate::redis::proto::{ErrorReply, FromReply, SLOTS, Value};

/// Most servers that a cluster may have here. Redis itself is made for 1,000; more than twice that is a mistake or
/// a lie, and each costs a connection once it is used.
pub(super) const SERVERS_MAX: usize = 2_048;

/// Longest name of a host ([RFC 1035, 2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)).
const HOST_BYTES_MAX: usize = 255;

/// Consecutive slots and who serves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    /// Included. Invariant: `first <= last < SLOTS`.
    pub(super) last: u16,
    pub(super) primary: Endpoint,
    pub(super) replicas: Vec<Endpoint>,
}

/// Reads the answer to [`CLUSTER SLOTS`](https://redis.io/docs/latest/commands/cluster-slots/).
///
/// It is used rather than `CLUSTER SHARDS` because every version of Redis and its relatives has it, and because it names
/// for each server the one endpoint that the operator prefers.
///
/// A server without a host is at the host that was asked, a server whose name is unknown (`?`) at its address. Ranges whose
/// primary cannot be named are left out; of overlapping ranges the first holds.
///
/// # Errors
/// What is wrong with it: it is not such an answer, or there are more than [`SERVERS_MAX`] servers.
pub(super) fn parse(value: Value, asked: &Endpoint) -> Result<Vec<Range>, &'static str> {
    let Value::Array(entries) = value else { return Err("it is no list") };
    let mut ranges = Vec::new();
    let mut servers = 0;
    for entry in entries {
        let Value::Array(fields) = entry else { return Err("a range is no list") };
        let mut fields = fields.into_iter();
        let mut slot = || match fields.next() {
            Some(Value::Int(slot)) => {
                u16::try_from(slot).ok().filter(|slot| *slot < SLOTS).ok_or("a slot is out of range")
            }
            _ => Err("a range does not begin with two slots"),
        };
        let (first, last) = (slot()?, slot()?);
        if first > last {
            return Err("a range ends before it begins");
        }
        let mut members = Vec::new();
        for server in fields {
            servers += 1;
            if servers > SERVERS_MAX {
                return Err("there are more servers than any cluster has");
            }
            members.push(member(server, asked)?);
        }
        if members.is_empty() {
            return Err("a range has no server");
        }
        // The first one is the primary. Without its address the replicas are of no use: they do not take writes.
        let mut members = members.into_iter();
        if let Some(primary) = members.next().flatten() {
            ranges.push(Range { first, last, primary, replicas: members.flatten().collect() });
        }
    }
    Ok(ranges)
}

/// Host, port, id, and since Redis 7 other names. `None` if it cannot be reached by what is known.
fn member(value: Value, asked: &Endpoint) -> Result<Option<Endpoint>, &'static str> {
    let Value::Array(fields) = value else { return Err("a server is no list") };
    let mut fields = fields.into_iter();
    let (host, port) = (fields.next(), fields.next());
    let Some(Value::Int(port)) = port else { return Err("a server has no port") };
    let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else {
        return Err("a port is out of range");
    };
    let host = match host {
        Some(Value::Null) => String::new(),
        Some(host) => String::from_reply(host).map_err(|_| "a host is no text")?,
        None => return Err("a server has no host"),
    };
    if host != "?" {
        return Ok(named(&host, port, asked));
    }
    let others = fields.nth(1).map(HashMap::<String, String>::from_reply);
    let address = others.and_then(Result::ok).and_then(|mut others| others.remove("ip"));
    Ok(address.and_then(|address| named(&address, port, asked)))
}

/// The endpoint of a host and port as servers tell them. An empty host is the one that was asked.
fn named(host: &str, port: u16, asked: &Endpoint) -> Option<Endpoint> {
    let host = match (host, asked) {
        ("", Endpoint::Tcp { host, .. }) => host,
        // Whoever was asked through a Unix socket has not said where it listens.
        ("", Endpoint::Unix(_)) | ("?", _) => return None,
        (host, _) => host,
    };
    let is_plain = host.len() <= HOST_BYTES_MAX && host.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain.then(|| Endpoint::Tcp { host: host.to_owned(), port })
}

/// An error that says: not here, or not now. Nothing was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// The slot is served elsewhere from now on. Where is `None` if it was not said in a way that helps.
    Moved { slot: u16, to: Option<Endpoint> },
    /// This once, there: the slot is on its way.
    Ask { to: Option<Endpoint> },
    /// The keys of the command are on both sides of a slot that is on its way.
    TryAgain,
    /// Nobody serves the slot, or the server does not see most of the cluster.
    Down,
    /// A server that cannot answer yet, or not without its primary. Of interest if it is a replica.
    NotReady,
    /// It waited (`BLPOP`), and the server has become a replica meanwhile.
    Unblocked,
}

impl Redirection {
    /// Reads an [error](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding)
    /// that `asked` answered with; `None` if it is another one.
    pub(super) fn of(error: &ErrorReply, asked: &Endpoint) -> Option<Redirection> {
        match error.code() {
            "MOVED" => {
                let (slot, to) = place(error.detail(), asked)?;
                Some(Redirection::Moved { slot, to })
            }
            "ASK" => place(error.detail(), asked).map(|(_, to)| Redirection::Ask { to }),
            "TRYAGAIN" => Some(Redirection::TryAgain),
            "CLUSTERDOWN" => Some(Redirection::Down),
            "LOADING" | "MASTERDOWN" => Some(Redirection::NotReady),
            "UNBLOCKED" => Some(Redirection::Unblocked),
            _ => None,
        }
    }
}

/// `3999 127.0.0.1:6381`. IPv6 addresses come without brackets, so the last colon is the one before the port.
fn place(detail: &str, asked: &Endpoint) -> Option<(u16, Option<Endpoint>)> {
    let (slot, address) = detail.split_once(' ')?;
    let slot = slot.parse().ok().filter(|slot| *slot < SLOTS)?;
    let to = address.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse().ok().filter(|port| *port > 0)?;
        named(host, port, asked)
    });
    Some((slot, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    fn list<const N: usize>(values: [Value; N]) -> Value {
        Value::Array(values.into())
    }

    fn server(host: impl Into<Value>, port: i64) -> Value {
        list([host.into(), Value::Int(port), "id".into()])
    }

    #[test]
    fn ranges_are_read_with_every_way_to_name_a_server() {
        let other_names = |host: Value| {
            let names = Value::Map(vec![("ip".into(), "10.0.0.9".into())]);
            list([host, Value::Int(7), "id".into(), names])
        };
        for (why, of, want) in [
            ("an address", server("10.0.0.1", 7), Some(tcp("10.0.0.1", 7))),
            ("a name", server("redis-1.example", 7), Some(tcp("redis-1.example", 7))),
            ("empty: the host that was asked", server("", 7), Some(tcp("seed", 7))),
            ("null: the same", server(Value::Null, 7), Some(tcp("seed", 7))),
            ("IPv6", server("::1", 7), Some(tcp("::1", 7))),
            ("no name, but an address", other_names("?".into()), Some(tcp("10.0.0.9", 7))),
            ("a name, and an address", other_names("n".into()), Some(tcp("n", 7))),
            ("no name and no address", server("?", 7), None),
            ("a name that is none", server("a b", 7), None),
        ] {
            let answer = list([list([Value::Int(0), Value::Int(16_383), of])]);
            let ranges = parse(answer, &tcp("seed", 1)).unwrap();
            let want = want.map(|primary| Range { first: 0, last: 16_383, primary, replicas: vec![] });
            assert_eq!(ranges, Vec::from_iter(want), "{why}");
        }
        let unix = Endpoint::Unix("/s".into());
        let answer = list([list([Value::Int(1), Value::Int(1), server("", 7)])]);
        assert_eq!(parse(answer, &unix).unwrap(), [], "a socket tells no host");
        let answer =
            list([list([Value::Int(1), Value::Int(2), server("a", 7), server("?", 8), server("b", 9)])]);
        assert_eq!(parse(answer, &unix).unwrap()[0].replicas, [tcp("b", 9)]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let int = Value::Int;
        for (why, entry) in [
            ("no list", Value::Null),
            ("empty", list([])),
            ("one slot", list([int(1), server("a", 1)])),
            ("negative", list([int(-1), int(1), server("a", 1)])),
            ("too high", list([int(0), int(16_384), server("a", 1)])),
            ("backwards", list([int(2), int(1), server("a", 1)])),
            ("no server", list([int(0), int(1)])),
            ("a server that is none", list([int(0), int(1), int(7)])),
            ("no port", list([int(0), int(1), list(["a".into()])])),
            ("port 0", list([int(0), int(1), server("a", 0)])),
            ("port 65536", list([int(0), int(1), server("a", 65_536)])),
            ("a host that is no text", list([int(0), int(1), server(Value::Array(vec![]), 1)])),
        ] {
            assert!(parse(list([entry]), &tcp("seed", 1)).is_err(), "{why}");
        }
        let mut many = vec![int(0), int(1)];
        many.resize_with(SERVERS_MAX + 3, || server("a", 1));
        assert!(parse(list([Value::Array(many)]), &tcp("seed", 1)).is_err(), "too many servers");
    }

    #[test]
    fn redirections_are_read() {
        let moved = |slot, to| Some(Redirection::Moved { slot, to });
        for (message, want) in [
            ("MOVED 3999 127.0.0.1:6381", moved(3999, Some(tcp("127.0.0.1", 6381)))),
            ("MOVED 3999 ::1:6381", moved(3999, Some(tcp("::1", 6381)))),
            ("MOVED 3999 :6381", moved(3999, Some(tcp("asked", 6381)))),
            ("MOVED 3999 ?:6381", moved(3999, None)),
            ("MOVED 3999 h:0", moved(3999, None)),
            ("MOVED 3999 h:70000", moved(3999, None)),
            ("MOVED 3999 h", moved(3999, None)),
            ("MOVED 16384 h:1", None),
            ("MOVED -1 h:1", None),
            ("MOVED 3999", None),
            ("MOVED", None),
            ("ASK 1 h:1", Some(Redirection::Ask { to: Some(tcp("h", 1)) })),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Some(Redirection::TryAgain)),
            ("CLUSTERDOWN Hash slot not served", Some(Redirection::Down)),
            ("LOADING Redis is loading the dataset in memory", Some(Redirection::NotReady)),
            ("UNBLOCKED force unblock", Some(Redirection::Unblocked)),
            ("ERR MOVED", None),
        ] {
            assert_eq!(Redirection::of(&ErrorReply::new(message), &tcp("asked", 1)), want, "{message}");
        }
    }
}
