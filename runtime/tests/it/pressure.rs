//! Limits reached and left again: descriptors, leases, many connections, many completions.

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::buf::{Lease, pool_stats};
use corelane_runtime::net::Stream;
use corelane_runtime::{DriverChoice, spawn, time};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    builder, closes_late, echo_server, in_child, listen, on_each_driver, open_descriptors, settle, tcp_pair,
};

fn limit_descriptors(to: usize) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(to as u64), maximum }).unwrap();
}

/// Steps: fill the descriptor table, so that accepting fails; free it; the listener must go on by
/// itself. A listener that gives up on EMFILE fails at the second half; one that spins fails the
/// run's time.
#[test]
fn running_out_of_descriptors_pauses_accepting() {
    in_child("pressure::running_out_of_descriptors_pauses_accepting", || {
        on_each_driver(|| async {
            // First, because a multishot accept remembers the limit it was armed under.
            limit_descriptors(open_descriptors() + 40);
            let listener = listen();
            let address = listener.local_addr().unwrap();
            drop(spawn(echo_server(listener)));
            let mut client = Stream::connect(address).await.unwrap();
            client.send("a").await.unwrap();
            client.recv().await.unwrap();

            let mut fill = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                fill.push(file);
            }
            // The kernel has accepted the connection; the server cannot take it.
            fill.pop();
            let waiting = Stream::connect(address).await.unwrap();
            client.send("still served").await.unwrap();
            assert_eq!(&client.recv().await.unwrap()[..], b"still served");
            let mut waiting = waiting;
            waiting.send("later").await.unwrap();
            assert!(time::timeout(Duration::from_millis(100), waiting.recv()).await.is_err());
            drop(fill);
            assert_eq!(&waiting.recv().await.unwrap()[..], b"later");
        });
    });
}

#[test]
fn ten_thousand_connections_come_and_go() {
    in_child("pressure::ten_thousand_connections_come_and_go", || {
        on_each_driver(|| async {
            const AT_ONCE: usize = 1000;
            // `CORELANE_STRESS_CONNECTS` asks for more than ten thousand.
            let connects = std::env::var("CORELANE_STRESS_CONNECTS").ok();
            let rounds = connects.and_then(|connects| connects.parse().ok()).unwrap_or(10_000) / AT_ONCE;
            // Both ends of each, and more where a thread of the kernel closes them in its own time.
            limit_descriptors(AT_ONCE * if closes_late() { 6 } else { 2 } + 200);
            let listener = listen();
            let address = listener.local_addr().unwrap();
            drop(spawn(echo_server(listener)));
            // One of each kind, so that what is made once is there.
            drop(Stream::connect(address).await.unwrap());
            time::sleep(Duration::from_millis(20)).await;
            let descriptors = open_descriptors();
            let leases = pool_stats().leases_in_use;
            for round in 0..rounds {
                let clients: Vec<_> = (0..AT_ONCE)
                    .map(|index| {
                        spawn(async move {
                            let mut stream = Stream::connect(address).await.unwrap();
                            let message = (round * AT_ONCE + index).to_string().into_bytes();
                            stream.send(message.clone()).await.unwrap();
                            assert_eq!(stream.recv().await.unwrap()[..], message);
                            if index % 2 == 0 {
                                // As a killed client does: reset instead of an orderly end.
                                stream.send("unread").await.unwrap();
                            }
                        })
                    })
                    .collect();
                for client in clients {
                    client.await.unwrap();
                }
            }
            settle(|| open_descriptors() <= descriptors && pool_stats().leases_in_use == leases).await;
            assert!(open_descriptors() <= descriptors, "{descriptors} before, {}", open_descriptors());
            assert_eq!(pool_stats().leases_in_use, leases);
        });
    });
}

/// More connections become ready between two looks than a completion queue of 4096 holds.
#[test]
fn more_completions_than_the_queue_holds() {
    in_child("pressure::more_completions_than_the_queue_holds", || {
        on_each_driver(|| async {
            const PAIRS: usize = 6000;
            limit_descriptors(PAIRS * 2 + 100);
            let mut far = Vec::new();
            let mut receiving = Vec::new();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            for _ in 0..PAIRS {
                far.push(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
                let mut near = Stream::from_std(listener.accept().unwrap().0).unwrap();
                receiving.push(spawn(async move { near.recv().await.unwrap().len() }));
            }
            time::sleep(Duration::from_millis(10)).await;
            for peer in &mut far {
                std::io::Write::write_all(peer, b"all at once").unwrap();
            }
            for receiving in receiving {
                assert_eq!(receiving.await.unwrap(), 11);
            }
        });
    });
}

#[test]
fn an_exhausted_pool_makes_receives_wait() {
    // The ring lends its buffers ahead, so what it does without any is tested beside it.
    for choice in [DriverChoice::Uring, DriverChoice::Epoll] {
        let builder = builder(choice).lease_bytes_max(16 * 1024);
        builder
            .block_on(async {
                let (mut stream, mut peer) = tcp_pair().await;
                let mut held: Vec<Lease> = (0..4).map(|_| Lease::take(1).unwrap()).collect();
                assert!(Lease::take(1).is_err(), "the bound is reached");
                peer.send("kept by the kernel").await.unwrap();
                let receiving = spawn(async move { stream.recv().await });
                time::sleep(Duration::from_millis(30)).await;
                assert!(!receiving.is_finished());
                held.pop();
                assert_eq!(&receiving.await.unwrap().unwrap()[..], b"kept by the kernel");
            })
            .unwrap();
    }
}

#[test]
fn an_idle_connection_keeps_no_lease_and_a_busy_one_grows_it() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = tcp_pair().await;
        let sender = spawn(async move {
            for _ in 0..50 {
                peer.send(vec![1; 256 * 1024]).await.unwrap();
            }
            peer
        });
        let mut largest = 0;
        let mut left = 50 * 256 * 1024;
        while left > 0 {
            let lease = stream.recv().await.unwrap();
            largest = largest.max(lease.capacity());
            left -= lease.len();
        }
        assert_eq!(largest, 64 * 1024, "a stream that fills its leases gets larger ones");
        let mut peer = sender.await.unwrap();
        // How many it takes is the driver's business: one small one is only the end of an upload.
        for _ in 0..20 {
            peer.send("small").await.unwrap();
            largest = stream.recv().await.unwrap().capacity();
        }
        assert_eq!(largest, 4 * 1024, "and small ones when they do");
    });
}

#[test]
fn a_closed_listener_ends_its_accepts() {
    on_each_driver(|| async {
        let listener = Rc::new(listen());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let listener = Rc::clone(&listener);
                spawn(async move { listener.accept().await.map(drop) })
            })
            .collect();
        time::sleep(Duration::from_millis(5)).await;
        listener.close();
        for task in waiting {
            let error = task.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        }
        assert!(listener.accept().await.is_err(), "and later ones");
    });
}
