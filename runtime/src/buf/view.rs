//! A frozen lease, shared on its core.

#![allow(clippy::cast_possible_truncation, reason = "offsets are at most 64 KiB, the largest lease")]

use std::cell::Cell;
use std::fmt;
use std::ops::{Bound, Deref, RangeBounds};
use std::ptr::NonNull;

use bytes::Bytes;

use super::block::LocalBox;
use super::lease::Lease;

/// What the views of one lease share.
struct Shared {
    lease: Lease,
    /// Views alive. Invariant: at least one while any view points here.
    views: Cell<u32>,
}

/// Some bytes of a frozen lease. Clones and slices share the lease without atomics, which is why a
/// view cannot leave its core; [`into_bytes`](Self::into_bytes) makes something that can.
pub struct View {
    shared: NonNull<Shared>,
    /// Offset into the lease's bytes. Invariant: `start <= end <= lease.len()`.
    start: u32,
    end: u32,
}

impl View {
    pub(super) fn from_lease(lease: Lease) -> View {
        let end = lease.len() as u32;
        let shared = LocalBox::new(Shared { lease, views: Cell::new(1) });
        View { shared: LocalBox::into_raw(shared), start: 0, end }
    }

    #[inline]
    fn shared(&self) -> &Shared {
        // SAFETY: the block lives until its last view is dropped, and `self` is one of them.
        unsafe { self.shared.as_ref() }
    }

    /// A view of a part, in bytes from the start of this one. Costs a counter.
    ///
    /// # Panics
    /// If the range does not lie inside.
    #[inline]
    #[track_caller]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> View {
        let start = match range.start_bound() {
            Bound::Included(&n) => n,
            Bound::Excluded(&n) => n + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&n) => n + 1,
            Bound::Excluded(&n) => n,
            Bound::Unbounded => self.len(),
        };
        assert!(start <= end && end <= self.len(), "range {start}..{end} of {} bytes", self.len());
        let mut view = self.clone();
        view.end = self.start + end as u32;
        view.start += start as u32;
        view
    }

    /// Drops `n` bytes from the front.
    ///
    /// # Panics
    /// If fewer are left.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "advance by {n} in {} bytes", self.len());
        self.start += n as u32;
    }

    /// Makes it free to leave the core. No copy if this is the only view of its lease; a copy of
    /// just these bytes otherwise.
    pub fn into_bytes(self) -> Bytes {
        if self.shared().views.get() != 1 {
            return Bytes::copy_from_slice(&self);
        }
        let (start, end) = (self.start as usize, self.end as usize);
        // SAFETY: `self` is the only view and its destructor does not run, so this is the last use
        // of the block and it came from `into_raw`.
        let shared = unsafe { LocalBox::from_raw(self.shared) };
        std::mem::forget(self);
        let lease = LocalBox::into_inner(shared).lease;
        Bytes::from(lease).slice(start..end)
    }
}

impl Clone for View {
    #[inline]
    fn clone(&self) -> View {
        let views = &self.shared().views;
        // Every view takes memory, so the count cannot wrap before the address space is full; a
        // forgotten view (`mem::forget`) can, and must not free the lease early.
        views.set(views.get().checked_add(1).expect("fewer than 2^32 views of one lease"));
        View { shared: self.shared, start: self.start, end: self.end }
    }
}

impl Drop for View {
    #[inline]
    fn drop(&mut self) {
        let views = &self.shared().views;
        debug_assert!(views.get() > 0, "a live view is counted");
        views.set(views.get() - 1);
        if views.get() == 0 {
            // SAFETY: this was the last view; the block came from `into_raw`.
            drop(unsafe { LocalBox::from_raw(self.shared) });
        }
    }
}

impl Deref for View {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let (start, end) = (self.start as usize, self.end as usize);
        let lease: &[u8] = &self.shared().lease;
        debug_assert!(start <= end && end <= lease.len(), "the invariant of a view");
        // SAFETY: that invariant: `from_lease`, `slice` and `advance` check it, and a shared lease never changes.
        unsafe { lease.get_unchecked(start..end) }
    }
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<View> for Bytes {
    fn from(view: View) -> Bytes {
        view.into_bytes()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("len", &self.len()).finish()
    }
}
