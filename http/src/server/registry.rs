//! The connections of one core: how many are open, what each is there for, and which may be closed when draining.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Poll, Waker};

use corelane_runtime::CoreId;
use corelane_runtime::net::{CloseHandle, Shutdown};
use slab::Slab;

use super::status::{Activity, Status};

/// One core's open connections.
pub(crate) struct Registry {
    open: RefCell<Slab<Entry>>,
    /// How many of `open` are there only to be told that the core is full.
    refused: Cell<usize>,
    rest: Cell<Rest>,
    /// Who waits for a place: the accept loops; or the drain, for the last connection to go.
    freed: RefCell<Vec<Waker>>,
    /// Where this core's load is told, unless nobody asks.
    load: Option<(Status, CoreId)>,
}

/// Which connections may wait for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rest {
    /// All: the core serves.
    All,
    /// It drains, and those that were at rest may send one more.
    OneMore,
    /// It drains, and those of which no byte has come yet may send their first.
    First,
    /// None.
    None,
}

struct Entry {
    close: CloseHandle,
    state: State,
}

/// What a connection is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not a byte of it has come.
    Fresh,
    /// It waits for a request of which no byte has come.
    Idle,
    /// TLS or the PROXY protocol come first.
    Handshake,
    Request,
    /// Its answer is sent piece by piece.
    Stream,
    Upgrade,
    /// To be told that the core is full.
    Refused,
}

/// A connection's place in the registry; dropping it gives the place back.
pub(crate) struct Ticket {
    registry: Rc<Registry>,
    key: usize,
}

impl Registry {
    pub(crate) fn new() -> Rc<Registry> {
        Registry::reporting(None)
    }

    /// One that tells its load.
    pub(super) fn reporting(load: Option<(Status, CoreId)>) -> Rc<Registry> {
        Rc::new(Registry {
            open: RefCell::new(Slab::new()),
            refused: Cell::new(0),
            rest: Cell::new(Rest::All),
            freed: RefCell::new(Vec::new()),
            load,
        })
    }

    /// Takes a place for a connection; for one that is to be refused, none of those that are counted. Whoever lets it in has counted
    /// it to the core's load.
    pub(crate) fn enter(self: &Rc<Registry>, close: CloseHandle, state: State) -> Ticket {
        let key = self.open.borrow_mut().insert(Entry { close, state });
        self.refused.set(self.refused.get() + usize::from(state == State::Refused));
        Ticket { registry: self.clone(), key }
    }

    fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Connections that are being refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.get()
    }

    /// Connections that are served.
    pub(crate) fn served(&self) -> usize {
        self.len() - self.refused()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.rest.get() != Rest::All
    }

    /// Drains, or goes on draining: from now on every answer says `Connection: close`, and connections that may not
    /// rest are ended: the shut receive side completes their pending receive with an end of stream.
    pub(super) fn drain(&self, rest: Rest) {
        self.rest.set(rest);
        for (_, entry) in self.open.borrow().iter() {
            let may_rest = match entry.state {
                State::Idle => rest <= Rest::OneMore,
                State::Fresh => rest <= Rest::First,
                _ => true,
            };
            if !may_rest {
                // Fails only for a peer that is gone already, whose connection ends by itself.
                let _ = entry.close.shutdown(Shutdown::Read);
            }
        }
        self.wake();
    }

    /// Ends every connection in both directions. Their tasks go on until they notice.
    pub(crate) fn cut(&self) {
        for (_, entry) in self.open.borrow().iter() {
            // Fails only for a peer that is gone already.
            let _ = entry.close.shutdown(Shutdown::Both);
        }
    }

    /// What the connections are there for.
    pub(super) fn count(&self) -> Activity {
        let mut counted = Activity::default();
        for (_, entry) in self.open.borrow().iter() {
            match entry.state {
                State::Fresh | State::Idle => counted.idle += 1,
                State::Handshake => counted.handshakes += 1,
                State::Request | State::Refused => counted.requests += 1,
                State::Stream => counted.streams += 1,
                State::Upgrade => counted.upgrades += 1,
            }
        }
        counted
    }

    /// Waits until fewer than `count` connections are open, or the core drains.
    pub(super) async fn room(&self, count: usize) {
        self.wait(|| self.len() < count || self.is_draining()).await;
    }

    /// Waits until no connection is open.
    pub(super) async fn empty(&self) {
        self.wait(|| self.len() == 0).await;
    }

    async fn wait(&self, is_so: impl Fn() -> bool) {
        std::future::poll_fn(|cx| {
            if is_so() {
                return Poll::Ready(());
            }
            let mut freed = self.freed.borrow_mut();
            if !freed.iter().any(|waker| waker.will_wake(cx.waker())) {
                freed.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn wake(&self) {
        for waker in self.freed.take() {
            waker.wake();
        }
    }
}

impl Ticket {
    /// Says what the connection is there for; a drain tells it.
    pub(crate) fn set(&self, state: State) {
        self.registry.open.borrow_mut()[self.key].state = state;
    }

    /// Says that the connection is at rest: a drain may end it. False if it has to end now.
    pub(crate) fn rest(&self) -> bool {
        let mut open = self.registry.open.borrow_mut();
        let state = &mut open[self.key].state;
        if *state != State::Fresh {
            *state = State::Idle;
        }
        match self.registry.rest.get() {
            Rest::All | Rest::OneMore => true,
            Rest::First => *state == State::Fresh,
            Rest::None => false,
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.registry.is_draining()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let registry = &self.registry;
        let entry = registry.open.borrow_mut().remove(self.key);
        if entry.state == State::Refused {
            registry.refused.set(registry.refused.get() - 1);
        }
        if let Some((status, core)) = &registry.load {
            status.gone(*core);
        }
        registry.wake();
    }
}
