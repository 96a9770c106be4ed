//! What crosses threads: the few primitives that everything else in this crate is built on.
//!
//! They import atomics and cells from here, never from `std`, so that under `--cfg loom` the same
//! source runs in loom's model checker, which tries every interleaving:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p corelane-runtime --lib loom
//! ```
//!
//! Nothing here knows of cores, drivers or tasks beyond a [`Waker`](std::task::Waker): that keeps
//! the models small enough to be searched to the end.

pub(crate) mod doorbell;
pub(crate) mod reply;
pub(crate) mod waker_slot;

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

#[cfg(not(loom))]
pub(crate) use self::native::UnsafeCell;
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

#[cfg(not(loom))]
mod native {
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
