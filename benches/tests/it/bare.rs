//! The bare epoll program sends back what it is sent, however it comes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use corelane_benches::ask::Ask;
use corelane_benches::host::cores;
use corelane_benches::server::{Server, exchange, free_address};

fn start(ask: &Ask) -> Server {
    let address = free_address().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bare"));
    command.arg("--listen").arg(address.to_string()).stdin(Stdio::null());
    if ask.raw {
        command.arg("--raw");
    }
    Server::start(&mut command, address, cores().unwrap()[0], ask).unwrap()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[test]
fn bodies_cut_anywhere_come_back() {
    let ask = Ask { upload: Some(100), ..Ask::get("/echo", None) };
    let server = start(&ask);
    let (mut stream, mut checker) = (connect(&server), ask.checker());
    let request = ask.request();
    for cut in (1..request.len()).step_by(7) {
        stream.write_all(&request[..cut]).unwrap();
        thread::sleep(Duration::from_millis(1));
        exchange(&mut stream, &request[cut..], &mut checker, 1).unwrap();
    }
}

#[test]
fn a_peer_that_reads_late_gets_every_byte() {
    const BYTES: usize = 8 * 1024 * 1024;
    let ask = Ask { upload: Some(BYTES), raw: true, ..Ask::get("/", None) };
    let server = start(&Ask { upload: Some(10), ..ask.clone() });
    let stream = connect(&server);
    let mut writer = stream.try_clone().unwrap();
    let request = ask.request();
    let want = request.clone();
    let writing = thread::spawn(move || writer.write_all(&request).unwrap());
    thread::sleep(Duration::from_millis(50));
    let mut got = Vec::new();
    stream.take(BYTES as u64).read_to_end(&mut got).unwrap();
    writing.join().unwrap();
    assert!(got == want);
}
