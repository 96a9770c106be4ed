//! The floor: the cheapest program that could give the answer the frameworks give.
//!
//! One thread, one ring. Multishot accept and receive into a ring of provided buffers, sends through the same ring with
//! their success completions skipped, one `io_uring_enter` a turn. It looks for the blank line that ends a request head
//! and for nothing else, and sends a constant. Answers to the heads of one receive leave in one send.
//!
//! It is a ruler, not a server: it reads no request, has no timeouts, and stops with an error where a server would
//! have to cope (accept fails, a client does not read its answers).

mod buffers;
mod heads;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;

use clap::Parser;
use io_uring::{IoUring, SubmissionQueue, Submitter, cqueue, opcode, squeue, types};
use socket2::{Domain, Protocol, Socket, Type};

use buffers::{BufferRing, GROUP};
use heads::Heads;

/// The answer, the length of ours: the same status, fields and body. The date does not move; that saves the floor
/// one clock read a second.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\
    Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n\r\nHello, World!";

/// Answers in one send at most: as many as the shortest heads that one receive can bring.
const ANSWERS_MAX: usize = buffers::BYTES / heads::HEAD_BYTES_MIN + 1;

/// Submission queue entries. A fuller turn submits early.
const ENTRIES: u32 = 4096;

/// What a completion is about: the upper half of its user data, the descriptor in the lower.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Kind {
    Accept = 0,
    Receive = 1,
    Send = 2,
    Close = 3,
}

impl Kind {
    fn with(self, fd: i32) -> u64 {
        (self as u64) << 32 | u64::from(fd.unsigned_abs())
    }

    fn split(user_data: u64) -> (Self, i32) {
        let kind = match user_data >> 32 {
            0 => Self::Accept,
            1 => Self::Receive,
            2 => Self::Send,
            _ => Self::Close,
        };
        (kind, i32::try_from(user_data & 0xffff_ffff).expect("only descriptors go into the lower half"))
    }
}

#[derive(Parser)]
#[command(about = "The cheapest program that could answer: raw io_uring, a constant per request head")]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

fn main() -> io::Result<()> {
    let listener = listen(Arguments::parse().listen)?;
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_coop_taskrun()
        .setup_defer_taskrun()
        .setup_cqsize(ENTRIES * 4)
        .build(ENTRIES)?;
    let mut buffers = BufferRing::register(&ring.submitter())?;
    let (submitter, mut submissions, mut completions) = ring.split();
    let mut floor = Floor {
        listener: listener.as_raw_fd(),
        heads: Heads::default(),
        answers: ANSWER.repeat(ANSWERS_MAX).leak(),
        submitter,
        submissions: &mut submissions,
    };
    floor.accept()?;
    loop {
        floor.submissions.sync();
        match floor.submitter.submit_and_wait(1) {
            Err(error) if error.raw_os_error() != Some(libc::EINTR) => return Err(error),
            _ => {}
        }
        completions.sync();
        for completion in &mut completions {
            floor.complete(&completion, &mut buffers)?;
        }
        buffers.publish();
    }
}

struct Floor<'ring, 'queue> {
    listener: i32,
    heads: Heads,
    /// [`ANSWER`] repeated [`ANSWERS_MAX`] times: any number of answers is a prefix of it.
    answers: &'static [u8],
    submitter: Submitter<'ring>,
    submissions: &'queue mut SubmissionQueue<'ring>,
}

impl Floor<'_, '_> {
    fn complete(&mut self, completion: &cqueue::Entry, buffers: &mut BufferRing) -> io::Result<()> {
        let (kind, fd) = Kind::split(completion.user_data());
        let result = completion.result();
        match kind {
            Kind::Accept if result < 0 => Err(io::Error::from_raw_os_error(-result)),
            Kind::Accept => {
                self.heads.forget(result);
                self.receive(result)?;
                if cqueue::more(completion.flags()) { Ok(()) } else { self.accept() }
            }
            Kind::Receive if result > 0 => {
                let id = cqueue::buffer_select(completion.flags()).expect("data comes in a provided buffer");
                let length = usize::try_from(result).expect("positive");
                let heads = self.heads.count(fd, &buffers.filled(id)[..length]);
                buffers.give_back(id);
                if heads > 0 {
                    self.send(fd, heads)?;
                }
                if cqueue::more(completion.flags()) { Ok(()) } else { self.receive(fd) }
            }
            // The buffers were all in this turn's completions; they are back before the next receive runs.
            Kind::Receive if result == -libc::ENOBUFS => self.receive(fd),
            Kind::Receive => self.close(fd),
            // The peer is gone; the receive ends by itself and closes.
            Kind::Send if matches!(-result, libc::EPIPE | libc::ECONNRESET) => Ok(()),
            Kind::Send | Kind::Close => Err(io::Error::from_raw_os_error(-result)),
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        self.push(opcode::AcceptMulti::new(types::Fd(self.listener)).build().user_data(Kind::Accept.with(0)))
    }

    fn receive(&mut self, fd: i32) -> io::Result<()> {
        self.push(opcode::RecvMulti::new(types::Fd(fd), GROUP).build().user_data(Kind::Receive.with(fd)))
    }

    /// Sends `count` answers. `MSG_WAITALL` with `MSG_DONTWAIT`: what does not fit into the socket's buffer at once is a
    /// visible failure, so no send ever waits and two of them cannot overtake each other.
    fn send(&mut self, fd: i32, count: usize) -> io::Result<()> {
        let bytes = &self.answers[..count * ANSWER.len()];
        let length = u32::try_from(bytes.len()).expect("the answers are shorter than 4 GiB");
        let entry = opcode::Send::new(types::Fd(fd), bytes.as_ptr(), length)
            .flags(libc::MSG_WAITALL | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Kind::Send.with(fd));
        self.push(entry)
    }

    fn close(&mut self, fd: i32) -> io::Result<()> {
        let entry = opcode::Close::new(types::Fd(fd)).build().flags(squeue::Flags::SKIP_SUCCESS);
        self.push(entry.user_data(Kind::Close.with(fd)))
    }

    fn push(&mut self, entry: squeue::Entry) -> io::Result<()> {
        if self.submissions.is_full() {
            self.submissions.sync();
            self.submitter.submit()?;
            self.submissions.sync();
        }
        // SAFETY: the only memory an entry points to is `answers`, which is never freed and never written.
        unsafe { self.submissions.push(&entry) }.map_err(io::Error::other)
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
