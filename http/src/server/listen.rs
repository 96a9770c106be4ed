//! The listeners of a server: one socket per core on the same address (`SO_REUSEPORT`).

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use corelane_runtime::CoreId;
use corelane_runtime::net::{self, ListenOptions};

use super::ServerError;

/// Listening sockets made on the starting thread, each waiting for its core.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) address: SocketAddr,
    waiting: Arc<Mutex<Vec<Option<TcpListener>>>>,
}

impl Listeners {
    /// The listener of `core`. Each is taken once, by its core.
    pub(super) fn take(&self, core: CoreId) -> TcpListener {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting[core.index()].take().expect("a core takes its listener once")
    }
}

/// Binds `count` sockets to `address`. Made before any core starts, so that an address that cannot be had is an
/// error of `start` and not of a core.
///
/// # Errors
/// The address is in use or not ours. A socket without `SO_REUSEPORT` is tried first: with it alone the kernel
/// would let a second process of the same user share the port, and half the connections would go astray.
pub(super) fn listeners(address: SocketAddr, count: usize) -> Result<Listeners, ServerError> {
    if address.port() != 0 {
        drop(
            net::listen_std(address, &ListenOptions { reuse_port: false, ..ListenOptions::default() })
                .map_err(|error| ServerError::listen(address, error))?,
        );
    }
    let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let mut address = address;
    let mut waiting = Vec::with_capacity(count);
    for _ in 0..count {
        let listener =
            net::listen_std(address, &options).map_err(|error| ServerError::listen(address, error))?;
        address = listener.local_addr().map_err(|error| ServerError::listen(address, error))?;
        waiting.push(Some(listener));
    }
    Ok(Listeners { address, waiting: Arc::new(Mutex::new(waiting)) })
}
