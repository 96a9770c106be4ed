//! Servers that lie. Callers get an error, never a panic and never an answer that was not meant for them.

use std::time::Duration;

use corelane_storage::redis::{Config, Redis, Value};

use crate::support::liar::{self, Lie};
use crate::support::on_core;

#[test]
fn no_lie_is_believed() {
    let deep = "*1\r\n".repeat(1_000_000);
    let many_maps = "%1000000\r\n".repeat(64);
    for (why, bytes, close) in [
        ("closes at once", "", true),
        ("closes inside a length", "$1", true),
        ("closes inside a string", "$10\r\nabc", true),
        ("closes inside an array", "*2\r\n:1\r\n", true),
        ("closes between CR and LF", "+OK\r", true),
        ("says nothing", "", false),
        ("stops inside a string", "$10\r\nabc", false),
        ("stops inside an array", "*3\r\n:1\r\n", false),
        ("negative length", "$-5\r\n", false),
        ("negative count", "*-5\r\n", false),
        ("negative pairs", "%-1\r\n", false),
        ("10^9 elements", "*1000000000\r\n", false),
        ("10^9 pairs", "%1000000000\r\n", false),
        ("10^9 members", "~1000000000\r\n", false),
        ("10^18 bytes", "$1000000000000000000\r\n", false),
        ("more than 2^64", "$99999999999999999999999\r\n", false),
        ("depth 10^6", deep.as_str(), false),
        ("maps in maps", many_maps.as_str(), false),
        ("length with a plus", "$+3\r\nabc\r\n", false),
        ("length in hexadecimal", "$0x3\r\nabc\r\n", false),
        ("a string longer than it says", "$3\r\nabcdef\r\n", false),
        ("a string that ends in LF", "$3\r\nabc\n\n", false),
        ("bare LF", "+OK\n", false),
        ("bare CR", "+O\rK\r\n", false),
        ("an integer that is none", ":12a\r\n", false),
        ("an integer of 30 digits", ":123456789012345678901234567890\r\n", false),
        ("a boolean that is none", "#maybe\r\n", false),
        ("a double that is none", ",1.2.3\r\n", false),
        ("an unknown type", "@hello\r\n", false),
        ("HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", true),
        ("TLS alert", "\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{46}", true),
        ("a push inside", "*1\r\n>1\r\n+x\r\n", false),
        ("a streamed string", "$?\r\n;3\r\nabc\r\n;0\r\n", false),
        ("a verbatim string without format", "=2\r\nab\r\n", false),
        ("an endless attribute", "|1\r\n+a\r\n|1\r\n+a\r\n|1\r\n", false),
    ] {
        let url = liar::start(Lie { bytes: bytes.as_bytes().to_vec(), close });
        on_core(async {
            let mut config = Config::from_url(&url).unwrap();
            config.deadline = Duration::from_millis(200);
            let redis = Redis::connect_with(config).await.unwrap();
            let error = redis.run::<Value>(corelane_storage::redis::cmd("INCR").key("k")).await.unwrap_err();
            assert!(error.is_maybe_executed(), "{why}: {error:?}");
            assert!(error.is_deadline() || error.is_connection_lost(), "{why}: {error:?}");
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(error.is_deadline() || !source.is_empty(), "{why} has no cause");
        });
    }
}

#[test]
fn an_answer_of_another_type_is_a_conversion_error() {
    for (bytes, message) in [
        (":1\r\n", "the reply is an integer, not a list"),
        ("*1\r\n:1\r\n", ""),
        ("$1\r\nx\r\n", "the reply is a string, not a list"),
    ] {
        let url = liar::start(Lie { bytes: bytes.as_bytes().to_vec(), close: false });
        on_core(async {
            let redis = Redis::connect(&url).await.unwrap();
            let outcome = redis.get("k").to::<Vec<i64>>().await;
            match outcome {
                Ok(list) => assert_eq!((list, message), (vec![1], "")),
                Err(error) => {
                    assert!(error.is_conversion());
                    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), message);
                }
            }
        });
    }
}

/// The second answer must not wait for the next question.
#[test]
fn more_answers_than_questions_end_the_connection() {
    let url = liar::start(Lie { bytes: b"+first\r\n+second\r\n".to_vec(), close: false });
    on_core(async {
        let redis = Redis::connect(&url).await.unwrap();
        assert_eq!(redis.get("k").to::<String>().await.unwrap(), "first");
        crate::support::eventually("the connection is given up", || redis.stats().connects >= 2).await;
        assert_eq!(redis.get("k").to::<String>().await.unwrap(), "first");
    });
}
