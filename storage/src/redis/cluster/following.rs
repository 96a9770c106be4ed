//! Redirections: what they change, and how often they are followed.

use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::time;

use super::layout::Redirection;
use super::map::Member;
use super::way::Way;
use super::{Cluster, EMPTY, Shared};
use crate::backoff::Backoff;
use crate::redis::config::ReadFrom;
use crate::redis::error::{Kind, RedisError};
use crate::redis::flight::Outcome;
use crate::redis::mux::Request;
use crate::redis::pool::lost;
use crate::redis::proto::{Command, ErrorReply, Value};

/// First pause, up to so long, after an answer that says "not now"; each further one up to twice as long.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Longest such pause.
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(500);

impl Cluster {
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
    pub(super) fn redirected(&self, redirection: &Redirection, asking: &mut Option<Rc<Member>>) -> bool {
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
}

/// [`ASKING`](https://redis.io/docs/latest/commands/asking/): before a transaction it holds for all of it.
pub(super) fn asking() -> Command {
    Command::new("ASKING")
}

/// The slot of all keys of several commands that one server is to execute.
pub(super) fn common_slot(commands: &[Command]) -> Result<Option<u16>, RedisError> {
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

pub(super) fn too_often(shared: &Shared, last: &ErrorReply) -> RedisError {
    shared.want_map();
    RedisError::new(Kind::Redirected { times: shared.config.redirects_max, last: last.clone() })
}
