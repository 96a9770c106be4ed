//! What one core does with its listeners, and how it ends.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelane_runtime::net::{Accepted, Listener};
use corelane_runtime::{CoreId, core_id, shutdown, spawn, time};

use super::greet::{Door, Handshakes, greet};
use super::intake::Intake;
use super::registry::{Registry, Rest, State};
use super::sockets::Copy;
use super::status::Status;
use super::{Limits, Listen, TrustedProxies, Way};
use crate::app::AppService;
use crate::conn::{self, Shared};

/// Most connections of a core that are being told that it is full: more are closed without an answer.
///
/// Each takes a descriptor until its peer has taken notice, for two seconds at most.
const REFUSED_MAX: usize = 32;

/// How long a connection of which no byte has come may still send its first request when the server stops: it was
/// accepted just before, and its request is on its way.
const FRESH_GRACE: Duration = Duration::from_millis(500);

/// Least time that connections at rest may still send a request when a successor has taken over: their clients learn from the
/// answer that the connection ends, and no request meets a closed one.
const HANDOVER_GRACE: Duration = Duration::from_secs(5);

/// How often a core that drains tells what it waits for.
const DRAIN_REPORT: Duration = Duration::from_millis(250);

/// What a core is given to serve.
pub(super) struct Job {
    pub(super) sockets: Vec<Copy>,
    pub(super) places: Arc<[Listen]>,
    pub(super) limits: Limits,
    pub(super) trust: TrustedProxies,
    pub(super) status: Status,
    pub(super) intake: Intake,
}

/// One core while it serves.
struct Here {
    core: CoreId,
    /// For plain connections.
    shared: Rc<Shared>,
    doors: Vec<Rc<Door>>,
    registry: Rc<Registry>,
    status: Status,
    intake: Intake,
}

/// Accepts connections and serves each in a task of its own, until the runtime drains; then waits for the last one.
pub(super) async fn serve(job: Job, service: AppService) {
    let Job { sockets, places, limits, trust, status, intake } = job;
    let (drain_timeout, stop_timeout) = (limits.drain_timeout, limits.stop_timeout);
    let idle_grace = limits.drain_idle_timeout;
    let stopping = service.has_stop_hooks().then(|| service.clone());
    let core = core_id();
    let secure = Way { proxies: trust.clone(), secure: true };
    let secure = Shared::new(service.clone(), limits.clone(), secure);
    let shared = Shared::new(service, limits, Way { proxies: trust, secure: false });
    let handshakes = Handshakes::new();
    let door = |listen: &Listen| Door {
        plain: shared.clone(),
        secure: secure.clone(),
        handshakes: handshakes.clone(),
        proxies: listen.proxies.clone(),
        #[cfg(feature = "tls")]
        tls: listen.tls.clone(),
    };
    let here = Rc::new(Here {
        core,
        doors: places.iter().map(door).map(Rc::new).collect(),
        shared,
        registry: Registry::reporting(Some((status.clone(), core))),
        status,
        intake,
    });
    let mut listeners = Vec::with_capacity(sockets.len());
    for (place, socket) in sockets {
        match Listener::adopt(socket) {
            Ok(listener) => listeners.push((place, Rc::new(listener))),
            Err(error) => {
                tracing::error!(%error, "a core cannot take its listeners over and serves nothing");
                return here.intake.close(core);
            }
        }
    }
    let mut working = vec![spawn(take_in(here.clone()))];
    for (place, listener) in &listeners {
        working.push(spawn(accept(here.clone(), *place, listener.clone())));
    }
    shutdown::draining().await;
    listeners.iter().for_each(|(_, listener)| listener.close());
    drop(listeners);
    here.intake.close(core);
    let rest = async {
        for task in working {
            let _ = task.await;
        }
        here.registry.empty().await;
    };
    let grace = if here.status.is_handed_over() { idle_grace.max(HANDOVER_GRACE) } else { idle_grace };
    // What is open after that ends with this task, which is the core's first one.
    let is_late = !here.drain(rest, grace, drain_timeout).await;
    let Some(service) = stopping else { return };
    if is_late {
        here.registry.cut();
    }
    if time::timeout(stop_timeout, service.stop()).await.is_err() {
        tracing::warn!(?stop_timeout, "the stop hooks of a core took longer than they may and were dropped");
    }
}

/// Accepts at one place until its listener is closed, and then lets in those that the kernel had accepted by then.
async fn accept(here: Rc<Here>, place: usize, listener: Rc<Listener>) {
    let limits = &here.shared.limits;
    loop {
        if !limits.refuse_when_full {
            here.registry.room(limits.connections_per_core).await;
        }
        // Only a closed listener ends the loop: the runtime waits out a lack of descriptors.
        let Ok(accepted) = listener.accept_unserved().await else { break };
        here.let_in(place, accepted);
    }
    while let Some(accepted) = listener.rest().await {
        here.let_in(place, accepted);
    }
}

/// Serves what other cores have accepted for this one.
async fn take_in(here: Rc<Here>) {
    while let Some((place, accepted)) = here.intake.next(here.core).await {
        here.serve(place, accepted);
    }
}

impl Here {
    /// Serves a connection, or has another core do it if that one has far fewer.
    fn let_in(&self, place: usize, accepted: Accepted) {
        let better = self.status.better_than(self.core).filter(|_| !self.registry.is_draining());
        let accepted = match better {
            None => accepted,
            Some(better) => {
                // Counted here, so that the next one is not sent there for the same reason.
                self.status.come(better);
                match self.intake.send(better, (place, accepted)) {
                    Ok(()) => return,
                    Err((_, accepted)) => {
                        self.status.gone(better);
                        accepted
                    }
                }
            }
        };
        self.status.come(self.core);
        self.serve(place, accepted);
    }

    /// Serves a connection that counts to this core's load already.
    fn serve(&self, place: usize, accepted: Accepted) {
        let limits = &self.shared.limits;
        let is_full = limits.refuse_when_full && self.registry.served() >= limits.connections_per_core;
        if is_full && self.registry.refused() >= REFUSED_MAX {
            return self.status.gone(self.core);
        }
        let stream = match accepted.into_stream() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was closed: the core cannot take it");
                return self.status.gone(self.core);
            }
        };
        let shared = self.shared.clone();
        let door = &self.doors[place];
        let enter = |state| self.registry.enter(stream.close_handle(), state);
        if door.has_handshake() {
            if is_full {
                // A refusal would have to be told by TLS.
                return self.status.gone(self.core);
            }
            let ticket = enter(State::Handshake);
            drop(spawn(greet(stream, door.clone(), ticket, limits.handshake_timeout)));
        } else if is_full {
            let ticket = enter(State::Refused);
            drop(spawn(conn::refuse(stream, shared, ticket)));
        } else {
            let ticket = enter(State::Fresh);
            drop(spawn(conn::serve(stream, shared, ticket)));
        }
    }

    /// Waits for `rest`, and tells meanwhile what it waits for. False if the time is over before.
    async fn drain(&self, rest: impl Future<Output = ()>, grace: Duration, within: Duration) -> bool {
        let began = time::now();
        let (first, grace) =
            if grace.is_zero() { (Rest::First, FRESH_GRACE) } else { (Rest::OneMore, grace) };
        self.registry.drain(first);
        let mut may_rest = true;
        let mut rest = pin!(rest);
        loop {
            let elapsed = time::now().saturating_duration_since(began);
            if may_rest && elapsed >= grace {
                self.registry.drain(Rest::None);
                may_rest = false;
            }
            let counted = self.registry.count();
            self.status.publish(self.core, &counted);
            let left = within.saturating_sub(elapsed);
            if left.is_zero() && counted.total() > 0 {
                return false;
            }
            let step = if may_rest { grace.saturating_sub(elapsed).min(DRAIN_REPORT) } else { DRAIN_REPORT };
            if time::timeout(step.min(left), rest.as_mut()).await.is_ok() {
                self.status.publish(self.core, &self.registry.count());
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
    }
}
