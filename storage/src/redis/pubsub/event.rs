//! What a subscriber is told.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::redis::error::RedisError;

/// What comes out of [`Messages`](super::Messages), in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Somebody published.
    Message(Message),
    /// Here messages may be missing: what is derived from them has to be read anew.
    Missed(Missed),
    /// A subscription ended although nobody asked for it: the server refused it after a reconnect.
    Ended(Ended),
}

/// A message. It is shared, not copied, by clones.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The channel it was published to.
    pub channel: Bytes,
    /// The pattern by which it came; `None` if the channel itself is subscribed to. Who subscribed to both gets it twice,
    /// as Redis has it.
    pub pattern: Option<Bytes>,
    /// What was published.
    pub payload: Bytes,
}

impl Message {
    fn bytes(&self) -> usize {
        self.channel.len() + self.pattern.as_ref().map_or(0, Bytes::len) + self.payload.len()
    }
}

/// Why messages may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missed {
    /// The connection was lost, or the server ended a subscription of a shard channel, and everything is subscribed to
    /// again. What was published in between did not come, and how much that was is not known.
    pub reconnected: bool,
    /// Messages that came and were thrown away because the queue was full.
    pub dropped: u64,
}

/// A subscription that the server has refused to renew.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ended {
    /// The channel or pattern.
    pub name: Bytes,
    /// What the server said.
    pub error: RedisError,
}

/// Events that nobody has taken yet, within two bounds. At a bound the oldest message goes: who is late wants the state of
/// now. Where it was, [`Event::Missed`] stands.
#[derive(Debug)]
pub(super) struct Queue {
    /// Told before anything else. At most one for each subscription.
    ended: VecDeque<Ended>,
    /// What is missing in front of the first entry.
    missed: Missed,
    entries: VecDeque<Entry>,
    /// Of the messages in it.
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
enum Entry {
    Message(Message),
    /// Between two messages; never two in a row.
    Reconnected,
}

impl Queue {
    pub(super) fn new(messages_max: usize, bytes_max: usize) -> Queue {
        Queue {
            ended: VecDeque::new(),
            missed: Missed::default(),
            entries: VecDeque::new(),
            bytes: 0,
            messages_max: messages_max.max(1),
            bytes_max,
        }
    }

    /// Appends a message; gives how many had to go for it. One alone may be larger than the bound.
    pub(super) fn push(&mut self, message: Message) -> u64 {
        let before = self.missed.dropped;
        self.bytes += message.bytes();
        while (self.entries.len() >= self.messages_max || self.bytes > self.bytes_max)
            && let Some(first) = self.entries.pop_front()
        {
            match first {
                Entry::Message(message) => {
                    self.bytes -= message.bytes();
                    self.missed.dropped += 1;
                }
                Entry::Reconnected => self.missed.reconnected = true,
            }
        }
        self.entries.push_back(Entry::Message(message));
        self.missed.dropped - before
    }

    /// Messages may be missing behind those that are here.
    pub(super) fn push_reconnected(&mut self) {
        match self.entries.back() {
            None => self.missed.reconnected = true,
            Some(Entry::Reconnected) => {}
            Some(Entry::Message(_)) => self.entries.push_back(Entry::Reconnected),
        }
    }

    pub(super) fn push_ended(&mut self, ended: Ended) {
        self.ended.push_back(ended);
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        if let Some(ended) = self.ended.pop_front() {
            return Some(Event::Ended(ended));
        }
        if self.missed != Missed::default() {
            return Some(Event::Missed(std::mem::take(&mut self.missed)));
        }
        match self.entries.pop_front()? {
            Entry::Message(message) => {
                self.bytes -= message.bytes();
                Some(Event::Message(message))
            }
            Entry::Reconnected => Some(Event::Missed(Missed { reconnected: true, dropped: 0 })),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.ended.is_empty() && self.missed == Missed::default()
    }

    /// Entries and bytes of messages.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u8, size: usize) -> Message {
        Message { channel: Bytes::new(), pattern: None, payload: vec![n; size].into() }
    }

    /// A message by its first byte, what is missing as `-dropped`, a reconnect as 1000 more.
    fn drain(queue: &mut Queue) -> Vec<i64> {
        std::iter::from_fn(|| queue.pop())
            .map(|event| match event {
                Event::Message(message) => message.payload[0].into(),
                Event::Missed(missed) => {
                    -(i64::try_from(missed.dropped).unwrap() + if missed.reconnected { 1000 } else { 0 })
                }
                Event::Ended(_) => 7777,
            })
            .collect()
    }

    #[test]
    fn the_oldest_goes_and_the_gap_stands_where_it_was() {
        for (why, sizes, reconnect_after, want) in [
            ("all fit", &[1, 1, 1][..], None, &[0, 1, 2][..]),
            ("one too many", &[1, 1, 1, 1], None, &[-1, 1, 2, 3]),
            ("two too many", &[1, 1, 1, 1, 1], None, &[-2, 2, 3, 4]),
            ("too many bytes", &[4, 4, 4], None, &[-1, 1, 2]),
            ("one alone is larger than all", &[1, 1, 100], None, &[-2, 2]),
            ("one behind the large one", &[100, 1], None, &[-1, 1]),
            ("a gap keeps its place", &[1, 1], Some(0), &[0, -1000, 1]),
            ("a gap that is pushed out is kept", &[1, 1, 1, 1], Some(0), &[-1001, 1, 2, 3]),
        ] {
            let mut queue = Queue::new(3, 10);
            let mut dropped = 0;
            for (n, &size) in sizes.iter().enumerate() {
                dropped += queue.push(message(u8::try_from(n).unwrap(), size));
                if reconnect_after == Some(n) {
                    queue.push_reconnected();
                    queue.push_reconnected();
                }
                assert!(queue.depth().0 <= 3, "{why}");
            }
            let got = drain(&mut queue);
            assert_eq!(got, want, "{why}");
            assert_eq!(
                i64::try_from(dropped).unwrap(),
                -got.iter().filter(|n| **n < 0).sum::<i64>() % 1000,
                "{why}"
            );
            assert!(queue.is_empty() && queue.depth() == (0, 0), "{why}");
        }
    }
}
