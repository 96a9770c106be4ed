//! A boxed future of any type, in a recycled block.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::block;

/// A future of any type behind one pointer, like `Pin<Box<dyn Future>>`, but its memory comes from
/// a per-core list: boxing one per request allocates nothing in steady state.
///
/// It cannot leave the core it was made on.
///
/// ```
/// use corelane_runtime::buf::LocalBoxFuture;
///
/// let word = String::from("boxed");
/// let future: LocalBoxFuture<'_, usize> = LocalBoxFuture::new(async { word.len() });
/// assert_eq!(corelane_runtime::block_on(future), 5);
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct LocalBoxFuture<'a, T> {
    /// `None` once it was ready: the future is dropped, and its block is back.
    future: Option<NonNull<u8>>,
    shape: &'a Shape<T>,
    /// Owns a future that may borrow for `'a`, and stays on its core.
    owns: PhantomData<(*const (), dyn Future<Output = T> + 'a)>,
}

/// What is known of a future whose type is forgotten.
struct Shape<T> {
    /// Polls it. When it is ready, it is dropped and the place is left empty.
    poll: unsafe fn(&mut Option<NonNull<u8>>, &mut Context<'_>) -> Poll<T>,
    /// Drops it and gives its block back.
    drop: unsafe fn(NonNull<u8>),
    bytes: usize,
}

struct ShapeOf<F>(PhantomData<F>);

impl<F: Future> ShapeOf<F> {
    const SHAPE: Shape<F::Output> = Shape { poll: Self::poll, drop: Self::drop, bytes: size_of::<F>() };

    /// # Safety
    /// `place` holds what `LocalBoxFuture::new` has made of an `F`.
    unsafe fn poll(place: &mut Option<NonNull<u8>>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = *place else { polled_too_often() };
        // SAFETY: the caller's promise: a live `F`, which is not moved before it is dropped.
        let polled = unsafe { Pin::new_unchecked(future.cast::<F>().as_mut()).poll(cx) };
        if polled.is_ready() {
            *place = None;
            // SAFETY: it is live, and nothing points to it any more.
            unsafe { Self::drop(future) };
        }
        polled
    }

    /// # Safety
    /// `future` points to a live `F` in a block that [`block::take`] gave for it on this thread; neither is used
    /// afterwards.
    #[inline(always)]
    unsafe fn drop(future: NonNull<u8>) {
        /// Gives the block back even if the destructor panics.
        struct Block<F>(NonNull<F>);
        impl<F> Drop for Block<F> {
            fn drop(&mut self) {
                if size_of::<F>() > 0 {
                    // SAFETY: it is the block that was taken for an `F`, and the future in it is gone.
                    unsafe { block::give_back(self.0) };
                }
            }
        }
        let block = Block(future.cast::<F>());
        // SAFETY: the caller's promise.
        unsafe { block.0.drop_in_place() };
    }
}

#[cold]
fn polled_too_often() -> ! {
    panic!("a future was polled after it was ready")
}

impl<'a, T> LocalBoxFuture<'a, T> {
    /// Boxes `future`.
    #[inline]
    pub fn new<F: Future<Output = T> + 'a>(future: F) -> LocalBoxFuture<'a, T> {
        // A zero-sized future needs no block, only a well-aligned address.
        let place = if size_of::<F>() == 0 { NonNull::<F>::dangling() } else { block::take::<F>() };
        // SAFETY: the place is large and aligned enough for an `F`, and ours.
        unsafe { place.write(future) };
        LocalBoxFuture { future: Some(place.cast()), shape: &ShapeOf::<F>::SHAPE, owns: PhantomData }
    }
}

impl<T> Future for LocalBoxFuture<'_, T> {
    type Output = T;

    /// # Panics
    /// If it was ready before.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: `new` has put the shape and the future together.
        unsafe { (self.shape.poll)(&mut self.future, cx) }
    }
}

// The box may move; the future in its block does not.
impl<T> Unpin for LocalBoxFuture<'_, T> {}

impl<T> Drop for LocalBoxFuture<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            // SAFETY: it was not ready, so it is live; `new` took its block on this thread (the box is `!Send`).
            unsafe { (self.shape.drop)(future) };
        }
    }
}

impl<T> fmt::Debug for LocalBoxFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBoxFuture").field("bytes", &self.shape.bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;

    fn poll<T>(future: &mut LocalBoxFuture<'_, T>) -> Poll<T> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn drops_what_it_holds_once_whether_finished_or_not() {
        struct Count(Rc<Cell<u32>>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        for finish in [true, false] {
            let drops = Rc::new(Cell::new(0));
            let count = Count(Rc::clone(&drops));
            let mut future = LocalBoxFuture::new(async move {
                let _count = count;
                if !finish {
                    std::future::pending::<()>().await;
                }
            });
            assert_eq!(poll(&mut future).is_ready(), finish);
            drop(future);
            assert_eq!(drops.get(), 1);
        }
    }

    #[test]
    #[should_panic(expected = "polled after it was ready")]
    fn a_future_that_was_ready_is_gone() {
        let mut future = LocalBoxFuture::new(std::future::ready(1));
        assert_eq!(poll(&mut future), Poll::Ready(1));
        let _ = poll(&mut future);
    }

    #[test]
    fn zero_sized_and_borrowing_futures() {
        assert_eq!(poll(&mut LocalBoxFuture::new(std::future::pending::<u8>())), Poll::Pending);
        let word = String::from("abc");
        assert_eq!(poll(&mut LocalBoxFuture::new(async { word.len() })), Poll::Ready(3));
    }
}
