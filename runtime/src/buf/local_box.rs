//! A boxed future of any type, in a recycled block.

use std::alloc::Layout;
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
    future: NonNull<u8>,
    poll: unsafe fn(NonNull<u8>, &mut Context<'_>) -> Poll<T>,
    shape: &'static Shape,
    /// Owns a future that may borrow for `'a`, and stays on its core.
    owns: PhantomData<(*const (), dyn Future<Output = T> + 'a)>,
}

/// How to get rid of a future whose type is forgotten.
struct Shape {
    drop: unsafe fn(NonNull<u8>),
    layout: Layout,
}

struct ShapeOf<F>(PhantomData<F>);

impl<F: Future> ShapeOf<F> {
    const SHAPE: Shape = Shape { drop: Self::drop, layout: Layout::new::<F>() };

    /// # Safety
    /// `future` points to a live `F` that is never moved.
    unsafe fn poll(future: NonNull<u8>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the caller's promise.
        unsafe { Pin::new_unchecked(future.cast::<F>().as_mut()).poll(cx) }
    }

    /// # Safety
    /// `future` points to a live `F`, which is not used afterwards.
    unsafe fn drop(future: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { future.cast::<F>().drop_in_place() }
    }
}

impl<'a, T> LocalBoxFuture<'a, T> {
    /// Boxes `future`.
    pub fn new<F: Future<Output = T> + 'a>(future: F) -> LocalBoxFuture<'a, T> {
        let shape = &ShapeOf::<F>::SHAPE;
        let place = match shape.layout.size() {
            // A zero-sized future needs no block, only a well-aligned address.
            0 => NonNull::<F>::dangling(),
            _ => block::take(shape.layout).cast::<F>(),
        };
        // SAFETY: the place is large and aligned enough for an `F`, and ours.
        unsafe { place.write(future) };
        LocalBoxFuture { future: place.cast(), poll: ShapeOf::<F>::poll, shape, owns: PhantomData }
    }
}

impl<T> Future for LocalBoxFuture<'_, T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: the block holds a live future of the type `poll` is for until `self` is dropped.
        unsafe { (self.poll)(self.future, cx) }
    }
}

// The box may move; the future in its block does not.
impl<T> Unpin for LocalBoxFuture<'_, T> {}

impl<T> Drop for LocalBoxFuture<'_, T> {
    fn drop(&mut self) {
        /// Gives the block back even if the destructor panics.
        struct Block(NonNull<u8>, Layout);
        impl Drop for Block {
            fn drop(&mut self) {
                if self.1.size() > 0 {
                    // SAFETY: `new` took the block for this layout on this thread (the box is
                    // `!Send`), and the future in it is gone.
                    unsafe { block::give_back(self.0, self.1) };
                }
            }
        }
        let _block = Block(self.future, self.shape.layout);
        // SAFETY: the block holds a live future, dropped once, here.
        unsafe { (self.shape.drop)(self.future) };
    }
}

impl<T> fmt::Debug for LocalBoxFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBoxFuture").field("bytes", &self.shape.layout.size()).finish()
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
    fn zero_sized_and_borrowing_futures() {
        assert_eq!(poll(&mut LocalBoxFuture::new(std::future::pending::<u8>())), Poll::Pending);
        let word = String::from("abc");
        assert_eq!(poll(&mut LocalBoxFuture::new(async { word.len() })), Poll::Ready(3));
    }
}
