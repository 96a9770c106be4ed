//! A listening socket that two rings accept from, of which one stops: as when a process hands over to another.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use corelane_runtime::net::{ListenOptions, Listener, listen_std};
use corelane_runtime::{DriverChoice, spawn, time};

use crate::support::{builder, on};

/// The kernel wakes one of those that wait for a connection. If that one stops just then, somebody has to take the
/// connection nevertheless.
#[test]
fn a_connection_that_woke_whoever_stops_is_not_forgotten() {
    for round in 0..2 {
        let socket = listen_std("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
        let address = socket.local_addr().unwrap();
        let other: OwnedFd = socket.try_clone().unwrap().into();
        let (armed, is_armed) = mpsc::channel();
        let (start, started) = mpsc::channel::<()>();
        let staying = thread::spawn(move || {
            started.recv().unwrap();
            let accepted = builder(DriverChoice::Ring).block_on(async {
                let listener = std::rc::Rc::new(Listener::adopt(other).unwrap());
                let accepting = spawn({
                    let listener = listener.clone();
                    async move { listener.accept_unserved().await.is_ok() }
                });
                time::sleep(Duration::from_millis(50)).await;
                armed.send(()).unwrap();
                time::timeout(Duration::from_secs(2), accepting).await.is_ok()
            });
            accepted.unwrap()
        });
        let mut taken = 0;
        on(DriverChoice::Ring, async {
            let listener = std::rc::Rc::new(Listener::adopt(OwnedFd::from(socket)).unwrap());
            let accepting = spawn({
                let listener = listener.clone();
                async move { listener.accept_unserved().await.is_ok() }
            });
            // Waits first, so that it is woken first.
            time::sleep(Duration::from_millis(50)).await;
            start.send(()).unwrap();
            is_armed.recv().unwrap();
            // All of this within one turn.
            let _client = TcpStream::connect(address).unwrap();
            listener.close();
            taken += u32::from(accepting.await.unwrap());
            while listener.rest().await.is_some() {
                taken += 1;
            }
            drop(listener);
            time::sleep(Duration::from_millis(100)).await;
            taken += u32::from(staying.join().unwrap());
        });
        assert_eq!(taken, 1, "round {round}");
    }
}
