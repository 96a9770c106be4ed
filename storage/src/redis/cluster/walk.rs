//! Going through all servers, one after the other.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::time;

use super::{Cluster, Member};
use crate::redis::error::RedisError;

/// Where a `SCAN` of a whole cluster stands.
#[derive(Default)]
pub(in crate::redis) struct Walk {
    /// The servers to go to, the current one first, each with a slot it served at the start. `None` before that.
    left: Option<VecDeque<(u16, Rc<Member>)>>,
}

impl Walk {
    /// Makes sure that there is a server to ask; true if it is another one than before, so that a cursor means nothing to it.
    ///
    /// # Errors
    /// If there is no map of the cluster.
    pub(in crate::redis) async fn turn(
        &mut self,
        cluster: &Cluster,
        patience: Duration,
    ) -> Result<bool, RedisError> {
        let primaries = cluster.primaries(time::now() + patience).await?;
        let Some(left) = &mut self.left else {
            self.left = Some(primaries.into());
            return Ok(true);
        };
        let Some((slot, member)) = left.front_mut() else { return Ok(false) };
        if primaries.iter().any(|(_, primary)| Rc::ptr_eq(primary, member)) {
            return Ok(false);
        }
        // Its replica has taken over, and has an order of its own.
        *member = cluster.primary_of(Some(*slot), time::now() + patience).await?;
        Ok(true)
    }

    /// Whom to ask.
    pub(in crate::redis) fn member(&self) -> Option<Rc<Member>> {
        self.left.as_ref()?.front().map(|(_, member)| Rc::clone(member))
    }

    /// The current server has told all it has; true if it was the last one.
    pub(in crate::redis) fn is_last(&mut self) -> bool {
        self.left.as_mut().is_none_or(|left| {
            left.pop_front();
            left.is_empty()
        })
    }
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("left", &self.left.as_ref().map(VecDeque::len)).finish()
    }
}
