//! From settings by name to a configuration.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Config;
use super::environment::Environment;
use super::error::ConfigError;
use super::keys::{self, KEYS, Settings};
use super::passfile::PassFile;
use super::values::{
    AuthMethods, ChannelBinding, Host, HostName, LoadBalance, Roots, SslMode, SslNegotiation, TargetSession,
};
use crate::Secret;
use crate::postgres::options::Options;
use crate::postgres::pool::PoolConfig;

/// Where Debian's and Red Hat's servers have their socket.
pub(super) const DEFAULT_SOCKET_FOLDER: &str = "/var/run/postgresql";

const DEFAULT_PORT: u16 = 5432;

/// Most hosts of one configuration: each may take `connect_timeout`.
const HOSTS_MAX: usize = 64;

/// Largest certificate or key file, in bytes; a system's bundle of roots is about 250 KiB.
const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Completes `settings` from the environment and makes a configuration.
pub(super) fn build(mut settings: Settings, environment: &Environment) -> Result<Config, ConfigError> {
    for key in KEYS {
        if let Some(value) = key.variable.and_then(|name| environment.variable(name))
            && !settings.contains_key(key.name)
            && !value.is_empty()
        {
            keys::set(&mut settings, key.name, value.to_owned())?;
        }
    }
    // An empty value is no value, as with libpq.
    let mut take = |name: &str| settings.remove(name).filter(|value| !value.is_empty());

    let hosts = hosts(take("host"), take("hostaddr"), take("port"))?;
    let Some(user) = take("user").or_else(|| environment.user().map(str::to_owned)) else {
        return Err(ConfigError::new("user", "is not given, and the system's user has no name: give user=…"));
    };
    let database = take("dbname").unwrap_or_else(|| user.clone());
    let passfile = take("passfile").map(PathBuf::from).or_else(|| environment.in_home(".pgpass"));
    let application_name = take("application_name").or_else(|| take("fallback_application_name"));
    let connect_timeout = connect_timeout(take("connect_timeout"))?;
    let word = |value: Option<String>| value.unwrap_or_default();

    let mut ssl_mode = match take("sslmode") {
        Some(text) => Some(SslMode::from_word(&text)?),
        None => None,
    };
    let ssl_roots = roots(take("sslrootcert"), &mut ssl_mode, environment)?;
    let (certificate, key) = (take("sslcert"), take("sslkey"));
    let ssl_mode = ssl_mode.unwrap_or_default();
    let ssl_identity =
        if ssl_mode == SslMode::Disable { None } else { identity(certificate, key, environment)? };
    let ssl_negotiation = match word(take("sslnegotiation")).as_str() {
        "" => SslNegotiation::default(),
        text => SslNegotiation::from_word(text)?,
    };
    let is_weak = matches!(ssl_mode, SslMode::Disable | SslMode::Allow | SslMode::Prefer);
    if ssl_negotiation == SslNegotiation::Direct && is_weak {
        return Err(ConfigError::new(
            "sslnegotiation",
            "`direct` needs sslmode=require, verify-ca or verify-full",
        ));
    }
    Ok(Config {
        hosts,
        password: take("password").map(Secret::new),
        application_name: application_name.or_else(|| Some("corelane".to_owned())),
        options: take("options"),
        ssl_mode,
        ssl_negotiation,
        ssl_roots,
        ssl_identity,
        channel_binding: match word(take("channel_binding")).as_str() {
            "" => ChannelBinding::default(),
            text => ChannelBinding::from_word(text)?,
        },
        require_auth: match word(take("require_auth")).as_str() {
            "" => AuthMethods::default(),
            text => AuthMethods::parse(text)?,
        },
        target_session: match word(take("target_session_attrs")).as_str() {
            "" => TargetSession::default(),
            text => TargetSession::from_word(text)?,
        },
        load_balance: match word(take("load_balance_hosts")).as_str() {
            "" => LoadBalance::default(),
            text => LoadBalance::from_word(text)?,
        },
        connect_timeout,
        connection: Options::default(),
        pool: PoolConfig::default(),
        passfile: passfile.map(|path| PassFile::read(&path)).unwrap_or_default(),
        user,
        database,
    })
}

/// `host`, `hostaddr` and `port` are lists of one length; a single port is that of all hosts.
fn hosts(
    names: Option<String>,
    addresses: Option<String>,
    ports: Option<String>,
) -> Result<Vec<Host>, ConfigError> {
    let list = |text: &Option<String>| -> Vec<String> {
        text.iter().flat_map(|text| text.split(',')).map(|item| item.trim().to_owned()).collect()
    };
    let (names, addresses, ports) = (list(&names), list(&addresses), list(&ports));
    let count = names.len().max(addresses.len()).max(1);
    if count > HOSTS_MAX {
        return Err(ConfigError::new("host", format!("names {count} hosts, at most {HOSTS_MAX}")));
    }
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(ConfigError::new("hostaddr", "has another number of entries than `host`"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(ConfigError::new(
            "port",
            format!("has {} entries for {count} hosts: give one, or one for each", ports.len()),
        ));
    }
    (0..count)
        .map(|at| {
            let port = ports.get(at).or_else(|| ports.first().filter(|_| ports.len() == 1));
            let port = match port.map(String::as_str) {
                None | Some("") => DEFAULT_PORT,
                Some(text) => match number(text) {
                    Some(port @ 1..=65_535) => port,
                    _ => return Err(ConfigError::new("port", "is not a number from 1 to 65535")),
                },
            };
            let name = names.get(at).map(String::as_str).unwrap_or_default();
            let address = addresses.get(at).map(String::as_str).unwrap_or_default();
            Ok(Host { name: host_name(name, address)?, port })
        })
        .collect()
}

fn host_name(name: &str, address: &str) -> Result<HostName, ConfigError> {
    if !address.is_empty() {
        let Ok(ip) = address.parse() else {
            return Err(ConfigError::new("hostaddr", "is no IP address: names go into `host`"));
        };
        let name = if name.is_empty() { address } else { name };
        return Ok(HostName::Tcp { name: name.to_owned(), address: Some(ip) });
    }
    if name.is_empty() {
        return Ok(HostName::Unix(PathBuf::from(DEFAULT_SOCKET_FOLDER)));
    }
    if name.starts_with('@') {
        return Err(ConfigError::new(
            "host",
            "is an abstract Unix socket, which is not supported: use a folder",
        ));
    }
    if name.starts_with('/') {
        return Ok(HostName::Unix(PathBuf::from(name)));
    }
    if name.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(ConfigError::new("host", "is neither a name, an address, nor the path of a folder"));
    }
    Ok(HostName::Tcp { name: name.to_owned(), address: None })
}

/// Digits only: what the standard library reads may begin with a sign.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn connect_timeout(text: Option<String>) -> Result<Duration, ConfigError> {
    match text.map(|text| number(text.trim())) {
        None => Ok(Duration::from_secs(5)),
        Some(Some(seconds @ 1..=3600)) => Ok(Duration::from_secs(seconds.into())),
        Some(_) => Err(ConfigError::new(
            "connect_timeout",
            "is not a number of seconds from 1 to 3600; libpq's 0, to wait for ever, is not to be had",
        )),
    }
}

/// Whose certificates are trusted, and what that says of the mode.
fn roots(
    path: Option<String>,
    mode: &mut Option<SslMode>,
    environment: &Environment,
) -> Result<Roots, ConfigError> {
    if path.as_deref() == Some("system") {
        // As libpq: anybody gets a certificate of a public authority, so that the name has to be looked at.
        if mode.is_some_and(|mode| mode != SslMode::VerifyFull) {
            return Err(ConfigError::new("sslrootcert", "`system` needs sslmode=verify-full"));
        }
        *mode = Some(SslMode::VerifyFull);
        return Ok(Roots::System);
    }
    let default = || environment.in_home(".postgresql/root.crt").filter(|path| path.exists());
    match path.map(PathBuf::from).or_else(default) {
        Some(_) if *mode == Some(SslMode::Disable) => Ok(Roots::System),
        Some(path) => Ok(Roots::Pem(read("sslrootcert", &path)?)),
        None if *mode == Some(SslMode::VerifyCa) => Err(ConfigError::new(
            "sslrootcert",
            "is needed with sslmode=verify-ca; with verify-full the system's roots will do",
        )),
        None => Ok(Roots::System),
    }
}

fn identity(
    certificate: Option<String>,
    key: Option<String>,
    environment: &Environment,
) -> Result<Option<(Vec<u8>, Secret)>, ConfigError> {
    let default = |name: &str| environment.in_home(name).filter(|path| path.exists());
    let Some(certificate) = certificate.map(PathBuf::from).or_else(|| default(".postgresql/postgresql.crt"))
    else {
        return match key {
            Some(_) => Err(ConfigError::new("sslcert", "is needed with `sslkey`")),
            None => Ok(None),
        };
    };
    let Some(key) = key.map(PathBuf::from).or_else(|| default(".postgresql/postgresql.key")) else {
        return Err(ConfigError::new("sslkey", "is needed with a certificate: the path of its key"));
    };
    let certificate = read("sslcert", &certificate)?;
    let pem = read("sslkey", &key)?;
    // libpq's rule: closed to all others, or root's and readable by the group.
    let is_closed = fs::metadata(&key)
        .is_ok_and(|file| file.mode() & 0o077 == 0 || (file.uid() == 0 && file.mode() & 0o037 == 0));
    if !is_closed {
        return Err(ConfigError::new("sslkey", format!("{} is open to others: chmod 0600", key.display())));
    }
    match String::from_utf8(pem) {
        Ok(pem) => Ok(Some((certificate, Secret::new(pem)))),
        Err(_) => Err(ConfigError::new("sslkey", format!("{} is no PEM text", key.display()))),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let failed =
        |error| ConfigError::file(key, format!("names {}, which cannot be read", path.display()), error);
    if fs::metadata(path).map_err(failed)?.len() > PEM_BYTES_MAX {
        return Err(ConfigError::new(key, format!("names {}, which is longer than 4 MiB", path.display())));
    }
    fs::read(path).map_err(failed)
}
