//! Handing a connection over after a 101.

use std::fmt;
use std::pin::Pin;

use corelane_runtime::buf::Lease;
use corelane_runtime::net::Stream;

/// A connection that speaks another protocol from here on.
pub struct Upgraded {
    /// The socket. Its receive deadline is taken off: how long to wait is now the new protocol's choice. A send still
    /// fails after the server's `write_stall` without progress.
    pub stream: Stream,
    /// Bytes that came behind the request's head, the new protocol's first. `None` if there were none.
    pub unread: Option<Lease>,
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unread = self.unread.as_ref().map_or(0, |lease| lease.len());
        f.debug_struct("Upgraded").field("unread", &unread).finish_non_exhaustive()
    }
}

type Serve = Pin<Box<dyn Future<Output = ()>>>;

/// What [`Response::upgrade`](super::Response::upgrade) was given.
pub(crate) struct OnUpgrade(Box<dyn FnOnce(Upgraded) -> Serve>);

impl OnUpgrade {
    pub(super) fn new<F, Fut>(serve: F) -> OnUpgrade
    where
        F: FnOnce(Upgraded) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        OnUpgrade(Box::new(move |upgraded| Box::pin(serve(upgraded))))
    }

    /// Serves the new protocol to its end.
    pub(crate) fn serve(self, upgraded: Upgraded) -> impl Future<Output = ()> {
        (self.0)(upgraded)
    }
}
