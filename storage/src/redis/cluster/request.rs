//! Requests in a cluster: which servers they concern, and one reply from theirs.

use std::rc::Rc;
use std::time::Instant;

use super::following::common_slot;
use super::layout::Redirection;
use super::map::Member;
use super::run::{Aim, Unit};
use super::way::{Merge, Way};
use super::{Cluster, EMPTY, Shared};
use crate::redis::config::ReadFrom;
use crate::redis::error::{Kind, RedisError};
use crate::redis::flight::Outcome;
use crate::redis::mux::Request;
use crate::redis::proto::{Command, Value};

/// How the commands of a request became units, and how their replies become its own.
enum Part {
    One,
    Merged(usize, Merge),
}

impl Cluster {
    /// The server for a command that needs no more than to be sent there. `None` if it needs [`request`](Self::request).
    #[inline]
    pub(in crate::redis) fn direct(&self, command: &Command) -> Option<Rc<Member>> {
        let shared = &*self.shared;
        if command.is_read_only() && shared.config.read_from == ReadFrom::Replica {
            return None;
        }
        match Way::of(command) {
            Ok(Way::Slot(slot)) => shared.owner(slot, ReadFrom::Primary),
            _ => None,
        }
    }

    /// True if an outcome is not the last word: [`resume`](Self::resume) goes on from it.
    #[inline]
    pub(in crate::redis) fn is_open(&self, outcome: &Outcome, member: &Member) -> bool {
        match outcome {
            Ok(Value::Error(error)) => Redirection::of(error, member.endpoint()).is_some(),
            Ok(_) => false,
            Err(_) => true,
        }
    }

    /// Goes on from what came of sending a command to the server that [`direct`](Self::direct) named.
    ///
    /// # Errors
    /// As a [`Call`](crate::redis::Call).
    pub(in crate::redis) async fn resume(
        &self,
        request: Request,
        member: Rc<Member>,
        outcome: Outcome,
        deadline: Instant,
    ) -> Outcome {
        let slot = common_slot(request.commands())?;
        let aim = slot.map_or_else(|| Aim::Member(Rc::clone(&member)), Aim::Slot);
        let units = vec![Unit::new(request, aim)];
        let mut replies = self.shared.run(units, deadline, Some((member, outcome))).await?;
        Ok(replies.pop().unwrap_or(Value::Null))
    }

    /// Executes a request.
    ///
    /// # Errors
    /// As a [`Call`](crate::redis::Call).
    ///
    /// # Cancellation
    /// May be dropped at any time; any part of it may be executed.
    pub(in crate::redis) async fn request(&self, request: &Request, deadline: Instant) -> Outcome {
        let shared = &*self.shared;
        shared.ready(deadline).await?;
        if let Request::Many(commands) = request
            && is_transaction(commands)
        {
            let aim = match common_slot(commands)? {
                Some(slot) => Aim::Slot(slot),
                None => Aim::Member(any(shared)?),
            };
            let mut replies = shared.run(vec![Unit::new(request.clone(), aim)], deadline, None).await?;
            return Ok(replies.pop().unwrap_or(Value::Null));
        }
        let commands = request.commands();
        let mut units = Vec::with_capacity(commands.len());
        let mut parts = Vec::with_capacity(commands.len());
        // Those without keys go to the same server, whichever that is.
        let mut some = None;
        for command in commands {
            match Way::of(command).map_err(RedisError::new)? {
                Way::Slot(slot) => {
                    units.push(Unit::new(Request::One(command.clone()), Aim::Slot(slot)));
                    parts.push(Part::One);
                }
                Way::Any => {
                    let member = match &some {
                        Some(member) => Rc::clone(member),
                        None => any(shared)?,
                    };
                    some = Some(Rc::clone(&member));
                    units.push(Unit::new(Request::One(command.clone()), Aim::Member(member)));
                    parts.push(Part::One);
                }
                Way::Every(merge) => {
                    let primaries = shared.primaries();
                    parts.push(Part::Merged(primaries.len(), merge));
                    let unit = |(_, member)| Unit::new(Request::One(command.clone()), Aim::Member(member));
                    units.extend(primaries.into_iter().map(unit));
                }
                Way::Split(split, merge) => {
                    parts.push(Part::Merged(split.len(), merge));
                    let unit = |(slot, command)| Unit::new(Request::One(command), Aim::Slot(slot));
                    units.extend(split.into_iter().map(unit));
                }
            }
        }
        let mut replies = shared.run(units, deadline, None).await?.into_iter();
        let mut whole = parts.into_iter().map(|part| match part {
            Part::One => replies.next().unwrap_or(Value::Null),
            Part::Merged(count, merge) => merge.merge(replies.by_ref().take(count).collect()),
        });
        match request {
            Request::One(_) => Ok(whole.next().unwrap_or(Value::Null)),
            Request::Many(_) => Ok(Value::Array(whole.collect())),
        }
    }

    /// One command on each primary.
    ///
    /// # Errors
    /// As a [`Call`](crate::redis::Call): the first failure among them.
    pub(in crate::redis) async fn on_each(
        &self,
        command: &Command,
        deadline: Instant,
    ) -> Result<Vec<(Rc<Member>, Value)>, RedisError> {
        let members: Vec<_> = self.primaries(deadline).await?.into_iter().map(|(_, member)| member).collect();
        let unit =
            |member: &Rc<Member>| Unit::new(Request::One(command.clone()), Aim::Member(Rc::clone(member)));
        let units = members.iter().map(unit).collect();
        let replies = self.shared.run(units, deadline, None).await?;
        Ok(members.into_iter().zip(replies).collect())
    }

    /// One command on one server.
    ///
    /// # Errors
    /// As a [`Call`](crate::redis::Call).
    pub(in crate::redis) async fn on_member(
        &self,
        member: Rc<Member>,
        command: Command,
        deadline: Instant,
    ) -> Outcome {
        let unit = Unit::new(Request::One(command), Aim::Member(member));
        let mut replies = self.shared.run(vec![unit], deadline, None).await?;
        Ok(replies.pop().unwrap_or(Value::Null))
    }
}

fn is_transaction(commands: &[Command]) -> bool {
    let is = |command: Option<&Command>, name: &[u8]| {
        command.is_some_and(|command| command.name().eq_ignore_ascii_case(name))
    };
    is(commands.first(), b"MULTI") && is(commands.last(), b"EXEC")
}

fn any(shared: &Shared) -> Result<Rc<Member>, RedisError> {
    shared.any().ok_or_else(|| RedisError::new(Kind::Unavailable(EMPTY)))
}
