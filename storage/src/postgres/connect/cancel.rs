//! Cancelling what a connection is doing, from outside it.

use std::rc::Rc;

use corelane_runtime::time;

use super::transport::{self, Tls};
use super::{Address, Target};
use crate::postgres::config::Host;
use crate::postgres::error::{Cause, Kind, PgError};

/// The code that stands in the place of a protocol version.
const CANCEL_REQUEST: u32 = 80_877_102;

/// What it takes to cancel a connection's statement.
#[derive(Clone)]
pub(in crate::postgres) struct CancelToken {
    inner: Rc<Inner>,
}

struct Inner {
    target: Rc<Target>,
    host: Host,
    address: Address,
    is_encrypted: bool,
    process_id: i32,
    secret_key: Vec<u8>,
}

impl CancelToken {
    pub(super) fn new(
        target: Rc<Target>,
        host: Host,
        address: Address,
        is_encrypted: bool,
        process_id: i32,
        secret_key: Vec<u8>,
    ) -> CancelToken {
        CancelToken { inner: Rc::new(Inner { target, host, address, is_encrypted, process_id, secret_key }) }
    }

    /// Asks the server, over a connection of its own that is encrypted as the first one is, to cancel what that one is doing. The
    /// server says nothing to it
    /// ([Canceling Requests](https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS)): whether it did is
    /// seen on the first connection, where the statement ends, with 57014 if it was in time. It may hit the statement after the one
    /// that was meant.
    ///
    /// # Errors
    /// If the request cannot be brought to the server within `connect_timeout`.
    ///
    /// # Cancellation
    /// May be dropped at any time; the request may have reached the server.
    pub(in crate::postgres) async fn cancel(&self) -> Result<(), PgError> {
        if self.inner.secret_key.is_empty() {
            return Err(PgError::new(Kind::Misuse("the server gave no key to cancel with")));
        }
        let limit = self.inner.target.config().connect_timeout;
        match time::timeout(limit, self.request()).await {
            Ok(result) => result.map_err(|cause| PgError::new(Kind::Unavailable(cause))),
            Err(_) => Err(PgError::new(Kind::Unavailable(Cause::ConnectTimeout(limit)))),
        }
    }

    async fn request(&self) -> Result<(), Cause> {
        let Inner { target, host, address, is_encrypted, process_id, secret_key } = &*self.inner;
        let stream = transport::connect(address).await.map_err(Cause::io)?;
        let tls = if *is_encrypted { Tls::Needed } else { Tls::Off };
        let secured = target.encryption.secure(stream, target.config(), host, tls).await;
        let mut stream = secured.map_err(|failure| failure.cause)?;
        let length = u32::try_from(12 + secret_key.len()).unwrap_or(u32::MAX);
        let mut message = Vec::with_capacity(12 + secret_key.len());
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(&CANCEL_REQUEST.to_be_bytes());
        message.extend_from_slice(&process_id.to_be_bytes());
        message.extend_from_slice(secret_key);
        stream.send(message).await.map_err(Cause::io)?;
        // It closes once it has told the other process. How it closes is of no interest.
        let _closed = stream.recv().await;
        Ok(())
    }
}
