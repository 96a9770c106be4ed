//! Parts of a request, each to the server it concerns, until each has its reply.

use std::rc::Rc;
use std::time::Instant;

use corelane_runtime::time;

use super::following::{PAUSE, PAUSE_MAX, asking, too_often};
use super::layout::Redirection;
use super::map::Member;
use super::{EMPTY, Shared};
use crate::backoff::Backoff;
use crate::redis::config::ReadFrom;
use crate::redis::error::{Kind, RedisError};
use crate::redis::flight::{self, Outcome};
use crate::redis::mux::Request;
use crate::redis::proto::{Command, ErrorReply, Value};

/// What goes to one server in one piece: a command, or a transaction.
pub(super) struct Unit {
    request: Request,
    aim: Aim,
    /// Where the server of the slot has sent us, this once.
    asking: Option<Rc<Member>>,
    /// A replica was of no use.
    primary_only: bool,
    /// Its connection ended once already.
    is_retried: bool,
    reply: Option<Value>,
}

pub(super) enum Aim {
    Slot(u16),
    /// Fixed by whoever made the unit.
    Member(Rc<Member>),
}

impl Unit {
    pub(super) fn new(request: Request, aim: Aim) -> Unit {
        Unit { request, aim, asking: None, primary_only: false, is_retried: false, reply: None }
    }

    fn is_read_only(&self) -> bool {
        self.request.commands().iter().all(Command::is_read_only)
    }

    /// Whom to send it to.
    fn destination(&self, shared: &Shared) -> Option<Rc<Member>> {
        match (&self.asking, &self.aim) {
            (Some(member), _) | (None, Aim::Member(member)) => Some(Rc::clone(member)),
            (None, Aim::Slot(slot)) => {
                let replica = !self.primary_only && self.is_read_only();
                shared.owner(*slot, if replica { shared.config.read_from } else { ReadFrom::Primary })
            }
        }
    }

    /// The first key, if the order among commands with that key matters to the caller.
    fn key(&self) -> Option<&[u8]> {
        match &self.request {
            Request::One(command) => command.first_key(),
            Request::Many(_) => None,
        }
    }
}

/// Units that go to the same server together.
struct Group {
    member: Rc<Member>,
    units: Vec<usize>,
}

impl Shared {
    /// Sends all units and gives their replies, in order.
    /// If there is only one, it may have been sent already: `first` is what came of it.
    pub(super) async fn run(
        &self,
        mut units: Vec<Unit>,
        deadline: Instant,
        mut first: Option<(Rc<Member>, Outcome)>,
    ) -> Result<Vec<Value>, RedisError> {
        let mut pending: Vec<usize> = (0..units.len()).collect();
        let mut backoff = Backoff::new(PAUSE, PAUSE_MAX);
        let mut redirects = 0;
        while !pending.is_empty() {
            let (groups, outcomes) = match first.take() {
                Some((member, outcome)) => (vec![Group { member, units: vec![0] }], vec![outcome]),
                None => {
                    let groups = self.groups(&units, &pending)?;
                    let requests =
                        groups.iter().map(|group| (group.member.node().clone(), joined(&units, group)));
                    let outcomes = flight::all(requests.collect(), deadline).await;
                    (groups, outcomes)
                }
            };
            let mut round = Round { pause: false, is_partial: false, failure: None, again: Vec::new() };
            for (group, outcome) in groups.into_iter().zip(outcomes) {
                self.take(&mut units, &group, outcome, &mut round, deadline);
            }
            if let Some(error) = round.failure {
                let is_partial = round.is_partial || units.iter().any(|unit| unit.reply.is_some());
                return Err(if is_partial { error.into_partial() } else { error });
            }
            round.again.sort_unstable_by_key(|(unit, _)| *unit);
            leave_overtaken(&mut units, &mut round.again);
            let redirected = round.again.iter().any(|(_, error)| error.is_some());
            redirects += u32::from(redirected);
            if redirects > self.config.redirects_max {
                if let ([_], Some((_, Some(error)))) = (&units[..], round.again.first()) {
                    return Err(too_often(self, error));
                }
                for (unit, error) in round.again.drain(..) {
                    units[unit].reply = Some(error.map_or(Value::Null, Value::Error));
                }
            }
            if round.pause && !round.again.is_empty() {
                let until = time::now() + backoff.next_wait();
                time::sleep_until(until.min(deadline)).await;
            }
            pending = round.again.into_iter().map(|(unit, _)| unit).collect();
        }
        Ok(units.into_iter().map(|unit| unit.reply.unwrap_or(Value::Null)).collect())
    }

    /// Those who go to the same server go together, in their order.
    fn groups(&self, units: &[Unit], pending: &[usize]) -> Result<Vec<Group>, RedisError> {
        let mut groups: Vec<Group> = Vec::new();
        for &unit in pending {
            let member = units[unit].destination(self);
            let member = member.ok_or_else(|| RedisError::new(Kind::Unavailable(EMPTY)))?;
            match groups.iter_mut().find(|group| Rc::ptr_eq(&group.member, &member)) {
                Some(group) => group.units.push(unit),
                None => groups.push(Group { member, units: vec![unit] }),
            }
        }
        Ok(groups)
    }

    /// Deals with what came of a group.
    fn take(
        &self,
        units: &mut [Unit],
        group: &Group,
        outcome: Outcome,
        round: &mut Round,
        deadline: Instant,
    ) {
        let replies = match outcome {
            Ok(Value::Array(values)) if !is_single(units, group) => values,
            Ok(value) => vec![value],
            Err(error) => {
                self.trouble(&error);
                let is_replica = self.is_replica(units, group);
                let again = group.units.iter().all(|&unit| {
                    let unit = &mut units[unit];
                    let is_first = !std::mem::replace(&mut unit.is_retried, true);
                    let is_safe = is_replica && !error.is_deadline() || unit.request.may_repeat(&error);
                    unit.primary_only = true;
                    (is_first && is_safe) && deadline > time::now()
                });
                if again {
                    round.again.extend(group.units.iter().map(|&unit| (unit, None)));
                } else {
                    // Of two, one that was not sent says nothing about the other.
                    round.is_partial |= round.failure.is_some() && error.is_maybe_executed();
                    round.failure = round.failure.take().or(Some(error));
                }
                return;
            }
        };
        let mut replies = replies.into_iter();
        for &place in &group.units {
            let unit = &mut units[place];
            if unit.asking.is_some() {
                // `OK`, to `ASKING`.
                drop(replies.next());
            }
            let reply = match &unit.request {
                Request::One(_) => replies.next().unwrap_or(Value::Null),
                Request::Many(commands) => Value::Array(replies.by_ref().take(commands.len()).collect()),
            };
            let refused = refusal(&reply).and_then(|error| {
                Redirection::of(error, group.member.endpoint()).map(|what| (what, error.clone()))
            });
            let Some((redirection, error)) = refused else {
                unit.reply = Some(reply);
                continue;
            };
            let from_replica =
                !unit.primary_only && unit.is_read_only() && self.config.read_from == ReadFrom::Replica;
            if matches!(redirection, Redirection::NotReady) && !from_replica {
                unit.reply = Some(reply);
                continue;
            }
            unit.primary_only = true;
            let pause = self.redirected(&redirection, &mut unit.asking);
            round.pause |= pause && !from_replica;
            round.again.push((place, Some(error)));
        }
    }

    /// What callers have trouble with may be a sign of a change.
    fn trouble(&self, error: &RedisError) {
        if matches!(error.kind(), Kind::Lost { .. } | Kind::Unavailable(_) | Kind::Deadline { .. }) {
            self.want_map();
        }
    }

    /// True if the group went to a server that is not the primary of its first unit's slot.
    fn is_replica(&self, units: &[Unit], group: &Group) -> bool {
        let Some(unit) = group.units.first().map(|&unit| &units[unit]) else { return false };
        match unit.aim {
            Aim::Slot(slot) if unit.asking.is_none() && unit.is_read_only() => {
                let primary = self.owner(slot, ReadFrom::Primary);
                primary.is_some_and(|primary| !Rc::ptr_eq(&primary, &group.member))
            }
            _ => false,
        }
    }
}

/// What came of sending all that was pending.
struct Round {
    pause: bool,
    /// Behind the first failure another one may have been executed.
    is_partial: bool,
    failure: Option<RedisError>,
    /// What is to be sent again, and the error that said so.
    again: Vec<(usize, Option<ErrorReply>)>,
}

/// Commands for one key are executed in their order or not at all: one that was refused is left with its error if a
/// later one for the same key was executed meanwhile.
fn leave_overtaken(units: &mut [Unit], again: &mut Vec<(usize, Option<ErrorReply>)>) {
    again.retain(|(place, error)| {
        let Some(key) = units[*place].key() else { return true };
        let is_overtaken =
            units[place + 1..].iter().any(|later| later.reply.is_some() && later.key() == Some(key));
        if is_overtaken && let Some(error) = error {
            units[*place].reply = Some(Value::Error(error.clone()));
            return false;
        }
        true
    });
}

/// One request for all units of a group.
fn joined(units: &[Unit], group: &Group) -> Request {
    if is_single(units, group) {
        return units[group.units[0]].request.clone();
    }
    let mut commands = Vec::with_capacity(group.units.len());
    for &unit in &group.units {
        let unit = &units[unit];
        commands.extend(unit.asking.as_ref().map(|_| asking()));
        commands.extend_from_slice(unit.request.commands());
    }
    Request::Many(commands.into())
}

/// True if the group is one command and nothing else.
fn is_single(units: &[Unit], group: &Group) -> bool {
    match &group.units[..] {
        [unit] => units[*unit].asking.is_none() && matches!(units[*unit].request, Request::One(_)),
        _ => false,
    }
}

/// The error that kept a command or a transaction from being executed.
fn refusal(reply: &Value) -> Option<&ErrorReply> {
    match reply {
        Value::Error(error) => Some(error),
        // Of a transaction only if `EXEC` failed as well: the first one says why.
        Value::Array(replies) if matches!(replies.last(), Some(Value::Error(_))) => {
            replies.iter().find_map(|reply| match reply {
                Value::Error(error) => Some(error),
                _ => None,
            })
        }
        _ => None,
    }
}
