//! Bodies that are parts of a file: sent by the kernel, or read by who asks for chunks.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use corelane_runtime::buf::{Chunk, LEASE_LARGE, Lease, LocalBoxFuture};
use corelane_runtime::fs::File;

use super::BodyError;

/// One piece of the body.
pub(crate) enum Part {
    /// Bytes at hand: what stands between two ranges.
    Bytes(Chunk),
    /// Bytes of the file.
    Range { offset: u64, len: u64 },
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Part::Bytes(chunk) => chunk.len() as u64,
            Part::Range { len, .. } => *len,
        }
    }
}

/// Ranges of one file, with bytes in between.
pub(crate) struct FileBody {
    file: Rc<File>,
    /// What is left, in order.
    parts: VecDeque<Part>,
    /// Invariant: the length of all of `parts`.
    len: u64,
    /// A read of the range in front, for somebody who takes chunks.
    reading: Option<LocalBoxFuture<'static, io::Result<Lease>>>,
}

impl FileBody {
    pub(crate) fn new(file: Rc<File>, parts: impl IntoIterator<Item = Part>) -> FileBody {
        let parts: VecDeque<Part> = parts.into_iter().filter(|part| part.len() > 0).collect();
        // Parts are ranges of a file, whose length is under `i64::MAX`, and text: only many of them would not add up.
        let len = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.len()));
        FileBody { file, parts, len, reading: None }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn file(&self) -> &Rc<File> {
        &self.file
    }

    /// The next piece, for the connection, which has the kernel send it.
    pub(crate) fn next_part(&mut self) -> Option<Part> {
        self.reading = None;
        let part = self.parts.pop_front()?;
        self.len -= part.len();
        Some(part)
    }

    /// The next chunk, read into a lease: for middleware that looks at the bytes, and for tests.
    ///
    /// A file that ends before its range does is an error, as its length was promised.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        let (offset, left) = match self.parts.front() {
            None => return Poll::Ready(None),
            Some(Part::Range { offset, len }) => (*offset, *len),
            Some(Part::Bytes(_)) => {
                let Some(Part::Bytes(chunk)) = self.next_part() else { unreachable!("just seen") };
                return Poll::Ready(Some(Ok(chunk)));
            }
        };
        let reading = self.reading.get_or_insert_with(|| {
            let file = Rc::clone(&self.file);
            let max = usize::try_from(left).unwrap_or(usize::MAX).min(LEASE_LARGE);
            LocalBoxFuture::new(async move { file.read_at(offset, max).await })
        });
        let read = ready!(std::pin::Pin::new(reading).poll(cx));
        self.reading = None;
        let lease = match read {
            Ok(lease) if lease.is_empty() => {
                return Poll::Ready(Some(Err(BodyError::source(io::Error::from(
                    io::ErrorKind::UnexpectedEof,
                )))));
            }
            Ok(lease) => lease,
            Err(error) => return Poll::Ready(Some(Err(BodyError::source(error)))),
        };
        let got = lease.len() as u64;
        self.len -= got;
        match self.parts.front_mut() {
            Some(Part::Range { offset, len }) if *len > got => {
                *offset += got;
                *len -= got;
            }
            _ => {
                self.parts.pop_front();
            }
        }
        Poll::Ready(Some(Ok(Chunk::from(lease))))
    }
}
