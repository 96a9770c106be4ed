//! A stream in two halves, for protocols that receive and send at the same time.

use std::io;
use std::time::{Duration, Instant};

use super::stream::{Io, Stream};
use super::{PeerAddr, Shutdown};
#[cfg(feature = "tls")]
use crate::buf::LocalBoxFuture;
use crate::buf::{Chunk, Chunks, Lease};

impl Stream {
    /// Divides the stream, so that one task can receive while another sends. The connection is closed when
    /// both halves are dropped; a half that is dropped alone does not end its direction: for that there is
    /// [`SendHalf::shutdown`].
    ///
    /// Costs a second descriptor for as long as the halves live. A deadline or a stall that was set on the
    /// stream stays with the half that it concerns.
    ///
    /// ```
    /// use corelane_runtime::{self as runtime, net};
    ///
    /// runtime::block_on(async {
    ///     let (client, mut server) = net::duplex(16);
    ///     let (mut answers, mut questions) = client.split()?;
    ///     // More than the pair holds: the send goes on while the answers are received.
    ///     let asking = runtime::spawn(async move { questions.send(vec![b'?'; 100]).await });
    ///     let echo = runtime::spawn(async move {
    ///         loop {
    ///             let bytes = server.recv().await?;
    ///             if bytes.is_empty() {
    ///                 return std::io::Result::Ok(());
    ///             }
    ///             server.send(bytes).await?;
    ///         }
    ///     });
    ///     let mut got = 0;
    ///     while got < 100 {
    ///         let bytes = answers.recv().await?;
    ///         assert!(!bytes.is_empty(), "the server goes on");
    ///         got += bytes.len();
    ///     }
    ///     asking.await.expect("no panic")?;
    ///     drop(answers);
    ///     echo.await.expect("no panic")
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// If there is no descriptor or no room for a second one; the connection is closed then.
    pub fn split(self) -> io::Result<(RecvHalf, SendHalf)> {
        let twin = self.twin()?;
        Ok((RecvHalf { stream: self }, SendHalf { stream: twin }))
    }

    /// Waits until the kernel has taken all that was sent.
    async fn sent(&mut self) -> io::Result<()> {
        if self.state.broken.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match &mut self.io {
            Io::Socket(socket) => socket.sent().await,
            Io::Memory(_) => Ok(()),
            #[cfg(feature = "tls")]
            Io::Tls(side) => LocalBoxFuture::new(side.under.sent()).await,
        }
    }

    /// A second stream over the same connection, with this one's stall.
    pub(crate) fn twin(&self) -> io::Result<Stream> {
        let twin = match &self.io {
            Io::Socket(socket) => Stream::adopt(socket.fd().try_clone_to_owned()?, self.peer_addr())?,
            Io::Memory(end) => Stream::memory(end.twin()),
            #[cfg(feature = "tls")]
            Io::Tls(side) => Stream::secured(side.twin()?),
        };
        twin.set_send_stall(self.state.stall());
        Ok(twin)
    }
}

/// The receiving half of a [split](Stream::split) stream.
#[derive(Debug)]
pub struct RecvHalf {
    stream: Stream,
}

impl RecvHalf {
    /// As [`Stream::recv`], cancellation included.
    ///
    /// # Errors
    /// As [`Stream::recv`].
    pub async fn recv(&mut self) -> io::Result<Lease> {
        self.stream.recv().await
    }

    /// As [`Stream::set_recv_deadline`].
    pub fn set_recv_deadline(&self, deadline: Option<Instant>) {
        self.stream.set_recv_deadline(deadline);
    }

    /// Puts the stream together again, once what `other` has been given is on its way.
    ///
    /// # Errors
    /// If a send of `other` has failed; the connection is closed then.
    ///
    /// `other` has to be the half of the same stream.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection.
    pub async fn rejoin(self, mut other: SendHalf) -> io::Result<Stream> {
        other.stream.sent().await?;
        Ok(self.stream)
    }

    /// As [`Stream::shutdown`]: it acts on the connection, so on the other half too.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the peer is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }

    /// Who is at the other end.
    pub fn peer_addr(&self) -> PeerAddr {
        self.stream.peer_addr()
    }
}

/// The sending half of a [split](Stream::split) stream.
#[derive(Debug)]
pub struct SendHalf {
    stream: Stream,
}

impl SendHalf {
    /// As [`Stream::send`], cancellation included.
    ///
    /// # Errors
    /// As [`Stream::send`].
    pub fn send(&mut self, chunk: impl Into<Chunk>) -> impl Future<Output = io::Result<()>> {
        self.stream.send(chunk)
    }

    /// As [`Stream::send_vectored`], cancellation included.
    ///
    /// # Errors
    /// As [`Stream::send_vectored`].
    pub fn send_vectored(&mut self, chunks: Chunks) -> impl Future<Output = io::Result<()>> {
        self.stream.send_vectored(chunks)
    }

    /// As [`Stream::end`], cancellation included.
    ///
    /// # Errors
    /// As [`Stream::end`].
    pub async fn end(&mut self) -> io::Result<()> {
        self.stream.end().await
    }

    /// As [`Stream::set_send_stall`].
    pub fn set_send_stall(&self, stall: Option<Duration>) {
        self.stream.set_send_stall(stall);
    }

    /// As [`Stream::shutdown`]: it acts on the connection, so on the other half too.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the peer is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}
