//! Methods of authentication, TLS and cancelling, against PostgreSQL 15.

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use super::server::PgServer;
use super::{connect, on_core, whole};
use crate::postgres::connect::transport::is_encrypted;
use crate::postgres::proto::{Decoder, Message};

fn server() -> PgServer {
    let server = PgServer::builder()
        .hba("host all scram all scram-sha-256")
        .hba("host all md5 all md5")
        .hba("host all clear all password")
        .hba("local all clear password")
        .hba("local all root peer")
        .hba("host all away all reject")
        .start();
    server.psql(
        "create role scram login password 'pässwörd';
         set password_encryption = 'md5';
         create role md5 login password 'secret';
         set password_encryption = 'scram-sha-256';
         create role clear login password 'secret';
         create role root login; create role away login;",
    );
    server.psql("create database other");
    server
}

#[test]
fn each_method_lets_in_who_knows_the_password() {
    let server = server();
    let (port, folder) = (server.port(), server.socket_folder().display());
    on_core(async {
        for (why, text) in [
            ("trust", format!("host=127.0.0.1 port={port}")),
            ("trust by name", format!("host=localhost port={port}")),
            ("scram", format!("host=127.0.0.1 port={port} user=scram password='pässwörd' dbname=postgres")),
            ("md5", format!("host=127.0.0.1 port={port} user=md5 password=secret dbname=postgres")),
            (
                "clear text, if it is named",
                format!(
                    "host=127.0.0.1 port={port} user=clear password=secret dbname=postgres require_auth=password"
                ),
            ),
            (
                "clear text over a socket",
                format!("host={folder} port={port} user=clear password=secret dbname=postgres"),
            ),
            ("the only methods allowed", format!("host=127.0.0.1 port={port} require_auth=none")),
        ] {
            let established = connect(&text).await.unwrap_or_else(|error| panic!("{why}: {}", whole(&error)));
            let version = established.parameters.iter().find(|(name, _)| name == "server_version");
            assert!(version.is_some_and(|(_, value)| value.starts_with("15")), "{why}: {version:?}");
            assert!(established.process_id > 0 && established.unread.is_none(), "{why}");
        }
        for (why, text, want) in [
            ("scram, wrong password", "user=scram password=x dbname=postgres", "28P01"),
            ("md5, wrong password", "user=md5 password=x dbname=postgres", "28P01"),
            ("no password", "user=scram dbname=postgres", "none was given"),
            (
                "clear text where others may listen",
                "user=clear password=secret dbname=postgres",
                "require_auth=password",
            ),
            ("refused by address", "user=away dbname=postgres", "28000"),
            ("no such user", "user=nobody dbname=postgres", "28000"),
            ("no such database", "dbname=nothing", "3D000"),
            (
                "not allowed here",
                "user=md5 password=secret dbname=postgres require_auth=scram-sha-256",
                "asks for md5",
            ),
            ("not bound", "channel_binding=require", "channel_binding=require"),
            ("no TLS", "sslmode=require", "TLS"),
        ] {
            let text = format!("host=127.0.0.1 port={port} {text}");
            let Err(error) = connect(&text).await else { panic!("{why}: it lets us in") };
            let told = whole(&error);
            assert!(told.contains(want) || error.sqlstate() == Some(want), "{why}: {told}");
            assert!(!told.contains("secret"), "{why}: {told}");
            assert!(
                error.is_unavailable() || error.db().is_none() && told.contains("feature"),
                "{why}: {told}"
            );
        }
        // Who we are to the operating system: the tests may run as root or as somebody else.
        let peer = connect(&format!("host={folder} port={port} user=root dbname=postgres")).await;
        let user = std::env::var("USER").unwrap_or_default();
        match peer {
            Ok(_) => assert!(user.is_empty() || user == "root", "{user}"),
            Err(error) => assert!(error.is_auth() && user != "root", "{}", whole(&error)),
        }
    });
}

#[test]
fn the_session_is_as_configured() {
    let server = server();
    on_core(async {
        let text = format!(
            "postgres://postgres@127.0.0.1:{}/other?application_name=shop%20one&options=-c%20statement_timeout%3D1234%20-c%20extra.x%3Da%5C%20b",
            server.port()
        );
        let mut established = connect(&text).await.unwrap();
        let answers = query(
            &mut established.stream,
            "select current_database() || '/' || current_setting('application_name') || '/' || current_setting('statement_timeout')
               || '/' || current_setting('extra.x') || '/' || current_setting('client_encoding')",
        )
        .await;
        assert_eq!(answers, Ok("other/shop one/1234ms/a b/UTF8".to_owned()));
    });
}

#[test]
fn a_statement_is_cancelled_from_outside() {
    let server = server();
    on_core(async {
        for text in [server.url(), server.unix_url()] {
            let mut established = connect(&text).await.unwrap();
            let cancel = established.cancel.clone();
            let sleeping = query(&mut established.stream, "select 'slept' from pg_sleep(100)");
            let cancelling = corelane_runtime::spawn(async move {
                // Until it has begun there is nothing to cancel: ask again as long as it sleeps.
                loop {
                    cancel.cancel().await.unwrap();
                    corelane_runtime::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            });
            assert_eq!(sleeping.await, Err("57014".to_owned()));
            drop(cancelling);
        }
    });
}

/// The first value of a statement's last row, or the SQLSTATE of its error.
async fn query(stream: &mut corelane_runtime::net::Stream, sql: &str) -> Result<String, String> {
    let mut out = BytesMut::new();
    frontend::query(sql, &mut out).unwrap();
    stream.send(out.freeze()).await.unwrap();
    let mut decoder = Decoder::default();
    let mut answer = Ok(String::new());
    loop {
        let lease = stream.recv().await.unwrap();
        assert!(!lease.is_empty(), "the server closed");
        let mut input = &lease[..];
        while let Some(message) = decoder.decode(&mut input).unwrap() {
            match message {
                Message::Row(row) => {
                    let value = row.values().next().flatten().unwrap_or_default();
                    answer = Ok(String::from_utf8(value.to_vec()).unwrap());
                }
                Message::Error(fields) => {
                    answer = Err(crate::postgres::DbError::from_fields(&fields).code().to_owned());
                }
                Message::Ready(_) => return answer,
                _ => {}
            }
        }
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_tls_is_an_error_that_names_it() {
    on_core(async {
        let Err(error) = connect("host=127.0.0.1 sslmode=require").await else { panic!("it is there") };
        assert!(error.to_string().contains("feature `tls`"), "{error}");
    });
    assert!(!is_encrypted(&corelane_runtime::block_on(async { corelane_runtime::net::duplex(1).0 })));
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::Secret;
    use crate::postgres::Config;
    use crate::postgres::config::Roots;
    use crate::postgres::connect::open;

    struct Made {
        root: String,
        server: (String, String),
        client: (String, String),
    }

    /// A root, and what it has signed.
    fn made() -> Made {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = parameters.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::from_params(&parameters, &key);
        let sign = |name: &str, common_name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
            parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
            (parameters.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        Made { root: root.pem(), server: sign("localhost", "server"), client: sign("client", "certified") }
    }

    fn start(made: &Made) -> PgServer {
        let server = PgServer::builder()
            .tls(&made.server.0, &made.server.1)
            .file("root.crt", made.root.as_str())
            .set("ssl_ca_file", "root.crt")
            .hba("hostssl all certified all cert")
            .hba("host all scram all scram-sha-256")
            .hba("host all clear all password")
            .hba("hostssl all noencrypt all reject")
            .hba("hostnossl all encrypt all reject")
            .start();
        server.psql(
            "create role scram login password 'secret'; create role clear login password 'secret';
             create role certified login; create role noencrypt login; create role encrypt login;",
        );
        server
    }

    fn with(server: &PgServer, roots: Option<&str>, text: &str) -> Config {
        let mut config =
            super::super::config(&format!("host=localhost port={} dbname=postgres {text}", server.port()));
        config.connect_timeout = std::time::Duration::from_secs(60);
        if let Some(pem) = roots {
            config.ssl_roots = Roots::Pem(pem.as_bytes().to_vec());
        }
        config
    }

    #[test]
    fn each_mode_checks_what_it_says() {
        let (made, others) = (made(), made());
        let server = start(&made);
        let root = Some(made.root.as_str());
        let other = Some(others.root.as_str());
        on_core(async {
            for (why, roots, text, encrypted) in [
                ("disable", None, "sslmode=disable", false),
                ("allow: not needed", None, "sslmode=allow", false),
                ("allow: needed", None, "sslmode=allow user=encrypt", true),
                ("prefer", None, "sslmode=prefer", true),
                ("prefer: refused", None, "sslmode=prefer user=noencrypt", false),
                ("prefer: with whoever is there", other, "sslmode=prefer", true),
                ("require: with whoever is there", None, "sslmode=require", true),
                ("require, with roots", root, "sslmode=require", true),
                ("verify-full", root, "sslmode=verify-full", true),
                (
                    "bound",
                    root,
                    "sslmode=verify-full user=scram password=secret channel_binding=require",
                    true,
                ),
                ("bound if possible", root, "sslmode=require user=scram password=secret", true),
                (
                    "not bound",
                    root,
                    "sslmode=require user=scram password=secret channel_binding=disable",
                    true,
                ),
                ("clear text through TLS", root, "sslmode=require user=clear password=secret", true),
            ] {
                let config = with(&server, roots, text);
                let established =
                    open(&config).await.unwrap_or_else(|error| panic!("{why}: {}", whole(&error)));
                assert_eq!(is_encrypted(&established.stream), encrypted, "{why}");
            }
            for (why, roots, text, want) in [
                ("require, other roots", other, "sslmode=require", "certificate"),
                ("verify-full, other roots", other, "sslmode=verify-full", "certificate"),
                ("verify-full, the system's roots", None, "sslmode=verify-full", "certificate"),
                ("require, and refused", None, "sslmode=require user=noencrypt", "pg_hba.conf"),
                ("disable, and refused", None, "sslmode=disable user=encrypt", "pg_hba.conf"),
            ] {
                let Err(error) = open(&with(&server, roots, text)).await else {
                    panic!("{why}: it lets us in")
                };
                let told = whole(&error);
                assert!(told.contains(want), "{why}: {told}");
            }
            // The certificate is for `localhost`.
            for (why, lets_in) in [("verify-ca", true), ("verify-full", false)] {
                let mut config = with(&server, root, "");
                let text = format!("host=127.0.0.1 port={}", server.port());
                config.hosts = super::super::config(&text).hosts;
                config.ssl_mode = if lets_in {
                    crate::postgres::SslMode::VerifyCa
                } else {
                    crate::postgres::SslMode::VerifyFull
                };
                let opened = open(&config).await;
                assert_eq!(opened.is_ok(), lets_in, "{why}: {:?}", opened.err().map(|error| whole(&error)));
            }
        });
    }

    #[test]
    fn a_client_shows_its_own_certificate_and_cancels_through_tls() {
        let made = made();
        let server = start(&made);
        on_core(async {
            let mut config = with(&server, Some(&made.root), "sslmode=verify-full user=certified");
            let Err(without) = open(&config).await else { panic!("it lets us in") };
            assert!(without.is_auth(), "{}", whole(&without));
            config.ssl_identity =
                Some((made.client.0.clone().into_bytes(), Secret::new(made.client.1.clone())));
            let mut established = open(&config).await.unwrap();
            let cancel = established.cancel.clone();
            let cancelling = corelane_runtime::spawn(async move {
                loop {
                    cancel.cancel().await.unwrap();
                    corelane_runtime::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            });
            let slept = query(&mut established.stream, "select 'slept' from pg_sleep(100)").await;
            assert_eq!(slept, Err("57014".to_owned()));
            drop(cancelling);
        });
    }

    /// PostgreSQL learned it in version 17, so that a terminator of TLS stands in front of 15 here.
    #[test]
    fn tls_may_begin_at_once() {
        let made = made();
        let server = start(&made);
        on_core(async {
            for (alpn, lets_in) in [(Some("postgresql"), true), (None, false)] {
                let mut acceptor = corelane_runtime::tls::Acceptor::builder()
                    .identity(made.server.0.as_bytes(), made.server.1.as_bytes());
                if let Some(protocol) = alpn {
                    acceptor = acceptor.alpn(protocol);
                }
                let acceptor = acceptor.build().unwrap();
                let listener = corelane_runtime::net::TcpListener::bind(
                    "127.0.0.1:0".parse().unwrap(),
                    &corelane_runtime::net::ListenOptions::default(),
                )
                .unwrap();
                let port = listener.local_addr().unwrap().port();
                let behind = ([127, 0, 0, 1], server.port()).into();
                let relay = corelane_runtime::spawn(async move {
                    let (stream, _) = listener.accept().await.unwrap();
                    let Ok(outer) = acceptor.accept(stream).await else { return };
                    let inner = corelane_runtime::net::Stream::connect(behind).await.unwrap();
                    let (mut from_client, mut to_client) = outer.split().unwrap();
                    let (mut from_server, mut to_server) = inner.split().unwrap();
                    let up = corelane_runtime::spawn(async move {
                        while let Ok(lease) = from_client.recv().await {
                            if lease.is_empty() || to_server.send(lease).await.is_err() {
                                break;
                            }
                        }
                    });
                    while let Ok(lease) = from_server.recv().await {
                        if lease.is_empty() || to_client.send(lease).await.is_err() {
                            break;
                        }
                    }
                    drop(up);
                });
                let mut config = with(&server, Some(&made.root), "sslmode=verify-full sslnegotiation=direct");
                config.hosts[0].port = port;
                let opened = open(&config).await;
                assert_eq!(opened.is_ok(), lets_in, "{:?}", opened.err().map(|error| whole(&error)));
                drop(relay);
            }
        });
    }
}
