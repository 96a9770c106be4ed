//! Asking an admin listener: one GET over a connection of its own, and finding the listener of a process.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use std::{fmt, fs, io};

use clap::Args;

/// Longest answer that is taken, in bytes: a profile of a large program has some megabytes.
const ANSWER_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Longest answer's head, in bytes.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// How long a connection may take, and how much longer than asked for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which program.
#[derive(Args)]
pub(crate) struct Target {
    /// Where its admin listener is.
    #[arg(long, default_value = "http://127.0.0.1:9090", conflicts_with = "pid")]
    url: String,
    /// The program's process instead: its listener is looked for among those it has on loopback.
    #[arg(long)]
    pid: Option<u32>,
    /// The bearer token, where the listener wants one.
    #[arg(long, env = "CORELANE_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum AdminError {
    Url(String),
    Https,
    Connect(String, io::Error),
    Io(io::Error),
    NotHttp,
    TooLong,
    Refused(u16, String),
    NoListener(u32),
    NoProcess(u32, io::Error),
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminError::Url(url) => {
                write!(f, "`{url}` is no URL of an admin listener: write it as http://127.0.0.1:9090")
            }
            AdminError::Https => {
                f.write_str("the admin listener speaks no TLS: use http://, or an SSH tunnel")
            }
            AdminError::Connect(authority, _) => {
                write!(
                    f,
                    "nothing answers at {authority}: is the program running with an admin listener (--admin)?"
                )
            }
            AdminError::Io(_) => f.write_str("the connection to the admin listener broke"),
            AdminError::NotHttp => f.write_str("what answers there is no admin listener"),
            AdminError::TooLong => write!(f, "the answer has more than {ANSWER_BYTES_MAX} bytes"),
            AdminError::Refused(401, _) => {
                f.write_str("the admin listener wants a token: --token, or CORELANE_ADMIN_TOKEN")
            }
            AdminError::Refused(status, detail) => write!(f, "the admin listener answers {status}: {detail}"),
            AdminError::NoListener(pid) => {
                write!(f, "process {pid} has no admin listener on loopback; was it started with --admin?")
            }
            AdminError::NoProcess(pid, _) => write!(f, "process {pid} cannot be looked at"),
        }
    }
}

impl Error for AdminError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            AdminError::Connect(_, error) | AdminError::Io(error) | AdminError::NoProcess(_, error) => {
                Some(error)
            }
            _ => None,
        }
    }
}

impl From<io::Error> for AdminError {
    fn from(error: io::Error) -> AdminError {
        AdminError::Io(error)
    }
}

impl Target {
    /// The body of the answer to `GET path`, which may take `longest`.
    pub(crate) fn get(&self, path: &str, longest: Duration) -> Result<Vec<u8>, AdminError> {
        ask(&self.authority()?, path, self.token.as_deref(), longest)
    }

    /// Host and port.
    fn authority(&self) -> Result<String, AdminError> {
        if let Some(pid) = self.pid {
            return find(pid, self.token.as_deref());
        }
        if self.url.starts_with("https://") {
            return Err(AdminError::Https);
        }
        let rest = self.url.strip_prefix("http://").unwrap_or(&self.url);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let plain = !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
        match (plain, has_port) {
            (true, true) => Ok(authority.to_owned()),
            (true, false) => Ok(format!("{authority}:80")),
            (false, _) => Err(AdminError::Url(self.url.clone())),
        }
    }
}

fn ask(authority: &str, path: &str, token: Option<&str>, longest: Duration) -> Result<Vec<u8>, AdminError> {
    let connect = || -> io::Result<TcpStream> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in std::net::ToSocketAddrs::to_socket_addrs(authority)? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    };
    let mut stream = connect().map_err(|error| AdminError::Connect(authority.to_owned(), error))?;
    stream.set_read_timeout(Some(longest + PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
    if let Some(token) = token {
        // What has no place in a header cannot be the token.
        let token: String = token.chars().filter(char::is_ascii_graphic).collect();
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    let mut limited = reader.by_ref().take(HEAD_BYTES_MAX);
    while !head.ends_with(b"\r\n\r\n") {
        if limited.read_until(b'\n', &mut head)? == 0 {
            return Err(AdminError::NotHttp);
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    let Some(status) = status else { return Err(AdminError::NotHttp) };
    // The listener gives every answer its length, and closes after it: all that comes is the body.
    let mut body = Vec::new();
    reader.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut body)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    if body.len() as u64 > ANSWER_BYTES_MAX {
        return Err(AdminError::TooLong);
    }
    if length.is_some_and(|length| length != body.len()) {
        return Err(AdminError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    if status != 200 {
        let problem: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
        return Err(AdminError::Refused(status, detail.unwrap_or("no reason is given").to_owned()));
    }
    Ok(body)
}

/// The admin listener among those that a process has on loopback.
fn find(pid: u32, token: Option<&str>) -> Result<String, AdminError> {
    let failed = |error| AdminError::NoProcess(pid, error);
    let mut sockets = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).map_err(failed)? {
        let Ok(target) = entry.and_then(|entry| fs::read_link(entry.path())) else { continue };
        let inode: Option<u64> =
            target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        sockets.extend(inode);
    }
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).map_err(failed)?;
    for address in listening(&table, &sockets) {
        let authority = address.to_string();
        let Ok(body) = ask(&authority, "/stats", token, Duration::ZERO) else { continue };
        let stats: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        if stats.is_some_and(|stats| stats.get("process").is_some_and(|process| *process == pid)) {
            return Ok(authority);
        }
    }
    Err(AdminError::NoListener(pid))
}

/// Loopback addresses that these sockets listen on, by `/proc/net/tcp` (proc_net(5)).
fn listening(table: &str, sockets: &[u64]) -> Vec<SocketAddr> {
    let listening = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let inode: u64 = fields.get(9)?.parse().ok()?;
        if *fields.get(3)? != "0A" || !sockets.contains(&inode) {
            return None;
        }
        let (address, port) = fields.get(1)?.split_once(':')?;
        let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_ne_bytes());
        let port = u16::from_str_radix(port, 16).ok()?;
        address.is_loopback().then(|| SocketAddr::from((address, port)))
    });
    let mut found: Vec<SocketAddr> = listening.collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        for (url, want) in [
            ("http://127.0.0.1:9090", Some("127.0.0.1:9090")),
            ("127.0.0.1:9090", Some("127.0.0.1:9090")),
            ("http://127.0.0.1:9090/profile/cpu?x", Some("127.0.0.1:9090")),
            ("http://admin.example", Some("admin.example:80")),
            ("http://[::1]:9090/", Some("[::1]:9090")),
            ("https://127.0.0.1:9090", None),
            ("http://", None),
            ("http://user@127.0.0.1:9090", None),
        ] {
            let target = Target { url: url.into(), pid: None, token: None };
            assert_eq!(target.authority().ok().as_deref(), want, "{url}");
        }
    }

    #[test]
    fn only_loopback_listeners_of_the_process_are_tried() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0 0 10 0\n\
            1: 0100007F:2383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0\n\
            2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 43 1 0 100 0 0 10 0\n\
            3: 0100007F:2384 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 44 1 0 100 0 0 10 0\n";
        let found = listening(table, &[41, 43, 44]);
        assert_eq!(found, ["127.0.0.1:9090".parse().unwrap()]);
    }
}
