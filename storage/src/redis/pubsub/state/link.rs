//! The connection comes and goes.

use std::task::{Context, Poll};
use std::time::Instant;

use corelane_runtime::net::{CloseHandle, Shutdown};

use super::{Link, State, Told};
use crate::redis::error::{Cause, Kind, RedisError};
use crate::redis::pubsub::topic::Topic;

impl State {
    /// There is a connection.
    pub(in crate::redis::pubsub) fn on_up(&mut self, closer: Option<CloseHandle>, now: Instant) -> u64 {
        if matches!(self.link, Link::Closed) {
            return self.epoch;
        }
        self.epoch += 1;
        self.heard = now;
        self.link = Link::Up { closer, ending: None };
        self.demand = false;
        self.stats.connects += 1;
        self.epoch
    }

    /// The connection is over. Gives the cause, which is ours rather than `cause` if it was we who ended it.
    pub(in crate::redis::pubsub) fn on_lost(&mut self, cause: Cause) -> Cause {
        let mut cause = cause;
        if let Link::Up { ending, .. } = &mut self.link {
            cause = ending.take().unwrap_or(cause);
            self.link = Link::Connecting;
        }
        self.sent.clear();
        self.wakes.extend(self.writer.take());
        let topics: Vec<Topic> = self.topics.keys().cloned().collect();
        for topic in topics {
            let Some(entry) = self.topics.get_mut(&topic) else { continue };
            let was_on = entry.told == Told::On;
            entry.told = Told::Off;
            entry.alone = false;
            if was_on && entry.wanted && !std::mem::replace(&mut entry.lost, true) {
                self.lost += 1;
                self.gap = true;
            }
            self.settle(&topic);
        }
        cause
    }

    /// The server cannot be reached: callers fail at once from now on, and those who wait do now. What was subscribed to
    /// before is asked for again when the server is back.
    pub(in crate::redis::pubsub) fn on_away(&mut self, cause: &Cause) {
        if matches!(self.link, Link::Closed) {
            return;
        }
        self.link = Link::Away(cause.clone());
        self.demand = false;
        self.fail_new(&RedisError::new(Kind::Unavailable(cause.clone())));
    }

    /// Ends what was never established.
    fn fail_new(&mut self, error: &RedisError) {
        let new: Vec<Topic> = self
            .topics
            .iter()
            .filter(|(_, entry)| !entry.established)
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in new {
            self.fail(&topic, error);
        }
        // Calls that repeat what was asked before wait no longer either.
        let waiting: Vec<Vec<usize>> = self
            .topics
            .values_mut()
            .map(|entry| std::mem::take(&mut entry.calls))
            .filter(|calls| !calls.is_empty())
            .collect();
        for calls in waiting {
            self.finish(&calls, Some(error));
        }
    }

    /// Nobody takes the messages any more.
    pub(in crate::redis::pubsub) fn close(&mut self) {
        if let Link::Up { closer: Some(closer), .. } = &self.link {
            shut(closer);
        }
        self.link = Link::Closed;
        self.fail_new(&RedisError::new(Kind::Closed));
        self.wakes.extend(self.writer.take());
        self.wakes.extend(self.supervisor.take());
    }

    /// Ends the connection from our side; the reader then notices.
    pub(in crate::redis::pubsub) fn end(&mut self, epoch: u64, cause: Cause) {
        if self.epoch == epoch
            && let Link::Up { closer, ending } = &mut self.link
            && ending.is_none()
        {
            *ending = Some(cause);
            if let Some(closer) = closer {
                shut(closer);
            }
        }
    }

    pub(in crate::redis::pubsub) fn is_closed(&self) -> bool {
        matches!(self.link, Link::Closed)
    }

    pub(in crate::redis::pubsub) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Ready once there is something to connect for. A client that was never used has no connection.
    pub(in crate::redis::pubsub) fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_closed() || !self.topics.is_empty() || self.demand {
            return Poll::Ready(());
        }
        self.supervisor = Some(cx.waker().clone());
        Poll::Pending
    }

    /// True if somebody asked since the server is away. Else the supervisor is woken when somebody does.
    pub(in crate::redis::pubsub) fn poll_demand(&mut self, cx: &mut Context<'_>) -> bool {
        self.supervisor = Some(cx.waker().clone());
        // What was subscribed to is wanted as urgently as what somebody asks for.
        self.demand || !self.topics.is_empty()
    }
}

/// Ends a connection, so that its reader and its writer notice. An error means that it had ended already.
fn shut(closer: &CloseHandle) {
    let _ended = closer.shutdown(Shutdown::Both);
}
