//! One connection of the load generator.

use std::fmt;
use std::io;
use std::time::Duration;

use corelane_runtime::net::Stream;
use corelane_runtime::time;

use super::{Errors, Options};
use crate::answer::{Checker, Mismatch};

/// Why a connection ended before the run did.
#[derive(Debug)]
pub(super) enum Fault {
    Connect,
    Closed,
    Io(io::Error),
    Wrong(Mismatch),
}

impl Fault {
    pub(super) fn count(&self, errors: &mut Errors) {
        let kind = match self {
            Self::Connect => &mut errors.connect,
            Self::Closed => &mut errors.closed,
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => &mut errors.timeout,
            Self::Io(_) => &mut errors.io,
            Self::Wrong(_) => &mut errors.wrong,
        };
        *kind += 1;
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => out.write_str("a connection could not be made"),
            Self::Closed => out.write_str("the server closed a connection"),
            Self::Io(error) => error.fmt(out),
            Self::Wrong(mismatch) => mismatch.fmt(out),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A connection and what it has received of an answer.
#[derive(Debug)]
pub(super) struct Client {
    stream: Stream,
    checker: Checker,
    /// The beginning of an answer, cut off by the end of a receive. Invariant: no whole answer.
    cut: Vec<u8>,
    timeout: Duration,
}

impl Client {
    pub(super) async fn connect(options: &Options) -> Result<Self, Fault> {
        let connected = time::timeout(options.timeout, Stream::connect(options.address)).await;
        let stream = connected.ok().and_then(Result::ok).ok_or(Fault::Connect)?;
        Ok(Self { stream, checker: options.ask.checker(), cut: Vec::new(), timeout: options.timeout })
    }

    /// Sends `batch`, which holds `count` requests, and receives their answers. `answered` is told how many came with
    /// each receive.
    pub(super) async fn exchange(
        &mut self,
        batch: &'static [u8],
        count: usize,
        answered: impl Fn(usize),
    ) -> Result<(), Fault> {
        self.stream.set_recv_deadline(Some(time::now() + self.timeout));
        self.stream.send(batch).await?;
        let mut missing = count;
        while missing > 0 {
            let received = self.stream.recv().await?;
            if received.is_empty() {
                return Err(Fault::Closed);
            }
            let answers = self.take(&received).map_err(Fault::Wrong)?;
            // More answers than requests: the connection is not in step any more.
            missing = missing.checked_sub(answers).ok_or(Fault::Wrong(Mismatch::Malformed))?;
            answered(answers);
        }
        Ok(())
    }

    /// Checks the answers that `received` completes. Nothing is copied unless an answer is cut.
    fn take(&mut self, received: &[u8]) -> Result<usize, Mismatch> {
        if self.cut.is_empty() {
            let taken = self.checker.take(received)?;
            self.cut.extend_from_slice(&received[taken.bytes..]);
            return Ok(taken.answers);
        }
        self.cut.extend_from_slice(received);
        let taken = self.checker.take(&self.cut)?;
        self.cut.drain(..taken.bytes);
        Ok(taken.answers)
    }
}
