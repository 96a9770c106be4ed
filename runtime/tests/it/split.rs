//! Streams in two halves.

use std::io::ErrorKind;
use std::time::Duration;

use corelane_runtime::net::{Shutdown, Stream, duplex};
use corelane_runtime::{spawn, time};

use crate::support::{echo, on_each_driver, open_descriptors, settle, tcp_pair};

/// More than any socket buffer holds: a client that cannot receive while it sends would hang.
const BYTES: usize = 16 << 20;

async fn both_ways_at_once(client: Stream, server: Stream) {
    let echo = spawn(echo(server));
    let (mut receiver, mut sender) = client.split().unwrap();
    let sending = spawn(async move {
        let mut seed = 0u8;
        for _ in 0..BYTES / 65_536 {
            seed = seed.wrapping_add(1);
            sender.send(vec![seed; 65_536]).await?;
        }
        sender.shutdown(Shutdown::Write)
    });
    let mut got = 0;
    loop {
        let bytes = receiver.recv().await.unwrap();
        if bytes.is_empty() {
            break;
        }
        for (at, byte) in bytes.iter().enumerate() {
            assert_eq!(usize::from(*byte), ((got + at) / 65_536 + 1) % 256, "byte {}", got + at);
        }
        got += bytes.len();
    }
    assert_eq!(got, BYTES);
    sending.await.unwrap().unwrap();
    assert_eq!(echo.await.unwrap().unwrap(), BYTES as u64);
}

#[test]
fn one_task_receives_while_another_sends() {
    on_each_driver(|| async {
        let (client, server) = tcp_pair().await;
        both_ways_at_once(client, server).await;
        let (client, server) = duplex(1000);
        both_ways_at_once(client, server).await;
    });
}

#[test]
fn the_connection_ends_with_the_second_half() {
    on_each_driver(|| async {
        let before = open_descriptors();
        for receiver_first in [true, false] {
            let (client, mut server) = tcp_pair().await;
            let (mut receiver, mut sender) = client.split().unwrap();
            if receiver_first {
                // A receive that waits is dropped with its half.
                assert!(time::timeout(Duration::from_millis(5), receiver.recv()).await.is_err());
                drop(receiver);
                sender.send("still here").await.unwrap();
                assert_eq!(&server.recv().await.unwrap()[..], b"still here");
                drop(sender);
            } else {
                drop(sender);
                server.send("still here").await.unwrap();
                assert_eq!(&receiver.recv().await.unwrap()[..], b"still here");
                drop(receiver);
            }
            assert!(server.recv().await.unwrap().is_empty(), "the end reaches the peer");
        }
        settle(|| open_descriptors() <= before + 1).await;
        assert!(open_descriptors() <= before + 1, "descriptors are closed; the listener's may be on its way");
    });
}

#[test]
fn deadlines_and_stalls_stay_with_their_half() {
    on_each_driver(|| async {
        let (client, server) = tcp_pair().await;
        client.set_send_stall(Some(Duration::from_millis(20)));
        client.set_recv_deadline(Some(time::now() + Duration::from_millis(10)));
        let (mut receiver, mut sender) = client.split().unwrap();
        assert_eq!(receiver.recv().await.unwrap_err().kind(), ErrorKind::TimedOut);
        // The peer reads nothing.
        let stalled = loop {
            if let Err(error) = sender.send(vec![0; 1 << 20]).await {
                break error;
            }
        };
        assert_eq!(stalled.kind(), ErrorKind::TimedOut);
        drop(server);
    });
}
