//! Our own driver: one io_uring per core, turned once per turn of the executor.
//!
//! A turn of the loop is: the executor runs ready tasks, which queue submissions here; then one
//! `io_uring_enter` hands them over and sleeps until the next deadline at most; then every
//! completion is looked at, which wakes tasks. Connections, listeners and single operations live
//! in slabs of this core; the kernel knows them by [`token`]s whose generation makes a late
//! completion find nobody.
//!
#![doc = include_str!("ownership.md")]

mod accept;
mod bufring;
mod close;
mod conn;
mod doorbell;
mod features;
mod files;
mod fs;
mod handle;
mod probe;
mod recv;
mod run;
mod send;
mod single;
mod slots;
mod splice;
mod token;
mod uring;
mod zero_copy;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use io_uring::cqueue;
use rustix::net::Shutdown;

use self::accept::Listener;
use self::bufring::BufRing;
use self::conn::Conn;
use self::doorbell::on_undelivered;
use self::features::Features;
use self::files::Entering;
use self::fs::FileOp;
use self::send::{Flight, Headers, Payload, Sending};
use self::single::Single;
use self::slots::Slots;
use self::splice::Pipes;
use self::token::{Kind, Token};
use self::uring::{Uring, Wait};
use self::zero_copy::ZeroCopy;
use crate::buf::Lease;
use crate::launch::RingOptions;

pub(crate) use self::handle::{Acceptor, Socket};
pub(crate) use self::run::Prepared;
pub(crate) use self::token::Key;

/// Bytes in a small receive buffer: a request head and then some.
const SMALL_BYTES: usize = 4 * 1024;

/// Bytes in a large receive buffer.
const LARGE_BYTES: usize = 64 * 1024;

/// Connections of one core at most. The layers above have lower bounds of their own; beyond this a
/// socket is refused with `ENOBUFS`.
const CONNS_MAX: u32 = 1 << 20;

/// Listening sockets of one core at most.
const LISTENERS_MAX: u32 = 1024;

/// Connects and polls in flight on one core at most. More fail with `ENOBUFS`.
const SINGLES_MAX: u32 = 16 * 1024;

/// How large the queues shared with the kernel are.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Submission entries. A turn that produces more submits in between.
    submissions: u32,
    /// Completion entries: many times what one turn is expected to end. More are kept by the
    /// kernel and fetched by the same turn.
    completions: u32,
    /// Small buffers lent, a power of two. A turn's worth of requests: the kernel works on a few
    /// dozen sockets per enter, and a ring that runs empty ends the receives it could not serve.
    small: u16,
    /// Large buffers lent, a power of two. None before the first upload.
    large: u16,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { submissions: 1024, completions: 16 * 1024, small: 256, large: 16 }
    }
}

/// How long to sleep at most while a connection waits for a buffer. Buffers come back when tasks
/// drop leases, which a turn notices, and from other threads, which it does not.
const STARVED_NAP: Duration = Duration::from_millis(5);

/// How long to sleep at most with sends that were just submitted. They are decided, but that shows
/// only when the sleep ends, and until then their memory is kept. Under load something completes
/// long before; a core that falls idle wakes up once more. Not shorter: a timer that is the next to
/// fire on its CPU has to be programmed into the hardware, about 2 % of a request when it was 1 ms.
const SETTLE_NAP: Duration = Duration::from_millis(100);

/// Longest a ring that goes away waits for its operations to end.
const TEARDOWN_MAX: Duration = Duration::from_secs(1);

/// What an operation is done with, dropped when nothing is borrowed: a drop may run code of the
/// caller's, which may come back here.
#[allow(dead_code, reason = "held to be dropped")]
enum Retired {
    Payload(Payload),
    Lease(Lease),
    Descriptor(OwnedFd),
    File(FileOp),
}

/// All state of one core's driver. No method calls out: wakers and what is to be dropped are
/// collected and dealt with by [`Ring`] after its borrow has ended.
struct Inner {
    uring: Uring,
    conns: Slots<Conn>,
    listeners: Slots<Listener>,
    singles: Slots<Single>,
    file_ops: Slots<FileOp>,
    pipes: Pipes,
    zero_copies: Slots<ZeroCopy>,
    /// Bytes of those.
    zero_copy_bytes: usize,
    /// Bytes from which on a send is not copied.
    zero_copy_from: usize,
    small: BufRing,
    large: BufRing,
    /// Some connection has asked for large buffers. Until then there are none.
    large_wanted: bool,
    /// Receives whose last completion has not come. While there are any, buffers may be written.
    receives_armed: u32,
    /// Sends submitted since the last turn. Emptied by [`settle`](Self::settle).
    flights: Vec<Option<Flight>>,
    /// Places in the table of registered files; 0 where there is none.
    places: u32,
    /// Entries into it submitted since the last turn.
    entering: Vec<Entering>,
    spare_headers: Headers,
    /// Somebody waits for a first attempt to be decided, which shows only when an enter returns: the
    /// next one must not sleep.
    hurry: bool,
    /// Connections to arm once there are buffers.
    starved: VecDeque<Key>,
    starvations: u64,
    /// Dropped streams whose last send is not done, by when they are cut.
    lingering: VecDeque<(Instant, Key)>,
    skip_success: bool,
    /// Other cores are rung by messages.
    messages: bool,
    /// Rung by other threads; none before the loop runs.
    bell: Option<OwnedFd>,
    now: Instant,
    completions: Vec<cqueue::Entry>,
    wakes: Vec<Waker>,
    retired: Vec<Retired>,
}

impl Inner {
    fn new(conns_max: u32, sizes: Sizes, wanted: RingOptions) -> io::Result<(Self, Features, Vec<String>)> {
        let (uring, setup, mut notes) = Uring::new(sizes.submissions, sizes.completions, wanted)?;
        let mut features = probe::probe(setup, wanted)?;
        let options = features.options;
        // Who takes submissions late cannot have it known at the end of a turn what the table holds.
        let places = if uring.is_polled() { 0 } else { files::make_table(uring.ring(), conns_max) };
        features.registered_files = places > 0;
        notes.extend(features.missing(wanted).map(|name| format!("no {name}")));
        fs::bound_workers(uring.ring());
        let small = BufRing::new(uring.ring(), 0, sizes.small, SMALL_BYTES)?;
        let large = BufRing::new(uring.ring(), 1, sizes.large, LARGE_BYTES)?;
        let inner = Self {
            uring,
            conns: Slots::new(conns_max),
            listeners: Slots::new(LISTENERS_MAX),
            singles: Slots::new(SINGLES_MAX),
            file_ops: Slots::new(fs::FILE_OPS_MAX),
            pipes: Pipes::default(),
            zero_copies: Slots::new(zero_copy::SLOTS_MAX),
            zero_copy_bytes: 0,
            zero_copy_from: options.zero_copy_from.unwrap_or(usize::MAX),
            small,
            large,
            large_wanted: false,
            receives_armed: 0,
            flights: Vec::new(),
            places,
            entering: Vec::new(),
            spare_headers: Vec::new(),
            hurry: false,
            starved: VecDeque::new(),
            starvations: 0,
            lingering: VecDeque::new(),
            skip_success: features.skip_success,
            messages: options.message_doorbells,
            bell: None,
            now: Instant::now(),
            completions: Vec::new(),
            wakes: Vec::new(),
            retired: Vec::new(),
        };
        Ok((inner, features, notes))
    }

    /// Takes over a connected socket. Nothing is received before the first
    /// [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    /// Hands the descriptor back when the slab is full.
    fn add_conn(&mut self, fd: OwnedFd) -> Result<Key, OwnedFd> {
        self.conns.insert(Conn::new(fd)).map_err(|conn| conn.fd)
    }

    /// Hands over what was submitted, sleeps as `wait` allows, and takes in all completions.
    fn turn(&mut self, wait: Wait, now: Instant) {
        self.now = now;
        self.feed();
        if !self.lingering.is_empty() {
            self.cut_lingering(now);
        }
        let wait = self.shorten(wait, now);
        let mut completions = std::mem::take(&mut self.completions);
        let all = self.uring.turn(wait, &mut completions);
        for completion in completions.drain(..) {
            self.dispatch(&completion);
        }
        self.completions = completions;
        if all {
            self.settle();
            self.settle_files();
        }
    }

    /// Wakes up in time for what the executor's wheel does not know of.
    fn shorten(&self, wait: Wait, now: Instant) -> Wait {
        if self.hurry {
            return Wait::No;
        }
        let mut cap = None;
        if !self.flights.is_empty() {
            cap = Some(SETTLE_NAP);
        } else if !self.starved.is_empty() {
            cap = Some(STARVED_NAP);
        } else if let Some((deadline, _)) = self.lingering.front() {
            cap = Some(deadline.saturating_duration_since(now));
        }
        match (wait, cap) {
            (Wait::Forever, Some(cap)) => Wait::AtMost(cap),
            (Wait::AtMost(time), Some(cap)) => Wait::AtMost(time.min(cap)),
            (wait, _) => wait,
        }
    }

    fn dispatch(&mut self, completion: &cqueue::Entry) {
        let token = Token::from_bits(completion.user_data());
        let result = completion.result();
        match token.kind {
            Kind::Recv | Kind::RecvBulk => self.on_recv(token, completion),
            Kind::SendTry => self.on_send_try(token.key, result),
            Kind::SendRest => self.on_send_rest(token.key, result),
            Kind::Accept => self.on_accept(token.key, result, cqueue::more(completion.flags())),
            Kind::Hangup => self.on_hangup(token.key, result),
            Kind::Single => self.on_single(token.key, result),
            Kind::File => self.on_file(token.key, result),
            Kind::EnterFile => self.on_enter_file(token.key, result),
            Kind::Doorbell => self.on_doorbell(completion),
            Kind::ZeroCopy => self.on_zero_copy(token.key, completion),
            Kind::Message => on_undelivered(token.key),
            Kind::Rung => {}
            // Failures of cancels and closes: what they aimed at was gone already.
            Kind::Detached => {}
        }
    }

    /// See [`Ring::finish`].
    fn finish(&mut self) {
        // A message sent from here on could fail when nobody is left to ring otherwise.
        self.messages = false;
        for key in self.conns.keys() {
            // An error means that the peer was faster.
            let _gone = self.shutdown(key, Shutdown::Both);
            self.close(key, self.now);
        }
        for key in self.listeners.keys() {
            self.remove_listener(key);
        }
        for key in self.singles.keys() {
            self.drop_single(key);
        }
        for key in self.file_ops.keys() {
            self.drop_file(key);
        }
        let until = Instant::now() + TEARDOWN_MAX;
        while self.lends_memory() && Instant::now() < until {
            self.turn(Wait::AtMost(Duration::from_millis(10)), Instant::now());
        }
        // The closes of the last round.
        self.turn(Wait::No, Instant::now());
        if self.lends_memory() {
            self.leak();
        }
    }

    /// Gives up what the kernel may still read or write, without freeing it.
    fn leak(&mut self) {
        if self.receives_armed > 0 {
            self.small.leak();
            self.large.leak();
        }
        std::mem::forget(std::mem::take(&mut self.flights));
        std::mem::forget(std::mem::take(&mut self.entering));
        std::mem::forget(std::mem::replace(&mut self.conns, Slots::new(0)));
        std::mem::forget(std::mem::replace(&mut self.file_ops, Slots::new(0)));
        std::mem::forget(std::mem::replace(&mut self.zero_copies, Slots::new(0)));
    }

    /// True while the kernel may read or write memory of ours.
    fn lends_memory(&self) -> bool {
        let sending =
            |key: &Key| self.conns.get(*key).is_some_and(|conn| !matches!(conn.sending, Sending::Idle));
        self.receives_armed > 0
            || !self.entering.is_empty()
            || self.file_ops.len() > 0
            || self.zero_copies.len() > 0
            || self.flights.iter().any(Option::is_some)
            || self.conns.keys().iter().any(sending)
    }
}

/// One core's driver, shared by everything on that core that does I/O.
pub(crate) struct Ring {
    inner: RefCell<Inner>,
    /// Leases lent to the kernel for receives to come, as of the last turn.
    lent: Cell<usize>,
    features: Features,
    /// What better was tried and is not to be had here.
    notes: Vec<String>,
}

impl Ring {
    /// A ring for at most `conns_max` connections, to be used by the calling thread only.
    ///
    /// # Errors
    /// What the kernel says when io_uring, multishot receive or provided-buffer rings are missing
    /// or forbidden.
    pub(crate) fn new(conns_max: u32, wanted: RingOptions) -> io::Result<Rc<Self>> {
        Self::with_sizes(conns_max, Sizes::default(), wanted)
    }

    fn with_sizes(conns_max: u32, sizes: Sizes, wanted: RingOptions) -> io::Result<Rc<Self>> {
        let (inner, features, notes) = Inner::new(conns_max, sizes, wanted)?;
        Ok(Rc::new(Self { inner: RefCell::new(inner), lent: Cell::new(0), features, notes }))
    }

    /// What was found when the ring was made.
    pub(crate) fn features(&self) -> Features {
        self.features
    }

    /// What better was tried and is not to be had here, best first.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// One turn: see the module docs. Wakes tasks; runs none.
    pub(crate) fn turn(&self, wait: Wait, now: Instant) {
        let lent = self.with(|inner| {
            inner.turn(wait, now);
            inner.small.lent() + inner.large.lent()
        });
        self.lent.set(lent);
    }

    /// Leases that are with the kernel and not in anybody's hands.
    pub(crate) fn lent(&self) -> usize {
        self.lent.get()
    }

    /// Runs `f` on the state, then does what it left to do without a borrow.
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.borrow_mut();
        let result = f(&mut inner);
        let idle = inner.wakes.is_empty() && inner.retired.is_empty();
        drop(inner);
        if !idle {
            self.release();
        }
        result
    }

    /// Wakes and drops what was put aside. Either may call back and put aside more.
    fn release(&self) {
        loop {
            let (mut wakes, mut retired) = {
                let mut inner = self.inner.borrow_mut();
                (std::mem::take(&mut inner.wakes), std::mem::take(&mut inner.retired))
            };
            for waker in wakes.drain(..) {
                waker.wake();
            }
            retired.clear();
            let mut inner = self.inner.borrow_mut();
            if inner.wakes.is_empty() && inner.retired.is_empty() {
                // Keep the allocations.
                inner.wakes = wakes;
                inner.retired = retired;
                return;
            }
        }
    }
}

impl Ring {
    /// Ends every operation and waits until no memory is with the kernel, a second at most; what
    /// is left by then is leaked.
    pub(crate) fn finish(&self) {
        self.with(Inner::finish);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.finish();
    }
}
