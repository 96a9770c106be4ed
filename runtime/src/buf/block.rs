//! Small blocks of memory, recycled per thread by size.
//!
//! A connection that boxes a future per request would otherwise allocate and free per request.
//! Blocks that come back are kept in a list per size class and given out again, without asking the
//! allocator, as long as the list is short. Blocks never change thread: the boxes are `!Send`.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Block sizes kept, in bytes. Larger ones go to the allocator each time.
const SIZES: [usize; 8] = [64, 128, 256, 512, 1024, 2048, 4096, 8192];
/// Alignment of every kept block.
const ALIGN: usize = 16;
/// Bytes of free blocks kept per class: as many as the boxes a busy core has at once.
const KEPT_BYTES_MAX: usize = 256 * 1024;

const _: () =
    assert!(size_of::<Free>() <= SIZES[0] && align_of::<Free>() <= ALIGN, "a free block holds its link");

/// What a free block begins with: the next one of its class.
struct Free {
    next: Option<NonNull<Free>>,
}

/// The free blocks of one class, the last one that came back first: it is the likeliest to be in the cache.
struct Class {
    first: Cell<Option<NonNull<Free>>>,
    kept: Cell<usize>,
}

impl Class {
    const fn new() -> Class {
        Class { first: Cell::new(None), kept: Cell::new(0) }
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<Free>> {
        let block = self.first.get()?;
        // SAFETY: only `push` puts blocks here, with their link written.
        self.first.set(unsafe { block.as_ref() }.next);
        self.kept.set(self.kept.get() - 1);
        Some(block)
    }

    /// # Safety
    /// The block is ours alone and has the layout of this class.
    #[inline]
    unsafe fn push(&self, block: NonNull<Free>) {
        // SAFETY: the caller's promise; a link fits the smallest class.
        unsafe { block.write(Free { next: self.first.get() }) };
        self.first.set(Some(block));
        self.kept.set(self.kept.get() + 1);
    }
}

struct Blocks([Class; SIZES.len()]);

impl Drop for Blocks {
    fn drop(&mut self) {
        for (class, blocks) in self.0.iter().enumerate() {
            while let Some(block) = blocks.pop() {
                // SAFETY: only `give_back` puts blocks here, and they have the class's layout.
                unsafe { dealloc(block.as_ptr().cast(), layout(class)) };
            }
        }
    }
}

thread_local! {
    static BLOCKS: Blocks = const { Blocks([const { Class::new() }; SIZES.len()]) };
}

const fn layout(class: usize) -> Layout {
    match Layout::from_size_align(SIZES[class], ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    }
}

/// Where blocks for a `T` come from: decided when it is compiled.
struct ClassOf<T>(PhantomData<T>);

impl<T> ClassOf<T> {
    /// `None` if its size or its alignment is none that is kept.
    const CLASS: Option<usize> = {
        let wanted = Layout::new::<T>();
        let mut class = 0;
        while class < SIZES.len() && SIZES[class] < wanted.size() {
            class += 1;
        }
        if class < SIZES.len() && wanted.align() <= ALIGN { Some(class) } else { None }
    };

    /// What is asked of the allocator.
    const LAYOUT: Layout = match Self::CLASS {
        Some(class) => layout(class),
        None => Layout::new::<T>(),
    };
}

/// Memory for a `T`. Callers have no use for one of size zero.
#[inline]
pub(super) fn take<T>() -> NonNull<T> {
    if let Some(class) = ClassOf::<T>::CLASS
        && let Ok(Some(block)) = BLOCKS.try_with(|blocks| blocks.0[class].pop())
    {
        return block.cast();
    }
    fresh(ClassOf::<T>::LAYOUT).cast()
}

#[cold]
fn fresh(layout: Layout) -> NonNull<u8> {
    debug_assert!(layout.size() > 0, "callers hold something");
    // SAFETY: the layout's size is not zero: classes have none of zero, and callers hold something.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives back what [`take`] gave for the same type.
///
/// # Safety
/// `block` came from `take::<T>()`, on this thread, and is not used any more.
#[inline]
pub(super) unsafe fn give_back<T>(block: NonNull<T>) {
    if let Some(class) = ClassOf::<T>::CLASS {
        let kept = BLOCKS.try_with(|blocks| {
            let blocks = &blocks.0[class];
            let keep = blocks.kept.get() < KEPT_BYTES_MAX / SIZES[class];
            if keep {
                // SAFETY: the caller's promise; blocks of a class have its layout, whether fresh or recycled.
                unsafe { blocks.push(block.cast()) };
            }
            keep
        });
        if kept == Ok(true) {
            return;
        }
    }
    // SAFETY: `take` allocated it with this very layout.
    unsafe { free(block.cast(), ClassOf::<T>::LAYOUT) };
}

/// # Safety
/// As [`dealloc`].
#[cold]
unsafe fn free(block: NonNull<u8>, layout: Layout) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(block.as_ptr(), layout) };
}

/// A box whose memory comes from a per-core list: making one per request allocates nothing in steady state.
///
/// It cannot leave the core it was made on.
///
/// ```
/// use corelane_runtime::buf::LocalBox;
///
/// let mut word = LocalBox::new(String::from("box"));
/// word.push_str("ed");
/// assert_eq!(LocalBox::into_inner(word), "boxed");
/// ```
pub struct LocalBox<T> {
    value: NonNull<T>,
    /// Blocks stay on their thread, and the value is owned.
    owns: PhantomData<*const T>,
}

impl<T> LocalBox<T> {
    const NOT_ZERO_SIZED: () = assert!(size_of::<T>() > 0, "a zero-sized value needs no block");

    /// Boxes `value`, which is not of size zero.
    #[inline]
    pub fn new(value: T) -> LocalBox<T> {
        let () = Self::NOT_ZERO_SIZED;
        let block = take::<T>();
        // SAFETY: the block is large and aligned enough for a `T`, and ours.
        unsafe { block.write(value) };
        LocalBox { value: block, owns: PhantomData }
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
        LocalBox { value, owns: PhantomData }
    }

    /// The value, out of its box.
    #[inline]
    pub fn into_inner(this: LocalBox<T>) -> T {
        let block = LocalBox::into_raw(this);
        // SAFETY: the block holds a value that nobody else drops: the box is gone.
        let value = unsafe { block.read() };
        // SAFETY: it came from `take` in `new` on this thread (`!Send`), and its value was moved out.
        unsafe { give_back(block) };
        value
    }
}

impl<T> Deref for LocalBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the block holds a value for as long as the box lives.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for LocalBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the block holds a value for as long as the box lives, and the box is its only
        // owner.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for LocalBox<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the value is dropped once, here; its block came from `take` on this thread.
        unsafe {
            self.value.drop_in_place();
            give_back(self.value);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for LocalBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
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
        let kept = BLOCKS.with(|blocks| blocks.0[7].kept.get());
        assert_eq!(kept, KEPT_BYTES_MAX / 8192);
    }
}
