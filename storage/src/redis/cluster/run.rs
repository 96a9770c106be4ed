//! Requests in a cluster: each part to the server it concerns, redirections followed, replies in order.

use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime::time;

use super::layout::Redirection;
use super::map::Member;
use super::way::{Merge, Way};
use super::{Cluster, EMPTY, Shared};
use crate::backoff::Backoff;
use crate::redis::config::ReadFrom;
use crate::redis::error::{Kind, RedisError};
use crate::redis::flight::{self, Outcome};
use crate::redis::mux::Request;
use crate::redis::pool::lost;
use crate::redis::proto::{Command, ErrorReply, Value};

/// First pause, up to so long, after an answer that says "not now"; each further one up to twice as long.
const PAUSE: Duration = Duration::from_millis(10);

/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What goes to one server in one piece: a command, or a transaction.
struct Unit {
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

enum Aim {
    Slot(u16),
    /// Fixed by whoever made the unit.
    Member(Rc<Member>),
}

impl Unit {
    fn new(request: Request, aim: Aim) -> Unit {
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

    /// Follows redirections for somebody who sends these commands by other ways than [`request`](Self::request). Waits
    /// for the map if there is none yet.
    ///
    /// # Errors
    /// If they concern several slots, or there is no map to be had.
    pub(in crate::redis) async fn follow(
        &self,
        commands: &[Command],
        patience: Duration,
    ) -> Result<Following<'_>, RedisError> {
        let slot = common_slot(commands)?;
        self.shared.ready(time::now() + patience).await?;
        let backoff = Backoff::new(PAUSE, PAUSE_MAX);
        Ok(Following { shared: &self.shared, slot, asking: None, backoff, redirects: 0 })
    }

    /// Executes a request on a connection of its own. The caller sees to the deadline.
    pub(in crate::redis) async fn exclusively(&self, request: &Request, patience: Duration) -> Outcome {
        let mut following = self.follow(request.commands(), patience).await?;
        loop {
            let member = following.member()?;
            let mut lent = match member.pool().take().await {
                Ok(lent) => lent,
                Err(error) => {
                    self.shared.want_map();
                    return Err(error);
                }
            };
            let mut commands: Vec<Command> = following.asking().into_iter().collect();
            let skip = commands.len();
            commands.extend_from_slice(request.commands());
            let mut replies = match lent.exchange_all(&commands).await {
                Ok(replies) => replies,
                Err(cause) => {
                    self.shared.want_map();
                    return Err(lost(cause));
                }
            };
            drop(lent);
            replies.drain(..skip);
            let first_error = replies.iter().find_map(|reply| match reply {
                Value::Error(error) => Some(error.clone()),
                _ => None,
            });
            if let Some(error) = first_error
                && replies.len() == 1
                && following.follow(&error, &member).await?
            {
                continue;
            }
            return match request {
                Request::One(_) => Ok(replies.pop().unwrap_or(Value::Null)),
                Request::Many(_) => Ok(Value::Array(replies)),
            };
        }
    }
}

/// The way of somebody who sends by themselves, from one server to the next.
pub(in crate::redis) struct Following<'a> {
    shared: &'a Shared,
    slot: Option<u16>,
    asking: Option<Rc<Member>>,
    backoff: Backoff,
    redirects: u32,
}

impl Following<'_> {
    /// Whom to send to.
    ///
    /// # Errors
    /// If there is nobody.
    pub(in crate::redis) fn member(&self) -> Result<Rc<Member>, RedisError> {
        let member = match (&self.asking, self.slot) {
            (Some(member), _) => Some(Rc::clone(member)),
            (None, Some(slot)) => self.shared.owner(slot, ReadFrom::Primary),
            (None, None) => self.shared.any(),
        };
        member.ok_or_else(|| RedisError::new(Kind::Unavailable(EMPTY)))
    }

    /// What has to be said before each command, if anything.
    pub(in crate::redis) fn asking(&self) -> Option<Command> {
        self.asking.as_ref().map(|_| asking())
    }

    /// What to do about an error that `member` answered with: true to send again, to the new [`member`](Self::member).
    ///
    /// # Errors
    /// If it was sent from one to the next too often.
    pub(in crate::redis) async fn follow(
        &mut self,
        error: &ErrorReply,
        member: &Rc<Member>,
    ) -> Result<bool, RedisError> {
        let Some(redirection) = Redirection::of(error, member.endpoint()) else { return Ok(false) };
        if matches!(redirection, Redirection::NotReady) {
            return Ok(false);
        }
        self.redirects += 1;
        if self.redirects > self.shared.config.redirects_max {
            return Err(too_often(self.shared, error));
        }
        let pause = self.shared.redirected(&redirection, &mut self.asking);
        if pause {
            time::sleep(self.backoff.next_wait()).await;
        }
        Ok(true)
    }
}

impl Shared {
    /// Takes note of a redirection; true if it is better to wait a little.
    fn redirected(&self, redirection: &Redirection, asking: &mut Option<Rc<Member>>) -> bool {
        self.redirects.set(self.redirects.get() + 1);
        match redirection {
            Redirection::Moved { slot, to: Some(to) } => {
                *asking = None;
                self.moved(*slot, &self.at(to));
                false
            }
            Redirection::Ask { to: Some(to) } => {
                *asking = Some(self.at(to));
                false
            }
            // Whom we were sent to stays right.
            Redirection::TryAgain => true,
            Redirection::Moved { to: None, .. }
            | Redirection::Ask { to: None }
            | Redirection::Down
            | Redirection::NotReady
            | Redirection::Unblocked => {
                *asking = None;
                self.want_map();
                true
            }
        }
    }

    /// Sends all units and gives their replies, in order.
    /// If there is only one, it may have been sent already: `first` is what came of it.
    async fn run(
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
    pub(super) fn trouble(&self, error: &RedisError) {
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

/// [`ASKING`](https://redis.io/docs/latest/commands/asking/): before a transaction it holds for all of it.
fn asking() -> Command {
    Command::new("ASKING")
}

fn is_transaction(commands: &[Command]) -> bool {
    let is = |command: Option<&Command>, name: &[u8]| {
        command.is_some_and(|command| command.name().eq_ignore_ascii_case(name))
    };
    is(commands.first(), b"MULTI") && is(commands.last(), b"EXEC")
}

/// The slot of all keys of several commands that one server is to execute.
fn common_slot(commands: &[Command]) -> Result<Option<u16>, RedisError> {
    let mut common = None;
    for command in commands {
        let slot = match Way::of(command).map_err(RedisError::new)? {
            Way::Slot(slot) => slot,
            // In a transaction, or while it waits, a command is not split. Others have no keys.
            Way::Split(..) => return Err(RedisError::new(Kind::CrossSlot)),
            Way::Any | Way::Every(_) => continue,
        };
        if *common.get_or_insert(slot) != slot {
            return Err(RedisError::new(Kind::CrossSlot));
        }
    }
    Ok(common)
}

fn any(shared: &Shared) -> Result<Rc<Member>, RedisError> {
    shared.any().ok_or_else(|| RedisError::new(Kind::Unavailable(EMPTY)))
}

fn too_often(shared: &Shared, last: &ErrorReply) -> RedisError {
    shared.want_map();
    RedisError::new(Kind::Redirected { times: shared.config.redirects_max, last: last.clone() })
}
