//! Connection strings: URLs, and keys with values.

use percent_encoding::percent_decode_str;

use super::error::ConfigError;
use super::keys::{self, Settings};

/// The name of the whole in errors.
const STRING: &str = "connection string";

/// Longest connection string read, in bytes: a configuration, not data.
const STRING_BYTES_MAX: usize = 64 * 1024;

/// Reads a connection string of either form.
///
/// # Errors
/// The setting that is wrong.
pub(super) fn parse(text: &str) -> Result<Settings, ConfigError> {
    if text.len() > STRING_BYTES_MAX {
        return Err(ConfigError::new(STRING, format!("is longer than {STRING_BYTES_MAX} bytes")));
    }
    let mut settings = Settings::new();
    match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        Some(rest) => url(&mut settings, rest)?,
        None if text.split(['=', ' ']).next().is_some_and(|first| first.contains("://")) => {
            return Err(ConfigError::new(STRING, "has another scheme than postgres:// or postgresql://"));
        }
        None => pairs(&mut settings, text)?,
    }
    Ok(settings)
}

/// `[user[:password]@][host[:port][,…]][/dbname][?key=value[&…]]`
fn url(settings: &mut Settings, rest: &str) -> Result<(), ConfigError> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password that was not encoded may hold an `@`, a host cannot.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    if let Some(user) = user {
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(password)),
            None => (user, None),
        };
        if !name.is_empty() {
            keys::set(settings, "user", decode("user", name)?)?;
        }
        if let Some(password) = password {
            keys::set(settings, "password", decode("password", password)?)?;
        }
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if database.contains('/') {
        return Err(ConfigError::new(
            "dbname",
            "holds a slash: write it as %2F (as those of a socket folder or a password)",
        ));
    }
    if !database.is_empty() {
        keys::set(settings, "dbname", decode("dbname", database)?)?;
    }
    hosts(settings, authority)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(ConfigError::new(STRING, "has a parameter without `=`"));
        };
        match (decode("(unreadable)", name)?.as_str(), value) {
            // As JDBC writes it, and libpq reads it.
            ("ssl", "true") => keys::set(settings, "sslmode", "require".to_owned())?,
            (name, value) => {
                let key = keys::KEYS.iter().find(|key| key.name == name);
                let value = decode(key.map_or("(unreadable)", |key| key.name), value)?;
                keys::set(settings, name, value)?;
            }
        }
    }
    Ok(())
}

fn hosts(settings: &mut Settings, authority: &str) -> Result<(), ConfigError> {
    if authority.is_empty() {
        return Ok(());
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in authority.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let Some((name, after)) = rest.split_once(']') else {
                    return Err(ConfigError::new("host", "opens a bracket and does not close it"));
                };
                match after.strip_prefix(':') {
                    Some(port) => (name, port),
                    None if after.is_empty() => (name, ""),
                    None => return Err(ConfigError::new("port", "must follow the bracket after a colon")),
                }
            }
            None => match host.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(ConfigError::new(
                        "host",
                        "is an IPv6 address without brackets: postgres://[::1]:5432",
                    ));
                }
                Some((name, port)) => (name, port),
                None => (host, ""),
            },
        };
        names.push(decode("host", name)?);
        ports.push(decode("port", port)?);
    }
    if names.iter().any(|name| !name.is_empty()) {
        keys::set(settings, "host", names.join(","))?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        keys::set(settings, "port", ports.join(","))?;
    }
    Ok(())
}

fn decode(key: &'static str, text: &str) -> Result<String, ConfigError> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
        if byte == b'%' && !(is_hex(bytes.next()) && is_hex(bytes.next())) {
            return Err(ConfigError::new(key, "has a `%` that begins no %XX: write a percent sign as %25"));
        }
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(ConfigError::new(key, "is not UTF-8 once decoded")),
    }
}

/// `key = value key = 'quoted value'`, with `\'` and `\\` for the quote and the backslash.
fn pairs(settings: &mut Settings, text: &str) -> Result<(), ConfigError> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.trim_start().strip_prefix('=') else {
            return Err(ConfigError::new(
                STRING,
                "has a word without `=`: quote values that hold spaces, password='two words'",
            ));
        };
        let (value, after) = value(name, after.trim_start())?;
        keys::set(settings, name, value)?;
        rest = after.trim_start();
    }
    Ok(())
}

/// One value, and what comes after it.
fn value<'a>(name: &str, text: &'a str) -> Result<(String, &'a str), ConfigError> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut letters = body.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, letter)) => value.push(letter),
                None => break,
            },
            '\'' if quoted.is_some() => return Ok((value, &body[at + 1..])),
            letter if quoted.is_none() && letter.is_ascii_whitespace() => return Ok((value, &body[at..])),
            letter => value.push(letter),
        }
    }
    if quoted.is_some() {
        let key = keys::KEYS.iter().find(|key| key.name == name).map_or(STRING, |key| key.name);
        return Err(ConfigError::new(key, "opens a quote and does not close it"));
    }
    Ok((value, ""))
}
