//! Commands out, replies in.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Link, Sent, State, Told};
use crate::redis::error::{Cause, Kind, RedisError};
use crate::redis::proto::{Command, ErrorReply, Reply, Value};
use crate::redis::pubsub::event::Message;
use crate::redis::pubsub::topic::{Family, Topic};

/// Names in one command at most: a server that is asked for ten thousand channels serves others in between.
const NAMES_PER_COMMAND: usize = 256;

/// Bytes of commands handed to the writer at a time, about.
const OUTPUT_BYTES: usize = 64 * 1024;

impl State {
    /// Bytes for the writer of this epoch; `None` when its connection is over.
    pub(in crate::redis::pubsub) fn poll_output(
        &mut self,
        epoch: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Vec<u8>>> {
        if self.epoch != epoch || !matches!(self.link, Link::Up { .. }) {
            return Poll::Ready(None);
        }
        let mut out = Vec::new();
        while out.len() < OUTPUT_BYTES && self.write_change(&mut out) {}
        if out.is_empty() {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(out))
    }

    /// Writes one command for the first topics in `todo` that go together; false if there are none.
    fn write_change(&mut self, out: &mut Vec<u8>) -> bool {
        let mut change: Option<(Family, bool, bool)> = None;
        let mut names = VecDeque::new();
        while names.len() < NAMES_PER_COMMAND
            && let Some(topic) = self.todo.pop_front()
        {
            // Gone, and perhaps come again since: then it is in `todo` once more.
            let Some(entry) = self.topics.get_mut(&topic).filter(|entry| entry.is_listed) else { continue };
            let on = match (entry.told, entry.wanted) {
                (Told::Off, true) => true,
                (Told::On, false) => false,
                // It has changed its mind.
                (Told::Off, false) | (Told::On, true) | (Told::Asked { .. }, _) => {
                    entry.is_listed = false;
                    continue;
                }
            };
            let this = (topic.family, on, entry.alone);
            if change.is_some_and(|change| change != this || change.2) {
                self.todo.push_front(topic);
                break;
            }
            change = Some(this);
            entry.is_listed = false;
            entry.told = Told::Asked { on };
            names.push_back(topic.name);
        }
        let Some((family, on, _)) = change else { return false };
        let command = Command::new(family.command(on)).args(names.iter());
        command.write_to(out);
        self.sent.push_back(Sent::Change { family, on, names });
        true
    }

    /// A `PING` for a connection on which nothing was heard; its reply is awaited like any.
    pub(in crate::redis::pubsub) fn write_ping(&mut self, epoch: u64) -> Option<Vec<u8>> {
        if self.epoch != epoch || !matches!(self.link, Link::Up { .. }) {
            return None;
        }
        self.sent.push_back(Sent::Ping);
        let mut out = Vec::new();
        Command::new("PING").write_to(&mut out);
        Some(out)
    }

    /// Something was received.
    ///
    /// # Errors
    /// If it answers nothing that was asked: the connection is of no use any more.
    pub(in crate::redis::pubsub) fn on_reply(&mut self, reply: Reply) -> Result<(), Cause> {
        match reply {
            // RESP2 has no pushes: what answers nothing comes as an array, and nothing else does.
            Reply::Push(items) | Reply::Value(Value::Array(items)) => self.on_push(items),
            Reply::Value(Value::Error(error)) => self.on_refused(error),
            Reply::Value(_) => match self.sent.pop_front() {
                Some(Sent::Ping) => Ok(()),
                _ => Err(Cause::Unasked),
            },
        }
    }

    fn on_push(&mut self, items: Vec<Value>) -> Result<(), Cause> {
        let mut items = items.into_iter();
        let kind = items.next().and_then(|kind| kind.into_bytes().ok()).unwrap_or_default();
        let mut text = || items.next().and_then(|item| item.into_bytes().ok());
        let (channel, pattern, payload) = match &*kind {
            b"message" | b"smessage" => (text(), None, text()),
            b"pmessage" => {
                let pattern = text();
                (text(), pattern, text())
            }
            b"pong" => {
                return match self.sent.pop_front() {
                    Some(Sent::Ping) => Ok(()),
                    _ => Err(Cause::Unasked),
                };
            }
            other => {
                if let (Some((family, on)), Some(name)) = (Family::confirmed(other), text()) {
                    return self.on_confirmed(family, on, name);
                }
                self.stats.unknown += 1;
                return Ok(());
            }
        };
        let (Some(channel), Some(payload)) = (channel, payload) else {
            self.stats.unknown += 1;
            return Ok(());
        };
        self.stats.messages += 1;
        self.stats.dropped += self.queue.push(Message { channel, pattern, payload });
        Ok(())
    }

    fn on_confirmed(&mut self, family: Family, on: bool, name: Bytes) -> Result<(), Cause> {
        let topic = Topic { family, name };
        let is_asked = match self.sent.front_mut() {
            Some(Sent::Change { family: asked, on: asked_on, names })
                if (*asked, *asked_on) == (family, on) =>
            {
                let is_next = names.front() == Some(&topic.name);
                if is_next {
                    names.pop_front();
                    if names.is_empty() {
                        self.sent.pop_front();
                    }
                }
                is_next
            }
            _ => false,
        };
        if is_asked {
            if let Some(entry) = self.topics.get_mut(&topic) {
                entry.told = if on { Told::On } else { Told::Off };
            }
            self.settle(&topic);
            return Ok(());
        }
        if on || family != Family::Shard {
            return Err(Cause::Unasked);
        }
        // The slot of a shard channel has moved: the server ends the subscription by itself.
        if let Some(entry) = self.topics.get_mut(&topic)
            && entry.told == Told::On
        {
            entry.told = Told::Off;
            if entry.wanted && !std::mem::replace(&mut entry.lost, true) {
                self.lost += 1;
                self.gap = true;
            }
            self.settle(&topic);
        }
        Ok(())
    }

    /// The oldest command is refused as a whole.
    fn on_refused(&mut self, error: ErrorReply) -> Result<(), Cause> {
        let (family, names) = match self.sent.pop_front() {
            Some(Sent::Change { family, names, .. }) => (family, names),
            Some(Sent::Ping) => return Ok(()),
            None => return Err(Cause::Unasked),
        };
        let is_alone = names.len() == 1;
        let error = RedisError::new(Kind::Server(error));
        for name in names {
            let topic = Topic { family, name };
            let Some(entry) = self.topics.get_mut(&topic) else { continue };
            let Told::Asked { on } = entry.told else { continue };
            entry.told = if on { Told::Off } else { Told::On };
            // One that is refused among others is asked for again alone; one that is no longer what is wished is settled.
            if is_alone && entry.wanted == on {
                self.fail(&topic, &error);
            } else {
                entry.alone = true;
                self.settle(&topic);
            }
        }
        Ok(())
    }
}
