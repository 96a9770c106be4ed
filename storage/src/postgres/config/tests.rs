use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn bare() -> Environment {
    Environment::empty().with_user("me")
}

fn parse(text: &str) -> Config {
    Config::parse_in(text, &bare()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn key_of(text: &str) -> String {
    let error = Config::parse_in(text, &bare()).expect_err(text);
    error.key().to_owned()
}

fn socket() -> Host {
    Host::unix("/var/run/postgresql", 5432)
}

#[test]
fn each_form_is_read() {
    for (text, hosts, user, database) in [
        ("", vec![socket()], "me", "me"),
        ("postgres://", vec![socket()], "me", "me"),
        ("postgresql:///shop", vec![socket()], "me", "shop"),
        ("postgres://app@db", vec![Host::tcp("db", 5432)], "app", "app"),
        ("postgres://app:pw@db:6432/shop", vec![Host::tcp("db", 6432)], "app", "shop"),
        ("postgres://[::1]:6432/shop", vec![Host::tcp("::1", 6432)], "me", "shop"),
        ("postgres://a:1,b,[::2]:3/shop", vec![], "me", "shop"),
        ("postgres://%2Ftmp%2Fpg/shop", vec![Host::unix("/tmp/pg", 5432)], "me", "shop"),
        ("postgres://%2Ftmp:5433/shop", vec![Host::unix("/tmp", 5433)], "me", "shop"),
        ("postgres:///shop?host=/tmp&port=5433", vec![Host::unix("/tmp", 5433)], "me", "shop"),
        (
            "postgres:///?host=a,b&port=6000&dbname=x",
            vec![Host::tcp("a", 6000), Host::tcp("b", 6000)],
            "me",
            "x",
        ),
        ("postgres://a%40b:p%2Fw@h/d%20b", vec![Host::tcp("h", 5432)], "a@b", "d b"),
        ("host=db port=6432 user=app dbname=shop", vec![Host::tcp("db", 6432)], "app", "shop"),
        ("  host = db   user = 'a \\'q\\' \\\\' ", vec![Host::tcp("db", 5432)], "a 'q' \\", "a 'q' \\"),
        ("host=a,b port=1,2 user=x", vec![Host::tcp("a", 1), Host::tcp("b", 2)], "x", "x"),
        ("host='' user=x", vec![socket()], "x", "x"),
    ] {
        let config = parse(text);
        assert_eq!((config.user.as_str(), config.database.as_str()), (user, database), "{text}");
        if !hosts.is_empty() {
            assert_eq!(config.hosts, hosts, "{text}");
        }
    }
    let three = parse("host=a,b,c port=1,,3").hosts;
    assert_eq!(
        three,
        [Host::tcp("a", 1), Host::tcp("b", 5432), Host::tcp("c", 3)],
        "an empty port is the default"
    );
    let mixed = parse("host=name hostaddr=10.0.0.1").hosts;
    let address = Some("10.0.0.1".parse().unwrap());
    assert_eq!(
        mixed[0].name,
        HostName::Tcp { name: "name".into(), address },
        "the name is for the certificate"
    );
}

#[test]
fn settings_have_their_values_and_defaults() {
    let config =
        parse("postgres://h?sslmode=require&application_name=shop&options=-c%20jit%3Doff&connect_timeout=7");
    assert_eq!(config.ssl_mode, SslMode::Require);
    assert_eq!(config.application_name.as_deref(), Some("shop"));
    assert_eq!(config.options.as_deref(), Some("-c jit=off"));
    assert_eq!(config.connect_timeout, Duration::from_secs(7));

    let config = parse("");
    assert_eq!(config.ssl_mode, SslMode::Prefer);
    assert_eq!(config.ssl_negotiation, SslNegotiation::Postgres);
    assert_eq!(config.ssl_roots, Roots::System);
    assert_eq!(config.channel_binding, ChannelBinding::Prefer);
    assert_eq!(config.target_session, TargetSession::Any);
    assert_eq!(config.load_balance, LoadBalance::Disable);
    assert_eq!(config.application_name.as_deref(), Some("corelane"));
    assert_eq!(config.connect_timeout, Duration::from_secs(5));

    let config = parse(
        "host=h sslmode=verify-full sslnegotiation=direct channel_binding=require target_session_attrs=prefer-standby load_balance_hosts=random",
    );
    assert_eq!(config.ssl_negotiation, SslNegotiation::Direct);
    assert_eq!(config.channel_binding, ChannelBinding::Require);
    assert_eq!(config.target_session, TargetSession::PreferStandby);
    assert_eq!(config.load_balance, LoadBalance::Random);

    assert_eq!(parse("postgres://h?ssl=true").ssl_mode, SslMode::Require, "as JDBC writes it");
    assert_eq!(parse("sslrootcert=system").ssl_mode, SslMode::VerifyFull, "the name has to be looked at");
    assert_eq!(parse("fallback_application_name=x").application_name.as_deref(), Some("x"));
    let both = parse("fallback_application_name=x application_name=y");
    assert_eq!(both.application_name.as_deref(), Some("y"));
    // They say what is done anyway.
    parse("client_encoding=UTF8 sslsni=1 gssencmode=disable ssl_min_protocol_version=TLSv1.2");
}

#[test]
fn methods_are_allowed_or_refused() {
    for (text, allowed, names_password) in [
        ("scram-sha-256", &["scram-sha-256"][..], false),
        ("password,none", &["password", "none"], true),
        ("!password", &["md5", "scram-sha-256", "none"], false),
        ("!password,!md5,!gss", &["scram-sha-256", "none"], false),
    ] {
        let methods = AuthMethods::parse(text).unwrap();
        for name in ["password", "md5", "scram-sha-256", "none"] {
            assert_eq!(methods.allow(name), allowed.contains(&name), "{text}: {name}");
        }
        assert_eq!(methods.names_password(), names_password, "{text}");
    }
    for text in ["", "scram", "password,!md5", "gss"] {
        assert_eq!(AuthMethods::parse(text).unwrap_err().key(), "require_auth", "{text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, key) in [
        ("mysql://h", "connection string"),
        ("postgres://h?sslmode=sometimes", "sslmode"),
        ("postgres://h?nonsense=1", "nonsense"),
        ("postgres://h?x", "connection string"),
        ("postgres://h:0/d", "port"),
        ("postgres://h:65536/d", "port"),
        ("postgres://h:+5432/d", "port"),
        ("postgres://::1/d", "host"),
        ("postgres://[::1/d", "host"),
        ("postgres://[::1]5432/d", "port"),
        ("postgres://h/a/b", "dbname"),
        ("postgres://u:50%@h", "password"),
        ("postgres://u%FF@h", "user"),
        ("postgres://u:a%00b@h", "password"),
        ("host=a,b port=1,2,3", "port"),
        ("host=a,b hostaddr=10.0.0.1", "hostaddr"),
        ("hostaddr=name", "hostaddr"),
        ("host=@abstract", "host"),
        ("host='two words'", "host"),
        ("connect_timeout=0", "connect_timeout"),
        ("connect_timeout=soon", "connect_timeout"),
        ("user", "connection string"),
        ("password='open", "password"),
        ("sslnegotiation=direct", "sslnegotiation"),
        ("sslrootcert=system sslmode=require", "sslrootcert"),
        ("sslmode=verify-ca", "sslrootcert"),
        ("sslkey=/x", "sslcert"),
        ("sslrootcert=/nowhere/at/all", "sslrootcert"),
        ("service=shop", "service"),
        ("replication=database", "replication"),
        ("client_encoding=LATIN1", "client_encoding"),
        ("gssencmode=require", "gssencmode"),
        ("ssl_min_protocol_version=TLSv1.3", "ssl_min_protocol_version"),
        ("target_session_attrs=master", "target_session_attrs"),
    ] {
        assert_eq!(key_of(text), key, "{text}");
    }
    let none = Config::parse_in("", &Environment::empty()).unwrap_err();
    assert_eq!(none.key(), "user");
}

#[test]
fn errors_and_debug_hold_no_secrets() {
    for text in [
        "postgres://u:swordfish%@h",
        "password=two swordfish",
        "password=two Swordfish=3 host=x",
        "password='swordfish",
        "postgres://u:swordfish@h?sslmode=x",
        "postgres://u:pw@h:swordfish/d",
    ] {
        let error = Config::parse_in(text, &bare()).expect_err(text);
        let shown = format!("{error} {error:?}").to_lowercase();
        assert!(!shown.contains("swordfish"), "{text}: {shown}");
    }
    let config = parse("postgres://u:swordfish@h");
    assert!(!format!("{config:?}").contains("swordfish"));
    let environment = bare().with("PGPASSWORD", "swordfish");
    assert!(!format!("{environment:?}").contains("swordfish"));
}

#[test]
fn the_string_comes_before_the_variables() {
    let environment = bare()
        .with("PGHOST", "/sockets")
        .with("PGPORT", "5555")
        .with("PGUSER", "variable")
        .with("PGDATABASE", "variable")
        .with("PGPASSWORD", "pw")
        .with("PGSSLMODE", "")
        .with("PGUNKNOWN", "passed over, as libpq does");
    let config = Config::parse_in("user=string", &environment).unwrap();
    assert_eq!(config.hosts, [Host::unix("/sockets", 5555)]);
    assert_eq!((config.user.as_str(), config.database.as_str()), ("string", "variable"));
    assert!(config.password.is_some());
    assert_eq!(config.ssl_mode, SslMode::Prefer, "an empty variable is none");
    let refused = Config::parse_in("", &bare().with("PGSERVICE", "shop")).unwrap_err();
    assert_eq!(refused.key(), "service", "a variable that would lead elsewhere is no less an error");
}

/// A folder that is removed at the end.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Home {
        let path = std::env::temp_dir().join(format!("corelane-pghome-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join(".postgresql")).unwrap();
        Home(path)
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        fs::write(self.0.join(name), content).unwrap();
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn the_files_in_the_home_folder_are_read() {
    let home = Home::new("files");
    let environment = bare().with_home(&home.0);
    home.write(".pgpass", "db:5432:shop:me:one\nlocalhost:*:*:*:two\n", 0o600);
    let config =
        Config::parse_in("postgres://db,%2Fvar%2Frun%2Fpostgresql,other/shop", &environment).unwrap();
    let passwords: Vec<_> = config.hosts.iter().map(|host| config.password_for(host)).collect();
    assert_eq!(passwords[0], Some(Secret::new("one")), "each host has its own");
    assert_eq!(passwords[1], Some(Secret::new("two")), "the default socket is localhost");
    assert_eq!(passwords[2], None);
    let given = Config::parse_in("postgres://me:own@db/shop", &environment).unwrap();
    assert_eq!(
        given.password_for(&given.hosts[0]),
        Some(Secret::new("own")),
        "one that is given comes first"
    );

    home.write(".postgresql/root.crt", "roots", 0o644);
    home.write(".postgresql/postgresql.crt", "certificate", 0o644);
    let error = Config::parse_in("", &environment).unwrap_err();
    assert_eq!(error.key(), "sslkey", "a certificate without its key");
    home.write(".postgresql/postgresql.key", "key", 0o644);
    let error = Config::parse_in("", &environment).unwrap_err();
    assert_eq!(error.key(), "sslkey", "a key that others may read: {error}");
    home.write(".postgresql/postgresql.key", "key", 0o600);
    let config = Config::parse_in("", &environment).unwrap();
    assert_eq!(config.ssl_roots, Roots::Pem(b"roots".to_vec()));
    assert_eq!(config.ssl_identity, Some((b"certificate".to_vec(), Secret::new("key"))));
    let config = Config::parse_in("sslmode=disable", &environment).unwrap();
    assert_eq!((config.ssl_roots, config.ssl_identity), (Roots::System, None), "not needed, so not read");
}

#[test]
fn any_text_is_a_configuration_or_an_error() {
    let seeds = [
        "postgres://a%40b:p%2Fw@[::1]:5432,h:1/d%20b?sslmode=require&options=-c%20jit%3Doff#",
        "host = 'a,b' port=1,2 user='a \\'q\\' \\\\' password=x\\ y connect_timeout=3",
    ];
    let letters: Vec<char> = "%@:/?#[]=&,'\\ \0\u{fc}0af-!".chars().collect();
    let mut seed = 7u64;
    let mut below = move |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % n
    };
    let mut read = 0;
    for round in 0..20_000 {
        let mut text: Vec<char> = seeds[round % 2].chars().collect();
        for _ in 0..below(4) {
            let at = below(text.len());
            match below(3) {
                0 => text[at] = letters[below(letters.len())],
                1 => drop(text.remove(at)),
                _ => text.insert(at, letters[below(letters.len())]),
            }
        }
        let text: String = text.into_iter().collect();
        if let Ok(config) = Config::parse_in(&text, &bare()) {
            assert!(!config.hosts.is_empty(), "{text}");
            let texts = [&config.user, &config.database];
            assert!(texts.iter().all(|text| !text.contains('\0') && !text.is_empty()), "{text:?}");
            read += 1;
        }
    }
    assert!(read > 1000, "{read} were read: the rest is not all there is to test");
}
