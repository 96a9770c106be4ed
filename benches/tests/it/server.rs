//! A small server of threads that answers as each test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// The answer the load generator is told to expect.
pub(crate) const RIGHT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Serves every connection on a thread of its own with `answer`, which writes what it likes for one request head and
/// says whether to go on. The threads end with the test's process.
pub(crate) fn serve(answer: impl Fn(&mut TcpStream) -> bool + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || while read_head(&mut stream) && answer(&mut stream) {});
        }
    });
    address
}

/// Writes the right answer; true if the peer is still there.
pub(crate) fn right(stream: &mut TcpStream) -> bool {
    stream.write_all(RIGHT).is_ok()
}

/// Reads to the blank line. Byte by byte: what comes after it belongs to the next head.
fn read_head(stream: &mut TcpStream) -> bool {
    let (mut last, mut byte) = ([0; 4], [0]);
    while last != *b"\r\n\r\n" {
        match stream.read(&mut byte) {
            Ok(1) => last = [last[1], last[2], last[3], byte[0]],
            _ => return false,
        }
    }
    true
}
