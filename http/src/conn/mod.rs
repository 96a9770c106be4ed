//! One connection, from accept to close.
//!
//! Two paths. On the **fast path** ([`turn`]) a request is parsed, its handler polled once, and the answer encoded,
//! all in one poll of the connection's task: this is what most requests take, and it allocates nothing. A handler
//! that has to wait, a body that has not arrived, or an answer that is a stream take the **slow path** ([`drive`]),
//! whose future lives in a recycled block only while it runs, so that a connection at rest stays small.
//!
//! What the bytes mean is decided by [`ServerConn`]; this module owns the socket, the buffers and the deadlines.

mod answer;
mod drive;
mod file;
pub(crate) mod input;
mod output;
mod turn;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use corelane_http_proto::conn::{ConnLimits, ServerConn, Waiting};
use corelane_http_proto::date::DateCache;
use corelane_runtime::buf::{Lease, LocalBox, LocalBoxFuture, PoolExhausted};
use corelane_runtime::net::Stream;
use corelane_runtime::time;

use crate::app::AppService;
use crate::problem::Problem;
use crate::request::Incoming;
use crate::response::{IntoResponse, OnUpgrade, StatusCode, Upgraded};
use crate::server::{Limits, State, Ticket, Way};
use answer::Answered;
use input::Input;
use output::Output;
use turn::Turn;

/// Most bytes read and thrown away after the last answer, so that a close does not destroy it on its way.
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Longest wait for a peer to take notice that the connection ends.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// What the connections of one core share.
pub(crate) struct Shared {
    pub(crate) service: AppService,
    pub(crate) limits: Limits,
    /// What is known of how requests come; `None` if nothing, so that a plain request without a proxy pays nothing.
    way: Option<Rc<Way>>,
    conn_limits: Arc<ConnLimits>,
    date: RefCell<DateCache>,
    /// When the date has to be looked at again.
    date_due: Cell<Instant>,
}

impl Shared {
    pub(crate) fn new(service: AppService, limits: Limits, way: Way) -> Rc<Shared> {
        let conn_limits = Arc::new(limits.for_connection());
        Rc::new(Shared {
            service,
            limits,
            way: (way != Way::default()).then(|| Rc::new(way)),
            conn_limits,
            date: RefCell::new(DateCache::new(0)),
            date_due: Cell::new(time::now()),
        })
    }

    /// True if TLS ends here.
    fn is_secure(&self) -> bool {
        self.way.as_ref().is_some_and(|way| way.secure)
    }

    /// Brings the cached date up to date: the wall clock is read when the second is over, not for each answer.
    fn refresh_date(&self) {
        let now = time::now();
        if now >= self.date_due.get() {
            let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.date.borrow_mut().refresh(unix.as_secs());
            self.date_due.set(now + Duration::from_nanos(1_000_000_000 - u64::from(unix.subsec_nanos())));
        }
    }
}

/// Why a connection ends without another word.
enum Gone {
    /// The peer closed, reset, or stalled.
    Peer,
    /// No buffer could be had.
    Buffers,
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Gone {
        Gone::Peer
    }
}

impl From<PoolExhausted> for Gone {
    fn from(_: PoolExhausted) -> Gone {
        Gone::Buffers
    }
}

/// How a connection ends that ends well.
enum End {
    /// All is sent; close.
    Close,
    /// The peer may still be sending: see [`linger`].
    Linger,
    Upgrade(OnUpgrade),
}

struct Conn {
    stream: Stream,
    machine: ServerConn,
    /// The head being parsed; none while the connection is at rest.
    head: Option<Incoming>,
    input: Input,
    output: Output,
    shared: Rc<Shared>,
    ticket: Ticket,
    /// What the receive deadline was set for; `None` if there is none.
    armed: Option<Waiting>,
}

/// Serves one connection until it ends.
///
/// Not an `async fn`: that would keep its arguments beside the connection that is made of them, for as long as it lives.
pub(crate) fn serve(stream: Stream, shared: Rc<Shared>, ticket: Ticket) -> impl Future<Output = ()> {
    let mut conn = Conn::new(stream, shared, ticket);
    async move {
        match conn.run().await {
            Ok(End::Close) if !conn.shared.is_secure() => {}
            Err(Gone::Peer) => {}
            ended => LocalBoxFuture::new(conclude(conn, ended)).await,
        }
    }
}

/// As [`serve`], for a connection of whose first request some bytes are there.
pub(crate) async fn serve_begun(stream: Stream, shared: Rc<Shared>, ticket: Ticket, unread: Lease) {
    let mut conn = Conn::new(stream, shared, ticket);
    conn.ticket.set(State::Request);
    let begun = match conn.received(Ok(unread)) {
        Ok(()) => LocalBoxFuture::new(conn.work()).await,
        Err(gone) => Err(gone),
    };
    let ended = match begun {
        Ok(Some(end)) => Ok(end),
        Ok(None) => conn.run().await,
        Err(gone) => Err(gone),
    };
    LocalBoxFuture::new(conclude(conn, ended)).await;
}

/// What is left to do when a connection has come to its end.
async fn conclude(mut conn: Conn, ended: Result<End, Gone>) {
    match ended {
        // Over TLS the peer is told that nothing was cut off.
        Ok(End::Close) => drop(conn.stream.end().await),
        Ok(End::Linger) => linger(conn).await,
        Ok(End::Upgrade(upgrade)) => hand_over(conn, upgrade).await,
        Err(Gone::Peer) => {}
        Err(Gone::Buffers) => no_buffers(),
    }
}

/// Gives the connection to another protocol, and waits for that to end.
async fn hand_over(conn: Conn, upgrade: OnUpgrade) {
    let Conn { stream, input, ticket, .. } = conn;
    stream.set_recv_deadline(None);
    ticket.set(State::Upgrade);
    match input.into_rest() {
        Ok(unread) => upgrade.serve(Upgraded { stream, unread }).await,
        Err(_) => no_buffers(),
    }
    drop(ticket);
}

#[cold]
fn no_buffers() {
    tracing::warn!("a connection was closed: the core's buffer pool is exhausted");
}

impl Conn {
    fn new(stream: Stream, shared: Rc<Shared>, ticket: Ticket) -> Conn {
        let limits = &shared.limits;
        // A duration beyond what the clock can tell, such as `Duration::MAX`, means never, here and below.
        let stall = time::now().checked_add(limits.write_stall).map(|_| limits.write_stall);
        stream.set_send_stall(stall);
        stream.set_recv_deadline(time::now().checked_add(limits.head_timeout));
        Conn {
            machine: ServerConn::new(shared.conn_limits.clone()),
            stream,
            head: None,
            input: Input::default(),
            output: Output::default(),
            shared,
            ticket,
            armed: Some(Waiting::Request),
        }
    }

    /// Receives and works in turns. What works is boxed, in a block that the core uses again, so that a connection
    /// at rest has only the receive in it.
    async fn run(&mut self) -> Result<End, Gone> {
        loop {
            self.receive().await?;
            if let Some(end) = LocalBoxFuture::new(self.work()).await? {
                return Ok(end);
            }
        }
    }

    /// Works through the input, until more has to be received or the connection ends. Everything is sent then.
    async fn work(&mut self) -> Result<Option<End>, Gone> {
        loop {
            let end = match poll_fn(|cx| Poll::Ready(self.turn(cx))).await? {
                Turn::Receive => break,
                Turn::Flush => {
                    self.flush().await?;
                    self.machine.flushed();
                    None
                }
                Turn::Wait(pending) => LocalBoxFuture::new(self.wait(LocalBox::into_inner(pending))).await?,
                Turn::End(end) => Some(end),
            };
            if end.is_some() {
                self.flush().await?;
                return Ok(end);
            }
        }
        self.flush().await?;
        Ok(None)
    }

    /// Sends everything there is.
    async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        match self.output.take_single() {
            Some(chunk) => self.stream.send(chunk).await,
            None => self.stream.send_vectored(self.output.take()).await,
        }
    }

    /// Receives the next bytes of a request, or of a body that nobody reads.
    async fn receive(&mut self) -> Result<(), Gone> {
        let waiting = self.machine.waiting();
        let at_rest = waiting == Waiting::Request;
        if at_rest {
            self.head = None;
            if !self.ticket.rest() {
                self.machine.close_after_response();
                return Ok(());
            }
        }
        self.arm(waiting);
        let received = self.stream.recv().await;
        self.ticket.set(State::Request);
        self.received(received)
    }
}

impl Conn {
    /// Sets the deadline of the receives to come, once for each thing waited for: a peer that sends a byte now and
    /// then does not move it.
    fn arm(&mut self, waiting: Waiting) {
        if self.armed == Some(waiting) {
            return;
        }
        self.armed = Some(waiting);
        let limits = &self.shared.limits;
        let patience = match waiting {
            Waiting::Request => limits.idle_timeout,
            Waiting::Head => limits.head_timeout,
            Waiting::Body | Waiting::Drain | Waiting::Nothing => limits.body_grace,
        };
        self.stream.set_recv_deadline(time::now().checked_add(patience));
    }

    /// Takes the deadline off: what comes now waits for something else than the peer's bytes, and the next receive
    /// gets a deadline of its own. A deadline that passed meanwhile would shut the receiving side, and the watch for
    /// a client that went away would take that for one.
    fn disarm(&mut self) {
        if self.armed.take().is_some() {
            self.stream.set_recv_deadline(None);
        }
    }

    /// Takes in what a receive gave.
    fn received(&mut self, received: io::Result<Lease>) -> Result<(), Gone> {
        match received {
            Ok(lease) if !lease.is_empty() => return Ok(self.input.push(lease)?),
            Ok(_) => self.machine.handle_eof(),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => self.machine.handle_timeout(),
            Err(error) => return Err(error.into()),
        }
        // What is wrong with that, the machine says again at its next step.
        .or(Ok(()))
    }
}

/// Answers 503 without reading anything, for a connection that there is no room for.
pub(crate) async fn refuse(stream: Stream, shared: Rc<Shared>, ticket: Ticket) {
    shared.refresh_date();
    let mut conn = Conn::new(stream, shared, ticket);
    conn.machine.refuse();
    let full = Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail("the server has as many connections as it takes");
    let response = full.into_response().with_header("retry-after", "1");
    let Ok(Answered::Whole(_)) = conn.answer(response.expect("a valid field"), None) else { return };
    let end = conn.finish(None, None);
    if conn.flush().await.is_ok() && matches!(end, Some(End::Linger)) {
        linger(conn).await;
    }
}

/// Closes a connection whose peer may still be sending: a close with bytes unread makes the kernel send a reset, which
/// can destroy the answer before the peer has read it (RFC 9112 §9.6). So the sending side is shut first, and what
/// comes is thrown away for a moment.
async fn linger(conn: Conn) {
    let Conn { mut stream, ticket, .. } = conn;
    if stream.end().await.is_err() {
        return;
    }
    stream.set_recv_deadline(Some(time::now() + LINGER_TIMEOUT));
    let mut left = LINGER_BYTES_MAX;
    while let Ok(lease) = stream.recv().await {
        if lease.is_empty() || lease.len() > left {
            break;
        }
        left -= lease.len();
    }
    drop(ticket);
}
