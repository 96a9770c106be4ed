//! What sentinels answer and tell. No I/O happens here.

use std::collections::HashMap;

use crate::redis::config::Endpoint;
use crate::redis::proto::{FromReply, Value};

/// Most replicas that are looked at.
const REPLICAS_MAX: usize = 256;

/// Longest name of a host.
const HOST_BYTES_MAX: usize = 255;

/// Reads the answer to `SENTINEL GET-MASTER-ADDR-BY-NAME`: host and port.
///
/// # Errors
/// What is wrong with it.
pub(super) fn primary(answer: Value) -> Result<Endpoint, &'static str> {
    if answer == Value::Null {
        return Err("it knows no service of this name");
    }
    let (host, port) = <(String, String)>::from_reply(answer).map_err(|_| "its answer is no address")?;
    endpoint(&host, &port).ok_or("its answer is no address")
}

/// Reads the answer to `SENTINEL REPLICAS`: those that are up and have a connection to their primary.
///
/// # Errors
/// If it is no such answer.
pub(super) fn replicas(answer: Value) -> Result<Vec<Endpoint>, &'static str> {
    let Value::Array(replicas) = answer else { return Err("its list of replicas is none") };
    let read = |replica| {
        let fields = HashMap::<String, String>::from_reply(replica).ok()?;
        let flags = fields.get("flags")?;
        let is_down = flags.split(',').any(|flag| matches!(flag, "s_down" | "o_down" | "disconnected"));
        let is_linked = fields.get("master-link-status").is_none_or(|status| status == "ok");
        if is_down || !is_linked {
            return None;
        }
        endpoint(fields.get("ip")?, fields.get("port")?)
    };
    Ok(replicas.into_iter().take(REPLICAS_MAX).filter_map(read).collect())
}

/// Reads a message on `+switch-master`: service, old host and port, new host and port. `None` if it is of another service.
pub(super) fn switched(message: &[u8], service: &str) -> Option<Endpoint> {
    let text = std::str::from_utf8(message).ok()?;
    // The name may have spaces in it.
    let mut fields = text.strip_prefix(service)?.strip_prefix(' ')?.split(' ').skip(2);
    let (host, port) = (fields.next()?, fields.next()?);
    endpoint(host, port)
}

fn endpoint(host: &str, port: &str) -> Option<Endpoint> {
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let is_plain =
        !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain.then(|| Endpoint::Tcp { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    fn list(texts: &[&'static str]) -> Value {
        Value::Array(texts.iter().copied().map(Value::from).collect())
    }

    #[test]
    fn a_primary_is_a_host_and_a_port() {
        assert_eq!(primary(list(&["10.0.0.1", "6379"])), Ok(tcp("10.0.0.1", 6379)));
        assert_eq!(primary(list(&["::1", "1"])), Ok(tcp("::1", 1)));
        assert_eq!(primary(Value::Null), Err("it knows no service of this name"));
        for (why, answer) in [
            ("no list", Value::Int(1)),
            ("one field", list(&["h"])),
            ("no host", list(&["", "1"])),
            ("a host that is none", list(&["a b", "1"])),
            ("port 0", list(&["h", "0"])),
            ("port too high", list(&["h", "65536"])),
            ("port no number", list(&["h", "x"])),
        ] {
            assert!(primary(answer).is_err(), "{why}");
        }
    }

    #[test]
    fn replicas_that_are_of_use_are_read() {
        let replica = |host, flags, link| {
            list(&["name", "n", "ip", host, "port", "1", "flags", flags, "master-link-status", link])
        };
        let answer = Value::Array(vec![
            replica("a", "slave", "ok"),
            replica("b", "s_down,slave", "ok"),
            replica("c", "slave,disconnected", "ok"),
            replica("d", "slave", "err"),
            replica("e", "o_down,s_down,slave", "ok"),
            list(&["flags", "slave"]),
            Value::Int(1),
            list(&["ip", "f", "port", "1", "flags", "slave"]),
        ]);
        assert_eq!(replicas(answer), Ok(vec![tcp("a", 1), tcp("f", 1)]));
        assert!(replicas(Value::Null).is_err());
    }

    #[test]
    fn a_switch_is_of_one_service() {
        for (message, want) in [
            ("main 10.0.0.1 6379 10.0.0.2 6380", Some(tcp("10.0.0.2", 6380))),
            ("other 10.0.0.1 6379 10.0.0.2 6380", None),
            ("main2 10.0.0.1 6379 10.0.0.2 6380", None),
            ("main 10.0.0.1 6379 10.0.0.2", None),
            ("main", None),
            ("", None),
        ] {
            assert_eq!(switched(message.as_bytes(), "main"), want, "{message}");
        }
        assert_eq!(switched(b"my main a 1 b 2", "my main"), Some(tcp("b", 2)));
        assert_eq!(switched(b"\xff", "main"), None);
    }
}
