//! The connections of one core: how many are open, and which may be closed at once when draining.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use corelane_runtime::net::{CloseHandle, Shutdown};
use slab::Slab;

/// One core's open connections.
pub(crate) struct Registry {
    open: RefCell<Slab<Entry>>,
    /// How many of `open` are there only to be told that the core is full.
    refused: Cell<usize>,
    draining: Cell<bool>,
    /// Wakes the accept loop when a place is free, and the drain when the last connection is gone.
    freed: RefCell<Option<std::task::Waker>>,
}

struct Entry {
    close: CloseHandle,
    /// True while the connection waits for a request of which no byte has come.
    idle: bool,
    refused: bool,
}

/// A connection's place in the registry; dropping it gives the place back.
pub(crate) struct Ticket {
    registry: Rc<Registry>,
    key: usize,
}

impl Registry {
    pub(crate) fn new() -> Rc<Registry> {
        Rc::new(Registry {
            open: RefCell::new(Slab::new()),
            refused: Cell::new(0),
            draining: Cell::new(false),
            freed: RefCell::new(None),
        })
    }

    /// Takes a place for a connection; for one that is to be refused, none of those that are counted.
    pub(crate) fn enter(self: &Rc<Registry>, close: CloseHandle, refused: bool) -> Ticket {
        let key = self.open.borrow_mut().insert(Entry { close, idle: false, refused });
        self.refused.set(self.refused.get() + usize::from(refused));
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
        self.draining.get()
    }

    /// From now on every answer says `Connection: close`, and connections at rest are ended: the shut receive
    /// side completes their pending receive with an end of stream.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for (_, entry) in self.open.borrow().iter() {
            if entry.idle {
                // Fails only for a peer that is gone already, whose connection ends by itself.
                let _ = entry.close.shutdown(Shutdown::Read);
            }
        }
    }

    /// Ends every connection in both directions. Their tasks go on until they notice.
    pub(crate) fn cut(&self) {
        for (_, entry) in self.open.borrow().iter() {
            // Fails only for a peer that is gone already.
            let _ = entry.close.shutdown(Shutdown::Both);
        }
    }

    /// Waits until fewer than `count` connections are open. One waiter at a time: the accept loop.
    pub(crate) async fn below(&self, count: usize) {
        std::future::poll_fn(|cx| {
            if self.len() < count {
                return std::task::Poll::Ready(());
            }
            *self.freed.borrow_mut() = Some(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}

impl Ticket {
    /// Says whether the connection is at rest; a drain ends those at once.
    pub(crate) fn set_idle(&self, idle: bool) {
        self.registry.open.borrow_mut()[self.key].idle = idle;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.registry.is_draining()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let registry = &self.registry;
        let entry = registry.open.borrow_mut().remove(self.key);
        registry.refused.set(registry.refused.get() - usize::from(entry.refused));
        if let Some(waker) = self.registry.freed.borrow_mut().take() {
            waker.wake();
        }
    }
}
