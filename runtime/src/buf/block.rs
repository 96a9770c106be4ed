//! Small blocks of memory, recycled per thread by size.
//!
//! A connection that boxes a future per request would otherwise allocate and free per request.
//! Blocks that come back are kept in a list per size class and given out again, without asking the
//! allocator, as long as the list is short. Blocks never change thread: the boxes are `!Send`.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Block sizes kept, in bytes. Larger ones go to the allocator each time.
const SIZES: [usize; 8] = [64, 128, 256, 512, 1024, 2048, 4096, 8192];
/// Alignment of every kept block.
const ALIGN: usize = 16;
/// Bytes of free blocks kept per class: as many as the boxes a busy core has at once.
const KEPT_BYTES_MAX: usize = 256 * 1024;

struct Blocks([Vec<NonNull<u8>>; SIZES.len()]);

impl Drop for Blocks {
    fn drop(&mut self) {
        for (class, blocks) in self.0.iter_mut().enumerate() {
            for block in blocks.drain(..) {
                // SAFETY: only `give_back` puts blocks here, and they have the class's layout.
                unsafe { dealloc(block.as_ptr(), layout(class)) };
            }
        }
    }
}

thread_local! {
    static BLOCKS: RefCell<Blocks> = const { RefCell::new(Blocks([const { Vec::new() }; SIZES.len()])) };
}

fn layout(class: usize) -> Layout {
    match Layout::from_size_align(SIZES[class], ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!("sizes are small and the alignment is a power of two"),
    }
}

/// The class for this layout, or `None` if it is not one we keep.
#[inline]
fn class_of(wanted: Layout) -> Option<usize> {
    if wanted.align() > ALIGN {
        return None;
    }
    SIZES.iter().position(|&size| wanted.size() <= size)
}

/// Memory for `wanted`, which may be larger than asked for.
pub(super) fn take(wanted: Layout) -> NonNull<u8> {
    let class = class_of(wanted);
    if let Some(class) = class {
        let kept = BLOCKS.try_with(|blocks| blocks.borrow_mut().0[class].pop());
        if let Ok(Some(block)) = kept {
            return block;
        }
    }
    let layout = class.map_or(wanted, layout);
    debug_assert!(layout.size() > 0, "callers hold something");
    // SAFETY: the layout's size is not zero: classes have none of zero, and callers hold something.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives back what [`take`] gave for the same layout.
///
/// # Safety
/// `block` came from `take(wanted)`, on this thread, and is not used any more.
pub(super) unsafe fn give_back(block: NonNull<u8>, wanted: Layout) {
    let Some(class) = class_of(wanted) else {
        // SAFETY: `take` allocated it with this very layout.
        unsafe { dealloc(block.as_ptr(), wanted) };
        return;
    };
    let kept = BLOCKS.try_with(|blocks| {
        let list = &mut blocks.borrow_mut().0[class];
        let keep = (list.len() + 1) * SIZES[class] <= KEPT_BYTES_MAX;
        if keep {
            list.push(block);
        }
        keep
    });
    if kept != Ok(true) {
        // SAFETY: blocks of a class have the class's layout, whether fresh or recycled.
        unsafe { dealloc(block.as_ptr(), layout(class)) };
    }
}

/// A box in a recycled block.
pub(crate) struct LocalBox<T> {
    value: NonNull<T>,
    /// Blocks stay on their thread.
    not_send: PhantomData<*const T>,
}

impl<T> LocalBox<T> {
    const NOT_ZERO_SIZED: () = assert!(size_of::<T>() > 0, "a zero-sized value needs no block");

    pub(crate) fn new(value: T) -> LocalBox<T> {
        let () = Self::NOT_ZERO_SIZED;
        let block = take(Layout::new::<T>()).cast::<T>();
        // SAFETY: the block is large and aligned enough for a `T`, and ours.
        unsafe { block.write(value) };
        LocalBox { value: block, not_send: PhantomData }
    }

    /// The pointer, to be given to [`from_raw`](Self::from_raw) once.
    pub(super) fn into_raw(this: LocalBox<T>) -> NonNull<T> {
        let value = this.value;
        std::mem::forget(this);
        value
    }

    /// # Safety
    /// `value` came from [`into_raw`](Self::into_raw) on this thread, and is given back once.
    pub(super) unsafe fn from_raw(value: NonNull<T>) -> LocalBox<T> {
        LocalBox { value, not_send: PhantomData }
    }

    pub(crate) fn into_inner(this: LocalBox<T>) -> T {
        let block = LocalBox::into_raw(this);
        // SAFETY: the block holds a value that nobody else drops: the box is gone.
        let value = unsafe { block.read() };
        // SAFETY: it came from `take` in `new` on this thread (`!Send`), and its value was moved out.
        unsafe { give_back(block.cast(), Layout::new::<T>()) };
        value
    }
}

impl<T> Deref for LocalBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the block holds a value for as long as the box lives.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for LocalBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the block holds a value for as long as the box lives, and the box is its only
        // owner.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for LocalBox<T> {
    fn drop(&mut self) {
        // SAFETY: the value is dropped once, here; its block came from `take` on this thread.
        unsafe {
            self.value.drop_in_place();
            give_back(self.value.cast(), Layout::new::<T>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_came_back_is_given_out_again() {
        let first = LocalBox::new([1u8; 100]);
        let address = first.value;
        drop(first);
        let second = LocalBox::new([2u64; 15]);
        assert_eq!(second.value.cast::<u8>(), address.cast::<u8>(), "same class, same block");
        assert_eq!(LocalBox::into_inner(second), [2u64; 15]);
    }

    #[test]
    fn sizes_and_alignments_we_do_not_keep_go_to_the_allocator() {
        #[repr(align(64))]
        struct Aligned([u8; 64]);
        let aligned = LocalBox::new(Aligned([3; 64]));
        assert_eq!(aligned.value.as_ptr() as usize % 64, 0);
        assert_eq!(aligned.0[63], 3);
        let large = LocalBox::new([4u8; 10_000]);
        assert_eq!(large[9_999], 4);
    }

    #[test]
    fn the_list_is_bounded() {
        let boxes: Vec<_> = (0..100).map(|_| LocalBox::new([0u8; 8192])).collect();
        drop(boxes);
        let kept = BLOCKS.with(|blocks| blocks.borrow().0[7].len());
        assert_eq!(kept, KEPT_BYTES_MAX / 8192);
    }
}
