//! Buffers: leases from a per-core pool, frozen views of them, and what sockets send.
//!
//! A [`Lease`] is a buffer of one of three sizes, owned by whoever holds it. It may travel to
//! another thread; its memory is then freed there and only a counter of the home pool changes.
//! [`Lease::freeze`] makes a [`View`], which is cheap to clone and slice on its core.
//! [`Chunk`] is anything a socket can send. [`LocalBoxFuture`] is a boxed future whose box is
//! recycled per core.
//!
//! ```
//! use corelane_runtime::buf::{Chunk, Lease};
//!
//! let mut lease = Lease::take(100)?;
//! lease.extend_from_slice(b"GET / HTTP/1.1")?;
//! lease.advance(4);
//! assert_eq!(&lease[..], b"/ HTTP/1.1");
//!
//! let view = lease.freeze();
//! let version = view.slice(2..);
//! assert_eq!(&version[..], b"HTTP/1.1");
//! let chunk = Chunk::from(version);
//! assert_eq!(chunk.len(), 8);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod block;
mod chunk;
mod lease;
mod local_box;
mod pool;
mod view;

pub use self::block::LocalBox;
pub use self::chunk::{Chunk, Chunks};
pub use self::lease::{Lease, LeaseFull};
pub use self::local_box::LocalBoxFuture;
pub use self::pool::{PoolExhausted, PoolStats, pool_stats};
pub use self::view::View;

pub(crate) use self::batch::Batch;
pub(crate) use self::pool::{leases_out, set_bytes_max, trim};

/// Capacity of a lease large enough for most request heads, in bytes.
pub const LEASE_SMALL: usize = 4 * 1024;
/// Capacity of a lease large enough for the longest head accepted by default, in bytes.
pub const LEASE_MEDIUM: usize = 16 * 1024;
/// Capacity of the largest lease, in bytes: for bodies.
pub const LEASE_LARGE: usize = 64 * 1024;
