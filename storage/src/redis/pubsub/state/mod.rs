//! What is subscribed to, who waits for it, and what has come. No I/O happens here.
//!
//! Each topic has a wish (`wanted`) and what the server was told on this connection (`told`). Where they differ the topic
//! is listed in `todo`; the writer makes commands of that. No topic has two commands under way: when
//! the server has confirmed one, wish and state are compared again. So commands under way are bounded by topics, and
//! callers that come and go leave nothing behind.

mod link;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use corelane_runtime::net::CloseHandle;
use slab::Slab;

use super::event::{Ended, Event, Queue};
use super::topic::{Family, Topic};
use crate::redis::config::Config;
use crate::redis::error::{Cause, Kind, RedisError};

/// How the connection is.
#[derive(Debug)]
enum Link {
    /// Not there, and wanted once there is a topic.
    Connecting,
    Up {
        closer: Option<CloseHandle>,
        ending: Option<Cause>,
    },
    /// Callers fail at once.
    Away(Cause),
    /// For good.
    Closed,
}

/// What the server was told on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Off,
    On,
    /// A command is under way that makes it so.
    Asked {
        on: bool,
    },
}

#[derive(Debug)]
struct Entry {
    wanted: bool,
    told: Told,
    /// It is in `todo`.
    is_listed: bool,
    /// Its command holds no other topic: one with others was refused, and whose fault that was is not known.
    alone: bool,
    /// The server has confirmed it once, so it is asked for again on the next connection.
    established: bool,
    /// It was on when the connection ended. Invariant: counted in `State::lost`.
    lost: bool,
    /// Calls that wait for wish and state to be one.
    calls: Vec<usize>,
}

/// A caller that waits for its topics.
#[derive(Debug)]
struct Call {
    /// Topics that are not settled.
    left: usize,
    error: Option<RedisError>,
    waker: Option<Waker>,
}

/// A command under way.
#[derive(Debug)]
enum Sent {
    Change { family: Family, on: bool, names: VecDeque<Bytes> },
    Ping,
}

pub(super) struct State {
    config: Rc<Config>,
    link: Link,
    /// Counts connections. A writer of an older one has nothing to say.
    epoch: u64,
    topics: HashMap<Topic, Entry>,
    /// Topics whose wish and state differ. Invariant: an entry of `topics` is in it once if `is_listed`.
    todo: VecDeque<Topic>,
    /// Commands that the server has not answered, oldest first.
    sent: VecDeque<Sent>,
    calls: Slab<Call>,
    queue: Queue,
    /// Topics that were on when a connection ended, and are not yet again.
    lost: usize,
    /// Messages may be missing; told once `lost` is zero again.
    gap: bool,
    /// When something was received last, or the connection was made.
    heard: Instant,
    writer: Option<Waker>,
    supervisor: Option<Waker>,
    receiver: Option<Waker>,
    /// Somebody wanted the server while it was away.
    demand: bool,
    pub(super) stats: super::SubscriberStats,
    /// To be woken once nothing is borrowed.
    pub(super) wakes: Vec<Waker>,
}

impl State {
    pub(super) fn new(config: Rc<Config>, now: Instant) -> State {
        let queue = Queue::new(config.messages_max, config.messages_bytes_max);
        State {
            config,
            link: Link::Connecting,
            epoch: 0,
            topics: HashMap::new(),
            todo: VecDeque::new(),
            sent: VecDeque::new(),
            calls: Slab::new(),
            queue,
            lost: 0,
            gap: false,
            heard: now,
            writer: None,
            supervisor: None,
            receiver: None,
            demand: false,
            stats: super::SubscriberStats::default(),
            wakes: Vec::new(),
        }
    }

    /// Takes a call: topics that are to be on, or off. It is to be [polled](Self::poll_call), or [given up](Self::give_up).
    ///
    /// # Errors
    /// If nothing of it is done: the server is away, the messages were dropped, or there are too many topics.
    pub(super) fn submit(&mut self, on: bool, topics: &[Topic]) -> Result<usize, RedisError> {
        match &self.link {
            Link::Closed => return Err(RedisError::new(Kind::Closed)),
            Link::Away(cause) if on => {
                let error = RedisError::new(Kind::Unavailable(cause.clone()));
                if !std::mem::replace(&mut self.demand, true) {
                    self.wakes.extend(self.supervisor.take());
                }
                return Err(error);
            }
            Link::Away(_) | Link::Connecting | Link::Up { .. } => {}
        }
        if on {
            let topics_max = self.config.topics_max;
            let new = topics.iter().filter(|topic| !self.topics.contains_key(topic)).count();
            if self.topics.len() + new > topics_max {
                return Err(RedisError::new(Kind::Topics { topics_max }));
            }
        }
        let id = self.calls.insert(Call { left: 0, error: None, waker: None });
        for topic in topics {
            self.wish(topic, on, id);
        }
        if on {
            self.wakes.extend(self.supervisor.take());
        }
        Ok(id)
    }

    fn wish(&mut self, topic: &Topic, on: bool, id: usize) {
        if !on && !self.topics.contains_key(topic) {
            return;
        }
        let entry = self.topics.entry(topic.clone()).or_insert(Entry {
            wanted: on,
            told: Told::Off,
            is_listed: false,
            alone: false,
            established: false,
            lost: false,
            calls: Vec::new(),
        });
        entry.wanted = on;
        if !entry.calls.contains(&id) {
            entry.calls.push(id);
            self.calls[id].left += 1;
        }
        self.settle(topic);
    }

    /// Compares wish and state: lists the topic if they differ, tells its callers if they do not.
    fn settle(&mut self, topic: &Topic) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let is_settled = match (entry.told, entry.wanted) {
            // What is under way comes first.
            (Told::Asked { .. }, _) => return,
            (Told::On, wanted) => wanted,
            (Told::Off, wanted) => !wanted,
        };
        if !is_settled {
            if !std::mem::replace(&mut entry.is_listed, true) {
                self.todo.push_back(topic.clone());
                self.wakes.extend(self.writer.take());
                self.tidy_todo();
            }
            return;
        }
        if std::mem::take(&mut entry.lost) {
            self.lost -= 1;
        }
        let calls = std::mem::take(&mut entry.calls);
        if entry.wanted {
            entry.established = true;
        } else {
            // A listed one is skipped by the writer when it is not there.
            self.topics.remove(topic);
        }
        self.finish(&calls, None);
        self.tell_gap();
    }

    /// Topics that came and went while nothing could be sent do not fill the list.
    fn tidy_todo(&mut self) {
        if self.todo.len() <= 2 * self.topics.len() + 64 {
            return;
        }
        let topics = &mut self.topics;
        // The first place of each is kept, and only of those that are there.
        self.todo.retain(|topic| {
            topics.get_mut(topic).is_some_and(|entry| std::mem::replace(&mut entry.is_listed, false))
        });
        for topic in &self.todo {
            if let Some(entry) = topics.get_mut(topic) {
                entry.is_listed = true;
            }
        }
    }

    /// The topic is no more: the server refuses it, or cannot be asked.
    fn fail(&mut self, topic: &Topic, error: &RedisError) {
        let Some(entry) = self.topics.remove(topic) else { return };
        if entry.lost {
            self.lost -= 1;
        }
        if entry.established && entry.wanted {
            self.queue.push_ended(Ended { name: topic.name.clone(), error: error.clone() });
            self.wakes.extend(self.receiver.take());
        }
        self.finish(&entry.calls, Some(error));
        self.tell_gap();
    }

    fn finish(&mut self, calls: &[usize], error: Option<&RedisError>) {
        for &id in calls {
            let call = &mut self.calls[id];
            call.left -= 1;
            if let Some(error) = error {
                call.error.get_or_insert_with(|| error.clone());
            }
            if call.left == 0 {
                self.wakes.extend(call.waker.take());
            }
        }
    }

    fn tell_gap(&mut self) {
        if self.gap && self.lost == 0 {
            self.gap = false;
            self.queue.push_reconnected();
            self.wakes.extend(self.receiver.take());
        }
    }

    /// The outcome of a call, once all its topics are settled; the call is gone with it.
    pub(super) fn poll_call(&mut self, id: usize, cx: &mut Context<'_>) -> Poll<Result<(), RedisError>> {
        let call = &mut self.calls[id];
        if call.left > 0 {
            call.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.calls.remove(id).error.map_or(Ok(()), Err))
    }

    /// The caller has gone before the outcome. What it alone wanted, and does not have yet, is no longer wanted.
    pub(super) fn give_up(&mut self, id: usize, topics: &[Topic]) {
        self.calls.remove(id);
        for topic in topics {
            let Some(entry) = self.topics.get_mut(topic) else { continue };
            let before = entry.calls.len();
            entry.calls.retain(|&call| call != id);
            if entry.calls.len() < before && entry.calls.is_empty() && entry.wanted && !entry.established {
                entry.wanted = false;
                self.settle(topic);
            }
        }
    }

    /// All that was received is told: the receiver may look.
    pub(super) fn on_received(&mut self, now: Instant) {
        self.heard = now;
        if !self.queue.is_empty() {
            self.wakes.extend(self.receiver.take());
        }
    }

    /// When something was received last.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    pub(super) fn try_next(&mut self) -> Option<Event> {
        self.queue.pop()
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        match self.queue.pop() {
            Some(event) => Poll::Ready(event),
            None => {
                self.receiver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Topics that are on, or are to be.
    pub(super) fn topics(&self) -> usize {
        self.topics.values().filter(|entry| entry.wanted).count()
    }

    /// Names of the oldest command that is not confirmed.
    #[cfg(test)]
    pub(super) fn names_under_way(&self) -> Vec<&'static str> {
        match self.sent.front() {
            Some(Sent::Change { names, .. }) => {
                names.iter().map(|name| if name == "a" { "a" } else { "b" }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// True if nothing is kept for anybody, but a few places in the list.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.topics.is_empty() && self.calls.is_empty() && self.sent.is_empty() && self.todo.len() <= 65
    }

    /// Events that nobody has taken, and the bytes of their messages.
    pub(super) fn depth(&self) -> (usize, usize) {
        self.queue.depth()
    }
}
