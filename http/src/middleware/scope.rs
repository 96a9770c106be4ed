//! What a layer lends to the extractors inside it.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::LocalKey;

/// Where a layer and its extractor meet: a thread-local slot that is filled only while the layer's inner future
/// is polled.
///
/// ```
/// use std::cell::Cell;
/// use corelane_http::app::App;
/// use corelane_http::middleware::{Next, Place, lend};
/// use corelane_http::request::Request;
/// use corelane_http::response::Response;
///
/// thread_local! {
///     static QUERIES: Cell<Option<u32>> = const { Cell::new(None) };
/// }
///
/// fn count_query() {
///     QUERIES.with(|slot| slot.set(slot.get().map(|count| count + 1)));
/// }
///
/// async fn counting(request: Request, next: Next) -> Response {
///     let (response, queries) = lend(&QUERIES, 0, next.run(request)).await;
///     response.with_header("x-queries", queries.to_string()).unwrap()
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().with(counting).get("/", async || count_query()).into_service();
/// let response = service.call(Request::builder("GET", "/").build()).await;
/// assert_eq!(response.headers().get("x-queries"), Some("1"));
/// # });
/// ```
pub type Place<T> = LocalKey<Cell<Option<T>>>;

/// Runs `future` with `value` in `place`, and gives both back. A value that stood there before is there again
/// whenever `future` is not being polled, so layers nest, and requests that wait at the same time do not meet.
///
/// Unlike [`Extensions`](crate::request::Extensions) it costs no allocation, and the layer has what the handler left
/// there when the request is gone. Tasks that the handler spawns do not see it. If the handler takes the value and does
/// not put one back, the layer gets that of `T::default()`.
///
/// # Cancellation
/// Dropping the future drops the inner one, then the value.
pub fn lend<T: 'static, F: Future + Unpin>(place: &'static Place<T>, value: T, future: F) -> Lent<T, F> {
    Lent { future, value: Some(value), place }
}

/// The future of [`lend`].
#[must_use = "futures do nothing unless awaited"]
pub struct Lent<T: 'static, F> {
    future: F,
    /// Ours between polls, the one of the layer outside during a poll.
    value: Option<T>,
    place: &'static Place<T>,
}

/// Puts the value back also when the future panics.
struct Swapped<'a, T: 'static> {
    value: &'a mut Option<T>,
    place: &'static Place<T>,
}

impl<T> Swapped<'_, T> {
    fn swap(&mut self) {
        *self.value = self.place.replace(self.value.take());
    }
}

impl<T> Drop for Swapped<'_, T> {
    fn drop(&mut self) {
        self.swap();
    }
}

// Neither field is pinned: the future is `Unpin` and the value is moved in and out.
impl<T, F> Unpin for Lent<T, F> {}

impl<T: Default, F: Future + Unpin> Future for Lent<T, F> {
    type Output = (F::Output, T);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut swapped = Swapped { value: &mut this.value, place: this.place };
        swapped.swap();
        let polled = Pin::new(&mut this.future).poll(cx);
        drop(swapped);
        polled.map(|output| (output, this.value.take().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use corelane_runtime::buf::LocalBoxFuture;
    use corelane_runtime::{block_on, spawn, yield_now};

    use super::*;

    thread_local! {
        static NAME: Cell<Option<String>> = const { Cell::new(None) };
    }

    fn name() -> Option<String> {
        let name = NAME.take();
        NAME.set(name.clone());
        name
    }

    fn named<F: Future + 'static>(
        value: &str,
        future: F,
    ) -> Lent<String, LocalBoxFuture<'static, F::Output>> {
        lend(&NAME, value.to_owned(), LocalBoxFuture::new(future))
    }

    #[test]
    fn waiting_futures_see_their_own_value_and_nested_ones_the_inner() {
        block_on(async {
            let run = |value: &'static str| {
                spawn(named(value, async move {
                    for _ in 0..3 {
                        assert_eq!(name().as_deref(), Some(value));
                        yield_now().await;
                    }
                    let inner = named("inner", async {
                        yield_now().await;
                        name()
                    });
                    assert_eq!(inner.await, (Some("inner".to_owned()), "inner".to_owned()));
                    assert_eq!(name().as_deref(), Some(value));
                }))
            };
            let tasks = [run("a"), run("b")];
            for task in tasks {
                task.await.unwrap();
                assert_eq!(name(), None, "nothing is left between polls");
            }
        });
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let panicking = AssertUnwindSafe(|| block_on(named("lost", async { panic!("on purpose") })));
        assert!(catch_unwind(panicking).is_err());
        assert_eq!(name(), None);
    }
}
