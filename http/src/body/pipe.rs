//! From the connection to whoever reads the body: one chunk at a time, and only when asked.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use corelane_runtime::buf::Chunk;

use super::BodyError;

/// A pipe: the connection's end, and what the reader polls.
///
/// Nothing is sent ahead: the connection reads from its socket only while [`Feed::is_wanted`], so a handler
/// that stops reading stops the peer.
pub(crate) fn pipe() -> (Feed, Pull) {
    let shared = Rc::new(RefCell::new(Shared {
        chunk: None,
        wanted: false,
        end: End::Open,
        reader: None,
        feeder: None,
    }));
    (Feed(Rc::clone(&shared)), Pull(shared))
}

/// The end of the connection.
///
/// Dropping it before [`Feed::end`] or [`Feed::fail`] tells the reader that the connection ended inside the body.
pub(crate) struct Feed(Rc<RefCell<Shared>>);

/// The end of the reader. Dropping it tells the connection that nobody wants the rest.
pub(crate) struct Pull(Rc<RefCell<Shared>>);

struct Shared {
    /// Given and not fetched. One at most: that is the bound of the pipe.
    chunk: Option<Chunk>,
    /// True while the reader waits. Invariant: there is no chunk then, and the end is open.
    wanted: bool,
    end: End,
    /// Whom to wake when something is given.
    reader: Option<Waker>,
    /// Whom to wake when something is wanted; set by [`Feed::poll_demand`] and [`Feed::poll_unwanted`].
    feeder: Option<Waker>,
}

enum End {
    Open,
    /// Every byte has been given.
    Done,
    Failed(BodyError),
    /// The reader is gone.
    Abandoned,
}

/// What the reader is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// One more chunk.
    Chunk,
    /// Nothing any more: it was dropped before the end.
    Abandoned,
}

impl Feed {
    /// True if the reader waits for a chunk. The connection looks at this after polling the handler, which
    /// reads in the same task, so that neither needs to wake the other.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.borrow().wanted
    }

    /// True if the reader was dropped before it had seen the end.
    pub(crate) fn is_abandoned(&self) -> bool {
        matches!(self.0.borrow().end, End::Abandoned)
    }

    /// Waits until the reader wants a chunk or is gone; for a reader in another task.
    pub(crate) fn poll_demand(&self, cx: &mut Context<'_>) -> Poll<Demand> {
        let mut shared = self.0.borrow_mut();
        if shared.wanted {
            return Poll::Ready(Demand::Chunk);
        }
        if let End::Abandoned = shared.end {
            return Poll::Ready(Demand::Abandoned);
        }
        remember(&mut shared.feeder, cx.waker());
        Poll::Pending
    }

    /// Waits until no chunk is wanted any more, because the reader is gone; for a reader in another task.
    pub(crate) fn poll_unwanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.0.borrow_mut();
        if !shared.wanted {
            return Poll::Ready(());
        }
        remember(&mut shared.feeder, cx.waker());
        Poll::Pending
    }

    /// Gives the chunk that was asked for. Without demand it is a mistake of the caller: debug builds panic.
    ///
    /// Wakes the reader, unless it is of the task that last waited for what the reader wants: that task polls
    /// the reader anyway. The same holds for [`Feed::end`] and [`Feed::fail`], which may follow at once.
    pub(crate) fn give(&self, chunk: Chunk) {
        debug_assert!(self.is_wanted() || self.is_abandoned(), "a chunk is given only when asked for");
        self.change(|shared| shared.chunk = Some(chunk));
    }

    /// Every byte has been given.
    pub(crate) fn end(&self) {
        self.change(|shared| shared.end = End::Done);
    }

    /// The body cannot be had to its end. A chunk that was given before is still read.
    pub(crate) fn fail(&self, error: BodyError) {
        self.change(|shared| shared.end = End::Failed(error));
    }

    fn change(&self, change: impl FnOnce(&mut Shared)) {
        let mut shared = self.0.borrow_mut();
        if let End::Abandoned = shared.end {
            return;
        }
        change(&mut shared);
        shared.wanted = false;
        let reader = shared.reader.take();
        let same_task = match (&reader, &shared.feeder) {
            (Some(reader), Some(feeder)) => reader.will_wake(feeder),
            _ => false,
        };
        drop(shared);
        if let Some(reader) = reader
            && !same_task
        {
            reader.wake();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let open = matches!(self.0.borrow().end, End::Open);
        if open {
            self.fail(BodyError::truncated());
        }
    }
}

impl Pull {
    /// The next chunk; `None` at the end, and after an error.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        let mut shared = self.0.borrow_mut();
        if let Some(chunk) = shared.chunk.take() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        if let End::Open = shared.end {
            shared.wanted = true;
            remember(&mut shared.reader, cx.waker());
            let feeder = shared.feeder.take();
            drop(shared);
            if let Some(feeder) = feeder {
                wake_other(feeder, cx, &self.0);
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut shared.end, End::Done) {
            End::Failed(error) => Poll::Ready(Some(Err(error))),
            End::Done => Poll::Ready(None),
            End::Open | End::Abandoned => unreachable!("open is seen to above, abandoned has no reader"),
        }
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        if matches!(shared.end, End::Done) && shared.chunk.is_none() {
            return;
        }
        shared.end = End::Abandoned;
        shared.wanted = false;
        shared.reader = None;
        let chunk = shared.chunk.take();
        let feeder = shared.feeder.take();
        drop(shared);
        // The chunk that was not fetched is dropped with the borrow given back: its lease goes home then.
        drop(chunk);
        if let Some(feeder) = feeder {
            feeder.wake();
        }
    }
}

/// Wakes the connection, unless it is the task being polled; then its waker is put back.
fn wake_other(feeder: Waker, cx: &Context<'_>, shared: &RefCell<Shared>) {
    if feeder.will_wake(cx.waker()) {
        shared.borrow_mut().feeder = Some(feeder);
    } else {
        feeder.wake();
    }
}

/// Keeps `waker`, cloning it only if it is not the one that is kept already.
fn remember(kept: &mut Option<Waker>, waker: &Waker) {
    match kept {
        Some(kept) => kept.clone_from(waker),
        None => *kept = Some(waker.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn task() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    #[test]
    fn nothing_is_wanted_until_the_reader_asks() {
        let (feed, mut pull) = pipe();
        let (_, waker) = task();
        let cx = &mut Context::from_waker(&waker);
        assert!(!feed.is_wanted());
        assert!(pull.poll_chunk(cx).is_pending());
        assert!(feed.is_wanted());
        feed.give(Chunk::from(&b"abc"[..]));
        assert!(!feed.is_wanted(), "one chunk for one demand");
        assert!(matches!(pull.poll_chunk(cx), Poll::Ready(Some(Ok(chunk))) if &chunk[..] == b"abc"));
        feed.end();
        assert!(matches!(pull.poll_chunk(cx), Poll::Ready(None)));
        assert!(matches!(pull.poll_chunk(cx), Poll::Ready(None)), "the end stays");
    }

    #[test]
    fn a_reader_of_another_task_is_woken_and_one_of_the_same_is_not() {
        for same in [true, false] {
            let (feed, mut pull) = pipe();
            let (feeder_wakes, feeder) = task();
            let (other_wakes, other) = task();
            let reader = if same { &feeder } else { &other };
            assert!(feed.poll_demand(&mut Context::from_waker(&feeder)).is_pending());
            assert!(pull.poll_chunk(&mut Context::from_waker(reader)).is_pending());
            assert_eq!(feeder_wakes.get(), usize::from(!same), "asking wakes a connection elsewhere");
            assert_eq!(feed.poll_demand(&mut Context::from_waker(&feeder)), Poll::Ready(Demand::Chunk));
            feed.give(Chunk::from(&b"x"[..]));
            assert_eq!(other_wakes.get(), usize::from(!same), "giving wakes a reader elsewhere");
            assert_eq!(feeder_wakes.get(), usize::from(!same), "and never the giver");
        }
    }

    #[test]
    fn a_connection_that_goes_away_inside_the_body_is_an_error_of_the_reader() {
        let (feed, mut pull) = pipe();
        drop(feed);
        let (_, waker) = task();
        let cx = &mut Context::from_waker(&waker);
        assert!(matches!(pull.poll_chunk(cx), Poll::Ready(Some(Err(error))) if error.is_peer_fault()));
        assert!(matches!(pull.poll_chunk(cx), Poll::Ready(None)));
    }

    #[test]
    fn what_was_given_is_read_before_the_end_or_the_error_that_follows_at_once() {
        for fails in [false, true] {
            let (feed, mut pull) = pipe();
            let (_, waker) = task();
            let cx = &mut Context::from_waker(&waker);
            assert!(pull.poll_chunk(cx).is_pending());
            feed.give(Chunk::from(b"last"));
            if fails {
                feed.fail(BodyError::too_slow());
            } else {
                feed.end();
            }
            drop(feed);
            assert!(matches!(pull.poll_chunk(cx), Poll::Ready(Some(Ok(chunk))) if &chunk[..] == b"last"));
            match pull.poll_chunk(cx) {
                Poll::Ready(Some(Err(error))) => assert!(fails && error.is_too_slow()),
                Poll::Ready(None) => assert!(!fails),
                other => panic!("neither end nor error: {other:?}"),
            }
        }
    }

    #[test]
    fn a_reader_that_goes_away_wakes_a_connection_that_receives_for_it() {
        let (feed, mut pull) = pipe();
        let (wakes, feeder) = task();
        let (_, reader) = task();
        assert!(feed.poll_unwanted(&mut Context::from_waker(&feeder)).is_ready(), "nobody has asked yet");
        assert!(pull.poll_chunk(&mut Context::from_waker(&reader)).is_pending());
        assert!(feed.poll_unwanted(&mut Context::from_waker(&feeder)).is_pending());
        let before = wakes.get();
        drop(pull);
        assert_eq!(wakes.get(), before + 1);
        assert!(feed.poll_unwanted(&mut Context::from_waker(&feeder)).is_ready());
    }

    #[test]
    fn a_reader_that_goes_away_wakes_the_connection_and_drops_what_was_held() {
        let (feed, mut pull) = pipe();
        let (wakes, waker) = task();
        let cx = &mut Context::from_waker(&waker);
        assert!(pull.poll_chunk(cx).is_pending());
        feed.give(Chunk::from(&b"x"[..]));
        assert!(feed.poll_demand(cx).is_pending());
        let before = wakes.get();
        drop(pull);
        assert_eq!(wakes.get(), before + 1);
        assert_eq!(feed.poll_demand(cx), Poll::Ready(Demand::Abandoned));
        feed.end();
        assert!(feed.is_abandoned(), "the end does not hide that nobody read it");
    }
}
