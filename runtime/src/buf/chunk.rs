//! What a socket sends.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Lease, View};

/// Bytes to send, owned in whichever way the caller has them. None of the conversions copies.
pub enum Chunk {
    /// A buffer from the pool.
    Lease(Lease),
    /// Part of a frozen buffer of this core.
    View(View),
    /// Shared bytes.
    Bytes(Bytes),
    /// Bytes that live as long as the program.
    Static(&'static [u8]),
    /// Heap bytes.
    Vec(Vec<u8>),
}

/// Chunks for one vectored send; up to four without an allocation.
pub type Chunks = SmallVec<[Chunk; 4]>;

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Chunk::Lease(lease) => lease,
            Chunk::View(view) => view,
            Chunk::Bytes(bytes) => bytes,
            Chunk::Static(bytes) => bytes,
            Chunk::Vec(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Chunk::Lease(_) => "Lease",
            Chunk::View(_) => "View",
            Chunk::Bytes(_) => "Bytes",
            Chunk::Static(_) => "Static",
            Chunk::Vec(_) => "Vec",
        };
        f.debug_struct("Chunk").field("kind", &kind).field("len", &self.len()).finish()
    }
}

impl From<Lease> for Chunk {
    fn from(lease: Lease) -> Chunk {
        Chunk::Lease(lease)
    }
}

impl From<View> for Chunk {
    fn from(view: View) -> Chunk {
        Chunk::View(view)
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Chunk {
        Chunk::Bytes(bytes)
    }
}

impl From<&'static [u8]> for Chunk {
    fn from(bytes: &'static [u8]) -> Chunk {
        Chunk::Static(bytes)
    }
}

impl<const N: usize> From<&'static [u8; N]> for Chunk {
    fn from(bytes: &'static [u8; N]) -> Chunk {
        Chunk::Static(bytes)
    }
}

impl From<&'static str> for Chunk {
    fn from(text: &'static str) -> Chunk {
        Chunk::Static(text.as_bytes())
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        Chunk::Vec(bytes)
    }
}

impl From<String> for Chunk {
    fn from(text: String) -> Chunk {
        Chunk::Vec(text.into_bytes())
    }
}
