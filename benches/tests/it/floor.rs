//! The floor gives an answer to each head, however the heads come.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use corelane_benches::answer::Checker;
use corelane_benches::ask::Ask;
use corelane_benches::host::cores;
use corelane_benches::server::{Server, exchange, free_address, request};

const BODY: &str = "Hello, World!";

fn floor() -> Server {
    let address = free_address().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_floor"));
    command.arg("--listen").arg(address.to_string()).stdin(Stdio::null());
    Server::start(&mut command, address, cores().unwrap()[0], &Ask::get("/plaintext", Some(BODY))).unwrap()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, batch: &[u8], count: usize) {
    exchange(stream, batch, &mut Checker::new(Some(BODY.as_bytes().to_vec())), count).unwrap();
}

#[test]
fn pipelined_heads_are_all_answered() {
    let server = floor();
    let mut stream = connect(&server);
    // More than one receive can bring, so that answers leave in several sends.
    let count = 500;
    ask(&mut stream, &request("/plaintext").repeat(count), count);
}

#[test]
fn heads_cut_anywhere_are_answered_once() {
    let server = floor();
    let mut stream = connect(&server);
    let head = request("/");
    for cut in 1..head.len() {
        stream.write_all(&head[..cut]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        ask(&mut stream, &head[cut..], 1);
    }
}

#[test]
fn it_outlives_clients_that_leave() {
    let mut server = floor();
    for _ in 0..200 {
        // Some of these end while their answers are under way.
        connect(&server).write_all(&request("/").repeat(8)).unwrap();
    }
    let mut stream = connect(&server);
    ask(&mut stream, &request("/"), 1);
    assert!(server.is_running());
}
