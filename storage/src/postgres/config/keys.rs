//! The settings that libpq knows, and which of them are known here.

use std::collections::BTreeMap;

use super::error::ConfigError;

/// What becomes of a setting.
pub(super) enum Support {
    /// It is read.
    Yes,
    /// It may be given with one of these values, which say what is done anyway.
    Only(&'static [&'static str]),
    /// It is refused: to pass over it would be to do something else than was asked. What to do instead.
    No(&'static str),
}

pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) variable: Option<&'static str>,
    pub(super) support: Support,
}

const fn key(name: &'static str, variable: &'static str) -> Key {
    Key { name, variable: Some(variable), support: Support::Yes }
}

const fn only(name: &'static str, variable: Option<&'static str>, values: &'static [&'static str]) -> Key {
    Key { name, variable, support: Support::Only(values) }
}

const fn no(name: &'static str, variable: Option<&'static str>, instead: &'static str) -> Key {
    Key { name, variable, support: Support::No(instead) }
}

const KEEPALIVE: &str = "is not supported: a connection that is silent is found out by `deadline` and `connect_timeout`; leave it out";

/// [libpq's parameters](https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-PARAMKEYWORDS) and
/// [variables](https://www.postgresql.org/docs/17/libpq-envars.html).
pub(super) const KEYS: &[Key] = &[
    key("host", "PGHOST"),
    key("hostaddr", "PGHOSTADDR"),
    key("port", "PGPORT"),
    key("dbname", "PGDATABASE"),
    key("user", "PGUSER"),
    key("password", "PGPASSWORD"),
    key("passfile", "PGPASSFILE"),
    key("require_auth", "PGREQUIREAUTH"),
    key("channel_binding", "PGCHANNELBINDING"),
    key("connect_timeout", "PGCONNECT_TIMEOUT"),
    key("options", "PGOPTIONS"),
    key("application_name", "PGAPPNAME"),
    Key { name: "fallback_application_name", variable: None, support: Support::Yes },
    key("sslmode", "PGSSLMODE"),
    key("sslnegotiation", "PGSSLNEGOTIATION"),
    key("sslcert", "PGSSLCERT"),
    key("sslkey", "PGSSLKEY"),
    key("sslrootcert", "PGSSLROOTCERT"),
    key("target_session_attrs", "PGTARGETSESSIONATTRS"),
    key("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    only("client_encoding", Some("PGCLIENTENCODING"), &["UTF8", "UTF-8", "utf8", "utf-8", "auto"]),
    only("sslsni", Some("PGSSLSNI"), &["1"]),
    only("sslcompression", Some("PGSSLCOMPRESSION"), &["0"]),
    only("sslcertmode", Some("PGSSLCERTMODE"), &["allow"]),
    only("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), &["TLSv1", "TLSv1.1", "TLSv1.2"]),
    only("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), &["TLSv1.3"]),
    only("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"]),
    only("gssdelegation", Some("PGGSSDELEGATION"), &["0"]),
    no("service", Some("PGSERVICE"), "is not supported: give the settings of the service themselves"),
    no("servicefile", None, "is not supported: give the settings of the service themselves"),
    no("sslpassword", None, "is not supported: store the key unencrypted, readable by this user only"),
    no("sslcrl", Some("PGSSLCRL"), "is not supported: replace the certificates that `sslrootcert` holds"),
    no(
        "sslcrldir",
        Some("PGSSLCRLDIR"),
        "is not supported: replace the certificates that `sslrootcert` holds",
    ),
    no(
        "requirepeer",
        Some("PGREQUIREPEER"),
        "is not supported: use a socket folder that only the server's user may write to",
    ),
    no(
        "krbsrvname",
        Some("PGKRBSRVNAME"),
        "is not supported, as GSSAPI is not: use scram-sha-256 or a certificate",
    ),
    no("gsslib", Some("PGGSSLIB"), "is not supported, as GSSAPI is not: use scram-sha-256 or a certificate"),
    no("replication", None, "is not supported: this client has no replication mode"),
    no("keepalives", None, KEEPALIVE),
    no("keepalives_idle", None, KEEPALIVE),
    no("keepalives_interval", None, KEEPALIVE),
    no("keepalives_count", None, KEEPALIVE),
    no("tcp_user_timeout", None, KEEPALIVE),
];

/// Settings as they were given, by name.
pub(super) type Settings = BTreeMap<&'static str, String>;

/// Takes one setting, if it is one.
pub(super) fn set(settings: &mut Settings, name: &str, value: String) -> Result<(), ConfigError> {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        return Err(unknown(name));
    };
    // The messages of the protocol end their texts with it.
    if value.contains('\0') {
        return Err(ConfigError::new(key.name, "holds a NUL byte, which PostgreSQL cannot take"));
    }
    match key.support {
        Support::Yes => {
            settings.insert(key.name, value);
            Ok(())
        }
        Support::Only(values) if values.contains(&value.as_str()) => Ok(()),
        Support::Only(values) => Err(ConfigError::new(
            key.name,
            format!("is supported with {} only; leave it out", values.join(", ")),
        )),
        Support::No(instead) => Err(ConfigError::new(key.name, instead)),
    }
}

/// Names a setting that is none, if it looks like a name: it may be a part of a password that was not quoted.
fn unknown(name: &str) -> ConfigError {
    let is_name = !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
    let known: Vec<&str> =
        KEYS.iter().filter(|key| matches!(key.support, Support::Yes)).map(|key| key.name).collect();
    let problem = format!("is not known; known are {}", known.join(", "));
    if is_name {
        ConfigError::new(name.to_owned(), problem)
    } else {
        ConfigError::new("(unreadable)", problem)
    }
}
