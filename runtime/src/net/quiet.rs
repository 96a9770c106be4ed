//! Whether a stream that nobody reads from has anything to say.

use super::stream::{Io, Stream};

impl Stream {
    /// True if the peer has neither sent anything that was not received nor closed, as far as this machine knows. Takes no
    /// bytes. What a client asks of a connection that it has kept, before it uses it again.
    ///
    /// Costs no system call where the kernel was asked already to tell, as our own ring's driver does for streams that
    /// carry messages; else one.
    ///
    /// ```
    /// use corelane_runtime::{self as runtime, net};
    ///
    /// runtime::block_on(async {
    ///     let (mut left, mut right) = net::duplex(64);
    ///     assert!(left.is_quiet());
    ///     right.send("unasked").await?;
    ///     assert!(!left.is_quiet());
    ///     assert_eq!(&left.recv().await?[..], b"unasked");
    ///     drop(right);
    ///     assert!(!left.is_quiet());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_quiet(&mut self) -> bool {
        match &mut self.io {
            Io::Socket(socket) => socket.is_quiet(),
            Io::Memory(end) => end.is_quiet(),
            #[cfg(feature = "tls")]
            Io::Tls(side) => {
                use std::pin::pin;
                use std::task::{Context, Waker};

                // Messages of TLS itself, such as tickets, may have come and are dealt with here; no byte is lost by the drop.
                let quiet = pin!(side.recv()).poll(&mut Context::from_waker(Waker::noop())).is_pending();
                quiet && side.under.is_quiet()
            }
        }
    }
}
