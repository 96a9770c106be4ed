//! Learning that a peer has gone, without reading.
//!
//! monoio can wait for readable or writable, and both fire for other reasons. So each core has an
//! epoll instance of its own that watches only for the end of connections, and waits for that
//! instance to become readable. A connection is added the first time somebody asks, and the kernel
//! takes it out when it is closed.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

use rustix::event::epoll;
use slab::Slab;

use super::kick::{borrow, pollable};
use crate::executor::spawn;
use crate::net::SocketState;

/// Ends looked at in one go.
const BATCH: usize = 64;

/// The connections of a core that are watched for their end.
#[derive(Default)]
pub(crate) struct Watch {
    inner: OnceCell<Rc<Inner>>,
}

struct Inner {
    epoll: OwnedFd,
    /// Weak: a closed connection must not stay for its watch. The number tells a slot's tenants
    /// apart, since an event of the last one may still be on its way.
    watched: RefCell<Slab<(u32, Weak<SocketState>)>>,
    tenant: std::cell::Cell<u32>,
}

impl Watch {
    /// Watches a connection until it ends or [`forget`](Self::forget) is called with the key that
    /// is returned.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, state: &Rc<SocketState>) -> io::Result<usize> {
        let inner = match self.inner.get() {
            Some(inner) => inner,
            None => {
                let inner = start()?;
                self.inner.get_or_init(|| inner)
            }
        };
        let tenant = inner.tenant.get().wrapping_add(1);
        inner.tenant.set(tenant);
        let key = inner.watched.borrow_mut().insert((tenant, Rc::downgrade(state)));
        let data = epoll::EventData::new_u64(u64::from(tenant) << 32 | key as u64);
        let flags = epoll::EventFlags::RDHUP | epoll::EventFlags::ONESHOT;
        if let Err(error) = epoll::add(&inner.epoll, fd, data, flags) {
            inner.watched.borrow_mut().remove(key);
            return Err(error.into());
        }
        Ok(key)
    }

    /// Forgets a connection that is being closed.
    pub(crate) fn forget(&self, key: usize) {
        if let Some(inner) = self.inner.get() {
            inner.watched.borrow_mut().remove(key);
        }
    }
}

fn start() -> io::Result<Rc<Inner>> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let stream = pollable(epoll.try_clone()?)?;
    let inner = Rc::new(Inner { epoll, watched: RefCell::new(Slab::new()), tenant: std::cell::Cell::new(0) });
    let watching = Rc::downgrade(&inner);
    drop(spawn(async move {
        loop {
            if let Err(error) = stream.readable(false).await {
                return tracing::error!(%error, "the watch for closed connections is blind");
            }
            let Some(inner) = watching.upgrade() else { return };
            inner.report(borrow(&stream));
        }
    }));
    Ok(inner)
}

impl Inner {
    /// Tells the connections that have ended.
    fn report(&self, epoll: BorrowedFd<'_>) {
        let mut events = Vec::with_capacity(BATCH);
        loop {
            events.clear();
            let zero = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
            let waited = epoll::wait(epoll.as_fd(), rustix::buffer::spare_capacity(&mut events), Some(&zero));
            if waited.is_err() || events.is_empty() {
                return;
            }
            for event in &events {
                let data = event.data.u64();
                #[allow(clippy::cast_possible_truncation, reason = "the lower half, which `add` put there")]
                let key = data as u32 as usize;
                let state = match self.watched.borrow().get(key) {
                    Some((tenant, state)) if u64::from(*tenant) == data >> 32 => state.upgrade(),
                    _ => None,
                };
                if let Some(state) = state {
                    state.peer_closed();
                }
            }
        }
    }
}
