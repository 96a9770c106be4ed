//! Bytes there and back, over every kind of stream.

use std::time::Duration;

use corelane_runtime::buf::{Chunk, Chunks};
use corelane_runtime::net::{self, ListenOptions, PeerAddr, Shutdown, Stream, TcpListener, UnixListener};
use corelane_runtime::{spawn, time};

use crate::support::{echo, listen, on_each_driver, tcp_pair};

/// Sends a pattern in chunks while receiving it back, and checks every byte.
async fn check_echo(mut client: Stream, total: usize) {
    let pattern = |n: usize| (n.wrapping_mul(31) >> 3) as u8;
    let mut sent = 0;
    let mut received = 0;
    while received < total {
        if sent < total {
            let n = (total - sent).min(1 + sent % 50_000);
            let chunk: Vec<u8> = (sent..sent + n).map(pattern).collect();
            client.send(chunk).await.unwrap();
            sent += n;
        }
        while received < sent {
            let bytes = client.recv().await.unwrap();
            assert!(!bytes.is_empty(), "ended after {received} of {sent}");
            for &byte in bytes.iter() {
                assert_eq!(byte, pattern(received), "at {received}");
                received += 1;
            }
        }
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert!(client.recv().await.unwrap().is_empty(), "the end comes after the last byte");
}

const TOTAL: usize = 1_000_000;

#[test]
fn tcp() {
    on_each_driver(|| async {
        let listener = listen();
        let address = listener.local_addr().unwrap();
        let server = spawn(async move { echo(listener.accept().await.unwrap().0).await });
        let client = Stream::connect(address).await.unwrap();
        assert_eq!(client.peer_addr(), PeerAddr::Tcp(address));
        check_echo(client, TOTAL).await;
        assert_eq!(server.await.unwrap().unwrap(), TOTAL as u64);
    });
}

#[test]
fn tcp_version_6() {
    on_each_driver(|| async {
        let listener = match TcpListener::bind("[::1]:0".parse().unwrap(), &ListenOptions::default()) {
            Ok(listener) => listener,
            Err(error) => return println!("no IPv6 here: {error}"),
        };
        let address = listener.local_addr().unwrap();
        let server = spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            assert!(matches!(peer, PeerAddr::Tcp(address) if address.is_ipv6()));
            echo(stream).await
        });
        check_echo(Stream::connect(address).await.unwrap(), 10_000).await;
        server.await.unwrap().unwrap();
    });
}

#[test]
fn unix() {
    on_each_driver(|| async {
        let path = std::env::temp_dir().join(format!("corelane-echo-{}", std::process::id()));
        let _left_over = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let server = spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, PeerAddr::Unix);
            echo(stream).await
        });
        check_echo(Stream::connect_unix(&path).await.unwrap(), TOTAL).await;
        assert_eq!(server.await.unwrap().unwrap(), TOTAL as u64);
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn memory() {
    on_each_driver(|| async {
        let (client, server) = net::duplex(60_000);
        let server = spawn(echo(server));
        check_echo(client, TOTAL).await;
        assert_eq!(server.await.unwrap().unwrap(), TOTAL as u64);
    });
}

#[test]
fn vectored_sends_arrive_in_order() {
    on_each_driver(|| async {
        let listener = listen();
        let mut client = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        for (why, lengths) in [
            ("nothing at all", vec![]),
            ("only empty chunks", vec![0, 0]),
            ("one", vec![10]),
            ("empty ones between", vec![0, 3, 0, 0, 4, 0]),
            ("more than one call takes", (0..100).collect()),
            ("more than the socket holds", vec![3_000_000, 5, 3_000_000]),
        ] {
            let total: usize = lengths.iter().sum();
            let chunks: Chunks =
                lengths.iter().enumerate().map(|(index, &len)| Chunk::from(vec![index as u8; len])).collect();
            let want: Vec<u8> =
                lengths.iter().enumerate().flat_map(|(index, &len)| vec![index as u8; len]).collect();
            let reader = async {
                let mut got = Vec::new();
                while got.len() < total {
                    got.extend_from_slice(&client.recv().await.unwrap());
                }
                got
            };
            let sender = spawn(async move {
                server.send_vectored(chunks).await.unwrap();
                server
            });
            let got = time::timeout(Duration::from_secs(20), reader).await.expect(why);
            assert!(got == want, "{why}");
            server = sender.await.unwrap();
        }
    });
}

#[test]
fn every_kind_of_chunk_is_sent_whole() {
    on_each_driver(|| async {
        let (mut left, mut right) = tcp_pair().await;
        let lease = || {
            let mut lease = corelane_runtime::buf::Lease::take(10).unwrap();
            lease.extend_from_slice(b"xsame").unwrap();
            lease.advance(1);
            lease
        };
        for chunk in [
            Chunk::from(lease()),
            Chunk::from(lease().freeze().slice(..)),
            Chunk::from(bytes::Bytes::from_static(b"same")),
            Chunk::from("same"),
            Chunk::from(b"same".to_vec()),
        ] {
            let kind = format!("{chunk:?}");
            left.send(chunk).await.unwrap();
            assert_eq!(&right.recv().await.unwrap()[..], b"same", "{kind}");
        }
        left.send("").await.unwrap();
        left.send("after nothing").await.unwrap();
        assert_eq!(&right.recv().await.unwrap()[..], b"after nothing");
    });
}
