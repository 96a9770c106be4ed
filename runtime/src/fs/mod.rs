//! Files, read and written without making the core wait.
//!
//! On the ring driver each operation is one of io_uring; on the others a job of the
//! [`blocking`](crate::blocking) pool. A [`File`] names offsets and has no position, so several
//! tasks may use one at a time. [`Stream::send_file`](crate::net::Stream::send_file) sends one
//! without a copy through memory of the process.
//!
//! ```
//! use corelane_runtime::{self as runtime, fs};
//!
//! # let path = std::env::temp_dir().join(format!("corelane-doc-fs-{}", std::process::id()));
//! runtime::block_on(async {
//!     let file = fs::OpenOptions::new().read(true).write(true).create(true).open(&path).await?;
//!     file.write_at(0, "hello, disk").await?;
//!     file.sync_data().await?;
//!     assert_eq!(file.metadata().await?.len(), 11);
//!     assert_eq!(&file.read_at(7, 100).await?[..], b"disk");
//!     assert!(file.read_at(11, 100).await?.is_empty(), "the end of the file");
//!     std::io::Result::Ok(())
//! })?;
//! # std::fs::remove_file(&path)?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Bounds
//!
//! On the ring driver 4096 operations may be in flight on a core, worked on by at most 32 kernel
//! threads of each of two kinds; more fail with `ENOBUFS`. On the others the bounds of the pool
//! hold, and what it refuses fails with [`ResourceBusy`](std::io::ErrorKind::ResourceBusy). No
//! operation here has a deadline of its own: a disk answers or fails. Put a
//! [`timeout`](crate::time::timeout) around one on a file system that may not.
//!
//! # Cancellation
//!
//! Every future here may be dropped at any time. The operation is cancelled where it can be; its
//! path, buffer or room for the answer stays with the driver until it has ended, and a file that
//! was opened meanwhile is closed. What a dropped write has written is not known.

mod file;
mod metadata;
mod options;

pub use self::file::File;
pub use self::metadata::Metadata;
pub use self::options::OpenOptions;
