//! An epoll program that echoes and does nothing else: the ruler for bodies.
//!
//! One thread. A connection that is readable is read once, into the one buffer there is, and what came is written back.
//! With `--raw` that is all. Else it speaks just enough HTTP: it looks for the blank line and for `Content-Length`,
//! sends a head that is constant but for the length, and echoes the body as it comes. Like the floor it has no timeouts and
//! stops where a server would have to cope.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use clap::Parser;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, send};
use socket2::{Domain, Protocol, Socket, Type};

/// Bytes read at once: as many as the body that is compared has.
const BUFFER_BYTES: usize = 64 * 1024;

/// Events taken at once.
const EVENTS: usize = 256;

#[derive(Parser)]
#[command(about = "Echoes by epoll: bodies of POST requests, or with --raw whatever comes")]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Send back every byte; no HTTP.
    #[arg(long)]
    raw: bool,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let listener = listen(arguments.listen)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, key(listener.as_raw_fd()), epoll::EventFlags::IN)?;
    let mut events = Vec::with_capacity(EVENTS);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut connections: HashMap<RawFd, Connection> = HashMap::new();
    loop {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let fd = descriptor(event.data);
            if fd == listener.as_raw_fd() {
                let socket = accept_with(&listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
                epoll::add(&epoll, &socket, key(socket.as_raw_fd()), epoll::EventFlags::IN)?;
                let state = if arguments.raw { State::Raw } else { State::Head(Vec::new()) };
                connections.insert(socket.as_raw_fd(), Connection { socket, state, unsent: Vec::new() });
                continue;
            }
            let Some(connection) = connections.get_mut(&fd) else { continue };
            let waited = !connection.unsent.is_empty();
            if !connection.is_ready(&mut buffer)? {
                // Dropping the descriptor takes it out of the epoll set.
                connections.remove(&fd);
                continue;
            }
            let waits = !connection.unsent.is_empty();
            if waits != waited {
                let interest = if waits { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
                epoll::modify(&epoll, &connection.socket, key(fd), interest)?;
            }
        }
    }
}

fn key(fd: RawFd) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(fd.unsigned_abs()))
}

fn descriptor(data: epoll::EventData) -> RawFd {
    RawFd::try_from(data.u64()).expect("only descriptors go in")
}

/// Where a connection is in what it receives.
enum State {
    Raw,
    /// In a head, of which this came in earlier reads.
    Head(Vec<u8>),
    /// In a body of which so many bytes are to come.
    Body(usize),
}

struct Connection {
    socket: OwnedFd,
    state: State,
    /// What the socket did not take. Nothing is read while there is any.
    unsent: Vec<u8>,
}

impl Connection {
    /// Does what the socket is ready for. False once the peer has gone.
    fn is_ready(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            return self.write(&unsent);
        }
        let received = match rustix::io::read(&self.socket, &mut *buffer) {
            Ok(0) | Err(Errno::CONNRESET) => return Ok(false),
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let mut input = &buffer[..received];
        while !input.is_empty() {
            let there = match &mut self.state {
                State::Raw => self.write(std::mem::take(&mut input))?,
                State::Head(earlier) => {
                    earlier.extend_from_slice(input);
                    let Some(end) = memchr::memmem::find(earlier, b"\r\n\r\n") else { return Ok(true) };
                    let head = std::mem::take(earlier);
                    // What was there before held no end, so the body begins in `input`.
                    input = &input[input.len() - (head.len() - end - 4)..];
                    self.answer(&head[..end], &mut input)?
                }
                State::Body(left) => {
                    let (piece, rest) = input.split_at(input.len().min(*left));
                    *left -= piece.len();
                    if *left == 0 {
                        self.state = State::Head(Vec::new());
                    }
                    input = rest;
                    self.write(piece)?
                }
            };
            if !there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers a head, with as much of its body as came with it.
    fn answer(&mut self, head: &[u8], input: &mut &[u8]) -> io::Result<bool> {
        let length = memchr::memmem::find(head, b"Content-Length: ")
            .and_then(|at| head[at + 16..].split(|byte| *byte == b'\r').next())
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok())
            .ok_or_else(|| io::Error::other("a request without Content-Length"))?;
        let (piece, rest) = input.split_at(input.len().min(length));
        *input = rest;
        let left = length - piece.len();
        self.state = if left > 0 { State::Body(left) } else { State::Head(Vec::new()) };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\
             Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n\r\n"
        );
        self.write(&[answer.as_bytes(), piece].concat())
    }

    /// Writes, and keeps what the socket does not take. False once the peer has gone.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while !bytes.is_empty() && self.unsent.is_empty() {
            match send(self.socket.as_fd(), bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.unsent.extend_from_slice(bytes);
        Ok(true)
    }
}

/// A listener with `TCP_NODELAY`, which accepted connections inherit.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}
