//! What crosses threads: the few primitives that everything else in this crate is built on.
//!
//! They import atomics and cells from here, never from `std`, so that under `--cfg loom` the same
//! source runs in loom's model checker, which tries every interleaving, or, where a model says so, every
//! one with a bounded number of preemptions:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p corelane-runtime --lib loom
//! ```
//!
//! Nothing here knows of cores, drivers or tasks beyond a [`Waker`](std::task::Waker): that keeps
//! the models small enough to be searched to the end.

pub(crate) mod doorbell;
pub(crate) mod reply;
pub(crate) mod waker_slot;

#[cfg(loom)]
use self::model as primitives;
#[cfg(not(loom))]
use self::native as primitives;

pub(crate) use self::primitives::{Arc, AtomicBool, AtomicU8, AtomicU64, Ordering, UnsafeCell};

#[cfg(loom)]
mod model {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
}

#[cfg(not(loom))]
mod native {
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

    /// [`std::cell::UnsafeCell`] with loom's closure API, which lets the model see where an access
    /// begins and ends.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Hands a pointer for exclusive use to `f`. Making the pointer is safe, using it is not:
        /// the caller proves that nobody else reads or writes meanwhile.
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
