//! JSON, serialised into a buffer of the core.

use std::io;

use corelane_runtime::buf::{Chunk, LEASE_LARGE, LEASE_SMALL, Lease};
use serde::Serialize;

use super::IntoResponse;
use crate::extract::Json;
use crate::problem::Problem;
use crate::response::Response;

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json_response(&self.0, "content-type: application/json\r\n")
    }
}

/// `value` as JSON, or 500 if it cannot be serialised: a map with keys that are no strings, a failing `Serialize`.
pub(crate) fn json_response<T: Serialize + ?Sized>(value: &T, lines: &'static str) -> Response {
    let mut out = Out::new();
    match serde_json::to_writer(&mut out, value) {
        Ok(()) => Response::with_static_headers(out.into_chunk(), lines),
        Err(error) => {
            tracing::error!(%error, "a response could not be serialised to JSON");
            Problem::internal().into_response()
        }
    }
}

/// Takes bytes into a lease, into a larger one when it is full, and to the heap when there is none.
enum Out {
    Lease(Lease),
    Heap(Vec<u8>),
}

impl Out {
    fn new() -> Out {
        Lease::take(LEASE_SMALL).map_or_else(|_| Out::Heap(Vec::with_capacity(LEASE_SMALL)), Out::Lease)
    }

    /// Moves what there is to where `more` bytes fit behind it.
    #[cold]
    fn grow(&mut self, more: usize) {
        let Out::Lease(full) = self else { return };
        // Four times as much, which is the next class, so that growing copies little.
        let wanted = (full.len() + more).max(full.capacity() * 4);
        *self = match larger(wanted, full) {
            Some(lease) => Out::Lease(lease),
            None => {
                let mut heap = Vec::with_capacity(wanted);
                heap.extend_from_slice(full);
                Out::Heap(heap)
            }
        };
    }

    fn into_chunk(self) -> Chunk {
        match self {
            Out::Lease(lease) => Chunk::from(lease),
            Out::Heap(heap) => Chunk::from(heap),
        }
    }
}

/// A lease of `wanted` bytes that begins with `start`, if there is one.
fn larger(wanted: usize, start: &[u8]) -> Option<Lease> {
    if wanted > LEASE_LARGE {
        return None;
    }
    let mut lease = Lease::take(wanted).ok()?;
    lease.extend_from_slice(start).ok()?;
    Some(lease)
}

impl io::Write for Out {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Out::Lease(lease) = self {
            if lease.extend_from_slice(bytes).is_ok() {
                return Ok(());
            }
            self.grow(bytes.len());
        }
        match self {
            Out::Lease(lease) => lease.extend_from_slice(bytes)?,
            Out::Heap(heap) => heap.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
