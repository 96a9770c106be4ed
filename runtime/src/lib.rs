//! One pinned thread and one ring per core, nothing shared between them on the hot path.
//!
//! This crate runs futures that need not be `Send`, gives them timers, buffers and sockets, and
//! carries work between cores. A core is a thread with an executor, a deadline wheel, a mailbox
//! for other threads, a buffer pool and a driver that does I/O and sleeps. It promises that
//!
//! * nothing here allocates, locks or touches memory another core writes while a connection
//!   receives and sends in steady state;
//! * a panic in a task ends that task and is counted, the core goes on;
//! * a buffer lent to the kernel belongs to the driver until the completion arrives, so dropping
//!   any future here at any await frees nothing the kernel may still write to;
//! * every queue, pool and wait has a bound or a deadline, named where it is set.
//!
//! It does not parse, route or log requests; it knows no protocol above TCP and Unix sockets.
//! It does not balance work: a task stays on the core that spawned it. It resolves no names. TLS is behind the feature `tls`. It runs
//! on Linux only.
//! Drivers are a closed set behind `driver` (private): nothing of monoio or io-uring shows in a
//! public signature, so that a driver can be added or replaced without a change above it.
//!
//! ```
//! use corelane_runtime as runtime;
//! use std::time::Duration;
//!
//! let answer = runtime::block_on(async {
//!     let worker = runtime::spawn(async {
//!         runtime::time::sleep(Duration::from_millis(1)).await;
//!         42
//!     });
//!     worker.await.expect("the task neither panicked nor was aborted")
//! });
//! assert_eq!(answer, 42);
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

#[cfg(not(target_os = "linux"))]
compile_error!("corelane-runtime runs on Linux only: its drivers use io_uring, epoll, eventfd and timerfd");

pub mod blocking;
pub mod buf;
mod counters;
pub mod descriptors;
mod driver;
mod executor;
pub mod fs;
pub mod handover;
mod launch;
pub(crate) mod mailbox;
pub mod mesh;
pub mod net;
pub mod observe;
pub mod shutdown;
pub mod signal;
pub mod stats;
mod sync;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;

pub use crate::driver::DriverKind;
pub use crate::executor::{JoinError, JoinHandle, core_count, core_id, spawn, try_core_id, yield_now};
pub use crate::launch::{
    Builder, CoreId, DriverChoice, Handle, Heartbeat, RingFlags, RingOptions, Runtime, RuntimeInfo, block_on,
};
