//! Listening to the sentinels, so that a primary that is none any more is left although its connection is fine.

use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::{JoinHandle, spawn, time};

use super::{Sentinels, Wanted, answer};
use crate::backoff::Backoff;
use crate::redis::config::Endpoint;
use crate::redis::error::Cause;
use crate::redis::exclusive::Exclusive;
use crate::redis::node::Node;
use crate::redis::pool::Pool;
use crate::redis::pubsub::{self, Event};

/// A task that listens. Dropping this ends it.
pub(in crate::redis) struct Watch(JoinHandle<()>);

impl Watch {
    /// Ends the connections of `node` and the idle ones of `pool` when the primary is another one.
    pub(in crate::redis) fn start(sentinels: Rc<Sentinels>, node: Node, pool: Rc<Pool>) -> Watch {
        Watch(spawn(watch(sentinels, node, pool)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(sentinels: Rc<Sentinels>, node: Node, pool: Rc<Pool>) {
    let (subscriber, mut messages) = pubsub::subscriber(sentinels.target(Wanted::Sentinel));
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    // Only the first time: a subscription that is lost is made again.
    while subscriber.subscribe(["+switch-master"]).await.is_err() {
        time::sleep(Duration::from_millis(50) + backoff.next_wait()).await;
    }
    // What happened before the subscription was told to nobody.
    let mut now = sentinels.look().await;
    loop {
        if let Some(primary) = now.take() {
            let is_other = sentinels.primary.borrow().as_ref().is_some_and(|known| *known != primary);
            if is_other && node.is_up() {
                tracing::info!(primary = %primary, "the primary of the redis service is another one now");
                pool.forget_idle();
                node.end(Cause::Sentinel("another server is the primary now"));
            }
        }
        match messages.next().await {
            Event::Message(message) => {
                now = answer::switched(&message.payload, &sentinels.service)
                    .map(|primary| sentinels.reachable(primary));
            }
            Event::Missed(_) => now = sentinels.look().await,
            _ => {}
        }
    }
}

impl Sentinels {
    /// Who is the primary now, if a sentinel tells.
    async fn look(&self) -> Option<Endpoint> {
        let mut sentinel: Exclusive = self.open(Wanted::Sentinel).await.ok()?;
        self.ask_primary(&mut sentinel).await.ok()
    }
}
