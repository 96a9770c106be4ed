//! What a client asks of a connection that it keeps: is it quiet, how far has come what was sent, are both halves one again.

use std::time::Duration;

use corelane_runtime::net::{Stream, duplex};
use corelane_runtime::{spawn, time};

use crate::support::{on_each_driver, settle, tcp_pair};

async fn receive(stream: &mut Stream, len: usize) {
    let mut got = 0;
    while got < len {
        let bytes = stream.recv().await.unwrap();
        assert!(!bytes.is_empty(), "the peer goes on");
        got += bytes.len();
    }
    assert_eq!(got, len);
}

#[test]
fn a_stream_is_quiet_until_its_peer_says_something_or_goes() {
    on_each_driver(|| async {
        // After few bytes and after many: the ring's driver receives the two in different ways.
        for len in [100, 4 << 20] {
            for says in [true, false] {
                let (mut client, mut server) = tcp_pair().await;
                assert!(client.is_quiet(), "a new one");
                let sending = spawn(async move {
                    server.send(vec![b'x'; len]).await.unwrap();
                    server
                });
                receive(&mut client, len).await;
                let mut server = sending.await.unwrap();
                for _ in 0..3 {
                    assert!(client.is_quiet(), "{len} bytes, all received");
                    time::sleep(Duration::from_millis(2)).await;
                }
                if says {
                    server.send("unasked").await.unwrap();
                } else {
                    drop(server);
                }
                settle(|| !client.is_quiet()).await;
                assert!(!client.is_quiet(), "{len} bytes before, says something: {says}");
                assert_eq!(&client.recv().await.unwrap()[..], if says { &b"unasked"[..] } else { b"" });
            }
        }
    });
}

#[test]
fn what_a_peer_has_taken_is_told_from_what_it_never_received() {
    on_each_driver(|| async {
        let (mut client, mut server) = tcp_pair().await;
        client.send("0123456789").await.unwrap();
        receive(&mut server, 10).await;
        server.send("answer").await.unwrap();
        receive(&mut client, 6).await;
        let delivery = client.delivery().unwrap();
        assert_eq!((delivery.sent, delivery.acknowledged), (10, 10));

        // The peer closes, and only then is something sent.
        drop(server);
        assert!(client.recv().await.unwrap().is_empty());
        client.send("too late").await.unwrap();
        settle(|| client.delivery().is_some_and(|delivery| delivery.sent == 18)).await;
        let delivery = client.delivery().unwrap();
        assert_eq!((delivery.sent, delivery.acknowledged), (18, 10));

        assert_eq!(duplex(1).0.delivery(), None, "not of memory");
    });
}

#[test]
fn halves_are_one_stream_again() {
    on_each_driver(|| async {
        for memory in [false, true] {
            let (mut client, mut server) = if memory { duplex(1000) } else { tcp_pair().await };
            for _ in 0..3 {
                let (mut receiver, mut sender) = client.split().unwrap();
                let sending = spawn(async move {
                    sender.send(vec![b'x'; 100_000]).await.unwrap();
                    sender
                });
                receive(&mut server, 100_000).await;
                server.send("got it").await.unwrap();
                assert_eq!(&receiver.recv().await.unwrap()[..], b"got it");
                client = receiver.rejoin(sending.await.unwrap()).await.unwrap();
                client.send("behind").await.unwrap();
                receive(&mut server, 6).await;
                server.send("!").await.unwrap();
                assert_eq!(&client.recv().await.unwrap()[..], b"!");
            }
        }
    });
}
