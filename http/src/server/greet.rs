//! What comes before HTTP on some connections: the PROXY protocol, and TLS.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use corelane_http_proto::proxy::{self, HEADER_BYTES_MAX, ProxyHeader};
use corelane_runtime::buf::{Lease, LocalBoxFuture};
use corelane_runtime::net::{CloseHandle, PeerAddr, Shutdown, Stream};
use corelane_runtime::time;

use super::TrustedProxies;
use super::registry::{State, Ticket};
use crate::conn::{self, Shared};

/// Handshakes of a core under way at a time. Each may hold buffers and a session for as long as
/// [`Limits::handshake_timeout`](super::Limits::handshake_timeout); one more ends the oldest, so that clients who begin and never go on
/// cannot keep others out.
const HANDSHAKES_MAX: usize = 1024;

/// How connections that come in at one place begin.
pub(super) struct Door {
    /// For plain connections, and for secure ones.
    pub(super) plain: Rc<Shared>,
    pub(super) secure: Rc<Shared>,
    pub(super) handshakes: Rc<Handshakes>,
    /// Who has to speak the PROXY protocol; nobody else is let in then.
    pub(super) proxies: Option<TrustedProxies>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::Tls>,
}

impl Door {
    /// True if something comes before HTTP.
    pub(super) fn has_handshake(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return true;
        }
        self.proxies.is_some()
    }
}

/// Has a connection begin, and then serves it.
pub(super) async fn greet(stream: Stream, door: Rc<Door>, ticket: Ticket, within: Duration) {
    let place = door.handshakes.enter(stream.close_handle());
    let began = LocalBoxFuture::new(begin(stream, &door, within)).await;
    drop(place);
    let Ok(Begun { stream, unread, secure }) = began else { return };
    ticket.set(State::Fresh);
    let shared = if secure { &door.secure } else { &door.plain }.clone();
    match unread {
        Some(unread) => conn::serve_begun(stream, shared, ticket, unread).await,
        None => conn::serve(stream, shared, ticket).await,
    }
}

/// A connection that HTTP may begin on.
struct Begun {
    stream: Stream,
    /// What has come behind the handshake. Invariant: not empty.
    unread: Option<Lease>,
    secure: bool,
}

/// What a handshake ends in that does not succeed. The log has been told.
struct Refused;

async fn begin(mut stream: Stream, door: &Door, within: Duration) -> Result<Begun, Refused> {
    stream.set_recv_deadline(time::now().checked_add(within));
    let socket = stream.peer_addr();
    let mut unread = None;
    let mut secure = false;
    if let Some(proxies) = &door.proxies {
        if !proxies.trusts(&socket) {
            tracing::debug!(peer = %socket, "a connection was closed: only proxies may connect here");
            return Err(Refused);
        }
        let (header, rest) = read_header(&mut stream).await?;
        if let Some(client) = header.client {
            stream.set_peer_addr(PeerAddr::Tcp(client));
        }
        secure = header.tls;
        unread = rest;
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &door.tls {
        let peer = stream.peer_addr();
        stream = tls.acceptor().accept_begun(stream, unread.take()).await.map_err(|error| {
            tracing::debug!(%peer, %error, "a TLS handshake failed");
            Refused
        })?;
        secure = true;
    }
    Ok(Begun { stream, unread, secure })
}

/// Reads a PROXY header, and what has come behind it.
async fn read_header(stream: &mut Stream) -> Result<(ProxyHeader, Option<Lease>), Refused> {
    let mut begun: Option<Lease> = None;
    loop {
        let received = match stream.recv().await {
            Ok(received) if !received.is_empty() => received,
            // A peer that goes away before it has said anything is a probe.
            _ => return Err(Refused),
        };
        let mut input = match begun.take() {
            None => received,
            Some(before) => join(&before, &received)?,
        };
        match proxy::parse(&input) {
            Ok(Some(header)) => {
                input.advance(header.len);
                return Ok((header, (!input.is_empty()).then_some(input)));
            }
            Ok(None) => begun = Some(input),
            Err(error) => {
                tracing::debug!(peer = %stream.peer_addr(), %error, "a connection was closed: no PROXY header");
                return Err(Refused);
            }
        }
    }
}

/// Both in one lease. The first is less than a whole header.
fn join(before: &Lease, more: &Lease) -> Result<Lease, Refused> {
    debug_assert!(before.len() < HEADER_BYTES_MAX, "more would be a header, or none");
    let mut both = Lease::take(before.len() + more.len()).map_err(|_| Refused)?;
    both.extend_from_slice(before).and_then(|()| both.extend_from_slice(more)).map_err(|_| Refused)?;
    Ok(both)
}

/// The handshakes of a core that are under way, the oldest first.
pub(super) struct Handshakes {
    open: RefCell<VecDeque<(u64, CloseHandle)>>,
    next: Cell<u64>,
}

/// A handshake's place.
struct Place {
    handshakes: Rc<Handshakes>,
    number: u64,
}

impl Handshakes {
    pub(super) fn new() -> Rc<Handshakes> {
        Rc::new(Handshakes { open: RefCell::default(), next: Cell::new(0) })
    }

    fn enter(self: &Rc<Handshakes>, close: CloseHandle) -> Place {
        let number = self.next.replace(self.next.get() + 1);
        let mut open = self.open.borrow_mut();
        if open.len() >= HANDSHAKES_MAX
            && let Some((_, oldest)) = open.pop_front()
        {
            // Fails only for a peer that is gone already.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        open.push_back((number, close));
        Place { handshakes: self.clone(), number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.handshakes.open.borrow_mut();
        // Numbers grow from the front to the back.
        if let Ok(at) = open.binary_search_by_key(&self.number, |(number, _)| *number) {
            open.remove(at);
        }
    }
}
