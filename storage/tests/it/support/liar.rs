//! A server that greets like Redis and then sends what it is told to.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::serve_each;

/// The answer to `HELLO 3`.
const HELLO: &[u8] = b"%1\r\n+server\r\n+redis\r\n";

/// What to send once the first command has come.
#[derive(Clone)]
pub(crate) struct Lie {
    pub(crate) bytes: Vec<u8>,
    /// Close after that; else keep quiet.
    pub(crate) close: bool,
}

/// Listens for as long as the process lives; every connection is told the same. Gives the address.
pub(crate) fn start(lie: Lie) -> String {
    let address = serve_each(move |_, stream| serve(stream, &lie));
    format!("redis://{address}/")
}

fn serve(mut stream: TcpStream, lie: &Lie) {
    let mut piece = [0; 4096];
    let mut greeted = false;
    loop {
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => {}
            _ => return,
        }
        let answer = if greeted { &lie.bytes } else { HELLO };
        if stream.write_all(answer).is_err() || (greeted && lie.close) {
            return;
        }
        greeted = true;
    }
}
