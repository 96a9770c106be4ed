//! Servers that lie, stall or talk nonsense: an error each time, and never a panic.

use std::time::Duration;

use corelane_runtime::net::{self, Stream};
use corelane_runtime::{spawn, time};

use super::{config, on_core};
use crate::postgres::connect::startup::Startup;
use crate::postgres::error::Cause;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

fn auth(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes()[..], rest].concat())
}

/// Startup against somebody who says `pieces`, each after having heard something, and then goes on listening if `stays`.
async fn against(pieces: Vec<Vec<u8>>, text: &str) -> Result<(), Cause> {
    let (near, mut far): (Stream, Stream) = net::duplex(256 * 1024);
    let liar = spawn(async move {
        for piece in pieces {
            if far.recv().await.is_ok_and(|heard| heard.is_empty()) || far.send(piece).await.is_err() {
                return;
            }
        }
        // Whoever waits for more is told that there is none.
        let _heard = time::timeout(Duration::from_millis(1), far.recv()).await;
    });
    let config = config(text);
    let host = &config.hosts[0];
    let result = Startup::new(near, &config, host).authenticate().await;
    drop(liar);
    result.map(|_| ()).map_err(|failure| failure.cause)
}

const USER: &str = "host=127.0.0.1 user=u password=secret";

#[test]
fn what_has_no_place_is_an_error() {
    let ok = auth(0, b"");
    let ready = message(b'Z', b"I");
    let settings = |count: usize| -> Vec<u8> {
        (0..count).flat_map(|n| message(b'S', format!("name{n}\0value\0").as_bytes())).collect()
    };
    on_core(async {
        for (why, pieces, text) in [
            ("closes at once", vec![], USER),
            ("speaks HTTP", vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], USER),
            ("begins with Ready", vec![ready.clone()], USER),
            ("begins with a row", vec![message(b'D', b"\0\0")], USER),
            ("an unknown method", vec![auth(99, b"")], USER),
            ("GSSAPI", vec![auth(7, b"")], USER),
            ("a second question", vec![auth(5, b"salt"), auth(5, b"salt")], USER),
            (
                "no proof where one is asked for",
                vec![ok.clone()],
                "host=127.0.0.1 user=u require_auth=scram-sha-256",
            ),
            ("a length below four", vec![b"R\0\0\0\x03".to_vec()], USER),
            ("a length of gigabytes", vec![b"R\x7f\xff\xff\xff\0".to_vec()], USER),
            ("a length below zero", vec![b"R\xff\xff\xff\xff\0".to_vec()], USER),
            ("an error of 64 KiB and more", vec![message(b'E', &vec![b'x'; 70_000])], USER),
            ("an error without an end", vec![message(b'E', b"SFATAL\0Mno end")], USER),
            ("ends after Ok", vec![ok.clone()], USER),
            ("settings without end", vec![[ok.clone(), settings(300), ready.clone()].concat()], USER),
            ("a statement's message after Ok", vec![[ok.clone(), message(b'1', b"")].concat()], USER),
            ("authentication after Ok", vec![[ok.clone(), auth(3, b"")].concat()], USER),
            ("SASL with nothing known", vec![auth(10, b"SCRAM-SHA-1\0\0")], USER),
            ("SASL with an open list", vec![auth(10, b"SCRAM-SHA-256")], USER),
            ("binding where there is no TLS", vec![auth(10, b"SCRAM-SHA-256-PLUS\0\0")], USER),
            ("Ok in the midst of SCRAM", vec![auth(10, b"SCRAM-SHA-256\0\0"), ok.clone()], USER),
            (
                "SCRAM with another nonce",
                vec![auth(10, b"SCRAM-SHA-256\0\0"), auth(11, b"r=x,s=eA==,i=4096")],
                USER,
            ),
            ("SCRAM of nonsense", vec![auth(10, b"SCRAM-SHA-256\0\0"), auth(11, b"\xff\xfe")], USER),
            ("the end of SCRAM first", vec![auth(10, b"SCRAM-SHA-256\0\0"), auth(12, b"v=eA==")], USER),
        ] {
            let result = against(pieces, text).await;
            let Err(cause) = result else { panic!("{why}: taken") };
            let told = cause.to_string();
            assert!(!told.contains("secret"), "{why}: {told}");
        }
        let honest = [ok, settings(3), message(b'K', b"\0\0\0\x07keys"), ready].concat();
        against(vec![honest], USER).await.expect("an honest server is let in");
    });
}

#[test]
fn the_password_is_not_given_to_whoever_asks() {
    on_core(async {
        for (why, question, text) in [
            ("clear text without TLS", auth(3, b""), USER),
            ("md5, not allowed", auth(5, b"salt"), "host=127.0.0.1 user=u password=secret require_auth=!md5"),
            (
                "clear text, not allowed",
                auth(3, b""),
                "host=/tmp user=u password=secret require_auth=!password",
            ),
            ("binding needed", auth(3, b""), "host=/tmp user=u password=secret channel_binding=require"),
        ] {
            let (near, mut far) = net::duplex(64 * 1024);
            let liar = spawn(async move {
                let _startup = far.recv().await;
                far.send(question).await.unwrap();
                far.recv().await.map(|heard| heard.len())
            });
            let config = config(text);
            let result = Startup::new(near, &config, &config.hosts[0]).authenticate().await;
            assert!(matches!(result.err().map(|failure| failure.cause), Some(Cause::Auth(_))), "{why}");
            assert_eq!(liar.await.unwrap().unwrap(), 0, "{why}: nothing was said");
        }
    });
}

#[test]
fn any_bytes_however_cut_do_no_harm() {
    let mut seed = 42u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    let honest: Vec<u8> = [
        auth(10, b"SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0"),
        auth(11, b"r=x,s=eA==,i=4096"),
        auth(0, b""),
        message(b'S', b"name\0value\0"),
        message(b'K', b"\0\0\0\x07keys"),
        message(b'Z', b"I"),
    ]
    .concat();
    on_core(async {
        for _ in 0..400 {
            let mut bytes = honest.clone();
            for _ in 0..next() % 6 {
                let at = next() % bytes.len();
                bytes[at] = u8::try_from(next() % 256).unwrap();
            }
            let cut = next() % bytes.len();
            let rest = bytes.split_off(cut);
            let (near, mut far) = net::duplex(64 * 1024);
            let liar = spawn(async move {
                for piece in [bytes, rest] {
                    if far.send(piece).await.is_err() {
                        return;
                    }
                }
                let _end = far.end().await;
                while far.recv().await.is_ok_and(|heard| !heard.is_empty()) {}
            });
            let config = config(USER);
            // It may be let in, if what was changed is of no weight; it must end.
            let _any = Startup::new(near, &config, &config.hosts[0]).authenticate().await;
            drop(liar);
        }
    });
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    on_core(async {
        let mut config = config(&format!("host=127.0.0.1 port={port} sslmode=disable"));
        config.connect_timeout = Duration::from_millis(50);
        let Err(error) = super::open(&config).await else { panic!("nobody answers") };
        assert!(super::whole(&error).contains("no connection within 50 ms"), "{}", super::whole(&error));
    });
}

/// CVE-2021-23222: what somebody in between puts behind the answer must not pass for what came through TLS.
#[cfg(feature = "tls")]
#[test]
fn bytes_behind_the_answer_to_the_request_for_tls_are_an_error() {
    use std::io::{Read, Write};
    for (answer, want) in [
        (&b"SE\0\0\0\x08SERR"[..], "behind the answer"),
        (b"N more", "behind the answer"),
        (b"E\0\0\0\x08", "with an error"),
        (b"H", "neither S nor N"),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let liar = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 8];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            // Until the other side has gone.
            let _end = stream.read(&mut request);
        });
        let text = format!("host=127.0.0.1 port={port} sslmode=require");
        let Err(error) = on_core(super::connect(&text)) else { panic!("taken") };
        let told = super::whole(&error);
        assert!(told.contains(want), "{told}");
        liar.join().unwrap();
    }
}
