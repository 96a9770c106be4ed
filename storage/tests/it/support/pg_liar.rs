//! A server that greets and prepares like PostgreSQL and then sends what it is told to.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::serve_each;

/// When the lie is told, and the truth until then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// In the place of a statement's description.
    Prepare,
    /// In the place of rows, or of the results of the simple protocol.
    Execute,
    /// Right after the greeting, unasked.
    Unasked,
}

#[derive(Clone)]
pub(crate) struct PgLie {
    pub(crate) when: When,
    pub(crate) bytes: Vec<u8>,
    /// Close after that; else keep quiet.
    pub(crate) close: bool,
}

/// A message as a server sends it.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

/// The description of a statement without parameters that gives a column `x` of the type `int4`.
pub(crate) fn description() -> Vec<u8> {
    let column = b"\0\x01x\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    [message(b'1', b""), message(b't', b"\0\0"), message(b'T', column), message(b'Z', b"I")].concat()
}

/// Listens for as long as the process lives; every connection is told the same. Gives the address.
pub(crate) fn start(lie: PgLie) -> String {
    let address = serve_each(move |_, stream| serve(stream, &lie));
    format!("postgres://liar@{address}/liar?sslmode=disable")
}

fn serve(mut stream: TcpStream, lie: &PgLie) {
    let mut piece = [0; 4096];
    let mut greeted = false;
    loop {
        let heard = match stream.read(&mut piece) {
            Ok(n) if n > 0 => piece[0],
            _ => return,
        };
        let tells = match (std::mem::replace(&mut greeted, true), heard, lie.when) {
            (false, ..) => {
                let greeting =
                    [message(b'R', b"\0\0\0\0"), message(b'K', b"\0\0\0\x01key!"), message(b'Z', b"I")];
                if stream.write_all(&greeting.concat()).is_err() {
                    return;
                }
                lie.when == When::Unasked
            }
            (true, b'P', When::Execute | When::Unasked) => {
                if stream.write_all(&description()).is_err() {
                    return;
                }
                false
            }
            _ => true,
        };
        if tells && (stream.write_all(&lie.bytes).is_err() || lie.close) {
            return;
        }
    }
}
