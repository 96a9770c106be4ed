//! Servers that lie. Callers get an error, never a panic and never an answer that was not meant for them.

use std::time::Duration;

use corelane_storage::postgres::{Config, Connection};

use crate::support::on_core;
use crate::support::pg_liar::{self, PgLie, When, description, message};

const ROW: &[u8] = b"\0\x01\0\0\0\x04\0\0\0\x07";

async fn against(when: When, bytes: Vec<u8>, close: bool) -> Connection {
    let mut config = Config::parse(&pg_liar::start(PgLie { when, bytes, close })).unwrap();
    config.connection.deadline = Some(Duration::from_millis(200));
    config.connection.cancel_grace = Duration::from_millis(100);
    Connection::connect(&config).await.unwrap()
}

#[test]
fn no_lie_about_rows_is_believed() {
    let bound = message(b'2', b"");
    let row = message(b'D', ROW);
    let done = message(b'C', b"SELECT 1\0");
    let ready = message(b'Z', b"I");
    let many = |parts: &[&[u8]]| parts.concat();
    for (why, bytes, close) in [
        ("closes at once", vec![], true),
        ("closes inside a header", b"D\0\0".to_vec(), true),
        ("closes inside a row", many(&[&bound, &row[..10]]), true),
        ("closes before it is ready", many(&[&bound, &row, &done]), true),
        ("says nothing", vec![], false),
        ("stops inside a row", many(&[&bound, &row[..10]]), false),
        ("stops before it is ready", many(&[&bound, &row, &done]), false),
        ("a row before the bind", many(&[&row, &done, &ready]), false),
        ("a row after the end", many(&[&bound, &done, &row, &ready]), false),
        ("two columns", many(&[&bound, &message(b'D', b"\0\x02\0\0\0\0\0\0\0\0"), &done, &ready]), false),
        ("no column", many(&[&bound, &message(b'D', b"\0\0"), &done, &ready]), false),
        ("a row of 2 GiB", many(&[&bound, b"D\x7f\xff\xff\xff"]), false),
        ("a value of 2 GiB", many(&[&bound, &message(b'D', b"\0\x01\x7f\xff\xff\xff")]), false),
        ("a negative length", many(&[&bound, b"D\xff\xff\xff\xff"]), false),
        ("a value of length -2", many(&[&bound, &message(b'D', b"\0\x01\xff\xff\xff\xfe")]), false),
        ("two results for one statement", many(&[&bound, &row, &done, &bound, &row, &done, &ready]), false),
        ("two ends", many(&[&bound, &row, &done, &done, &ready]), false),
        ("ready without an end", many(&[&bound, &row, &ready]), false),
        ("ready at once", ready.clone(), false),
        ("two that are ready", many(&[&bound, &row, &done, &ready, &ready]), false),
        ("a status of its own", many(&[&bound, &row, &done, &message(b'Z', b"X")]), false),
        ("an unknown message", many(&[&bound, b"!\0\0\0\x04"]), false),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), true),
        ("RESP", b"-ERR unknown command 'P'\r\n".to_vec(), true),
        ("authentication again", many(&[&message(b'R', b"\0\0\0\x03"), &ready]), false),
        ("another key", many(&[&message(b'K', b"\0\0\0\x01key!"), &ready]), false),
        ("a COPY that nobody asked for", many(&[&bound, &message(b'G', b"\0\0\0"), &ready]), false),
        ("data of one", many(&[&bound, &message(b'd', b"x"), &ready]), false),
        ("suspended", many(&[&bound, &row, &message(b's', b""), &ready]), false),
        ("a description in between", many(&[&bound, &message(b'T', b"\0\0"), &row, &done, &ready]), false),
        ("parse complete", many(&[&message(b'1', b""), &ready]), false),
        ("an error without an end", many(&[&bound, &message(b'E', b"SERROR\0Mno")]), false),
        ("an error of 2 GiB", many(&[&bound, b"E\x7f\xff\xff\xff"]), false),
        ("an error and a row", many(&[&message(b'E', b"SERROR\0C42601\0Mno\0\0"), &row, &ready]), false),
        ("a tag without an end", many(&[&bound, &message(b'C', b"SELECT")]), false),
        ("a notification cut short", message(b'A', b"\0\0"), false),
        ("a setting without a value", message(b'S', b"a\0"), false),
        ("a fatal error", message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgoing\0\0"), true),
    ] {
        on_core(async {
            let connection = against(When::Execute, bytes, close).await;
            let error = match connection.query_all("SELECT x", &[]).await {
                // Its answer was complete; the lie came behind it.
                Ok(rows) if why == "two that are ready" => {
                    assert_eq!(rows.one().unwrap().get::<i32>(0), 7);
                    connection.query_all("SELECT x", &[]).await.unwrap_err()
                }
                other => other.unwrap_err(),
            };
            assert!(error.is_deadline() || error.is_connection_lost(), "{why}: {error:?}");
            assert!(error.is_maybe_executed() || why == "two that are ready", "{why}: {error:?}");
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(error.is_deadline() || !source.is_empty(), "{why} has no cause");
            connection.closed().await;
            assert!(connection.query_all("SELECT x", &[]).await.unwrap_err().is_connection_lost(), "{why}");
        });
    }
}

#[test]
fn no_lie_about_statements_is_believed() {
    let described = description();
    let ready = message(b'Z', b"I");
    let error = message(b'E', b"SERROR\0C42601\0Mno\0\0");
    for (why, bytes, definite) in [
        ("rows", [message(b'1', b""), message(b'D', ROW), ready.clone()].concat(), false),
        ("an end", [message(b'1', b""), message(b'C', b"SELECT 1\0"), ready.clone()].concat(), false),
        ("65,535 columns of none", message(b'T', b"\xff\xff"), false),
        ("65,535 types of none", message(b't', b"\xff\xff"), false),
        ("a name that is no text", message(b'T', b"\0\x01\xff\0"), false),
        ("2 GiB of columns", b"T\x7f\xff\xff\xff".to_vec(), false),
        ("an error", [error.clone(), ready.clone()].concat(), true),
        ("cut", described[..described.len() - 9].to_vec(), false),
    ] {
        on_core(async {
            let connection = against(When::Prepare, bytes, false).await;
            let error = connection.query_all("SELECT x", &[]).await.unwrap_err();
            assert_eq!(error.sqlstate().is_some(), definite, "{why}: {error:?}");
            assert!(definite || error.is_deadline() || error.is_connection_lost(), "{why}: {error:?}");
        });
    }
}

#[test]
fn what_nobody_asked_for_ends_the_connection() {
    for (why, bytes) in [
        ("ready", message(b'Z', b"I")),
        ("a row", message(b'D', ROW)),
        ("an error", message(b'E', b"SERROR\0C42601\0Mno\0\0")),
        ("nonsense", b"!!!!!!!!".to_vec()),
    ] {
        on_core(async {
            let connection = against(When::Unasked, bytes, false).await;
            let error = connection.closed().await;
            assert!(!error.is_closed() && std::error::Error::source(&error).is_some(), "{why}: {error:?}");
        });
    }
}

#[test]
fn endless_rows_and_settings_take_no_more_than_their_bounds() {
    let row = message(b'D', &[&b"\0\x01\0\0\x10\0"[..], &[b'x'; 4096]].concat());
    let mut bytes = message(b'2', b"");
    for n in 0..1000 {
        bytes.extend(message(b'S', format!("setting {n}\0on\0").as_bytes()));
        bytes.extend(&row);
    }
    bytes.extend([message(b'C', b"SELECT 1000\0"), message(b'Z', b"I")].concat());
    on_core(async {
        let mut config =
            Config::parse(&pg_liar::start(PgLie { when: When::Execute, bytes, close: false })).unwrap();
        config.connection.rows_bytes_max = 100_000;
        let connection = Connection::connect(&config).await.unwrap();
        let error = connection.query_all("SELECT x", &[]).await.unwrap_err();
        assert!(error.to_string().contains("rows_bytes_max"), "{error}");
        assert!(connection.is_clean() && connection.parameter("setting 1").is_some());
        assert!(connection.parameter("setting 999").is_none());
    });
}
