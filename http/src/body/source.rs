//! Bodies that a program makes piece by piece.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corelane_runtime::buf::Chunk;
use futures_core::Stream;
use pin_project_lite::pin_project;

use super::BodyError;

/// A body that is still to be made, and is not read from a connection.
pub(super) type Source = Pin<Box<dyn Stream<Item = Result<Chunk, BodyError>>>>;

/// Any stream of chunks as a source.
pub(super) fn from_stream<S, C, E>(stream: S) -> Source
where
    S: Stream<Item = Result<C, E>> + 'static,
    C: Into<Chunk>,
    E: Into<Box<dyn Error>>,
{
    Box::pin(Mapped { stream })
}

/// A function that is called for each chunk as a source.
pub(super) fn from_fn<F, Fut, C, E>(make: F) -> Source
where
    F: FnMut() -> Fut + 'static,
    Fut: Future<Output = Option<Result<C, E>>> + 'static,
    C: Into<Chunk>,
    E: Into<Box<dyn Error>>,
{
    from_stream(Called { make, under_way: None, ended: false })
}

pin_project! {
    struct Mapped<S> {
        #[pin]
        stream: S,
    }
}

impl<S, C, E> Stream for Mapped<S>
where
    S: Stream<Item = Result<C, E>>,
    C: Into<Chunk>,
    E: Into<Box<dyn Error>>,
{
    type Item = Result<Chunk, BodyError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.project().stream.poll_next(cx));
        Poll::Ready(item.map(|item| item.map(Into::into).map_err(BodyError::source)))
    }
}

pin_project! {
    struct Called<F, Fut> {
        make: F,
        #[pin]
        under_way: Option<Fut>,
        ended: bool,
    }
}

impl<F, Fut, T> Stream for Called<F, Fut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        if this.under_way.is_none() {
            let next = (this.make)();
            this.under_way.set(Some(next));
        }
        let Some(future) = this.under_way.as_mut().as_pin_mut() else { unreachable!("set above") };
        let item = ready!(future.poll(cx));
        this.under_way.set(None);
        *this.ended = item.is_none();
        Poll::Ready(item)
    }
}
