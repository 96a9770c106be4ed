//! One core's accept loop, and its end.

use std::net::TcpListener as StdListener;
use std::rc::Rc;

use corelane_runtime::net::TcpListener;
use corelane_runtime::{shutdown, spawn, time};

use super::{Limits, Registry, TrustedProxies};
use crate::app::AppService;
use crate::conn::{self, Shared};

/// Most connections of a core that are being told that it is full: more are closed without an answer.
///
/// Each takes a descriptor until its peer has taken notice, for two seconds at most.
const REFUSED_MAX: usize = 32;

/// Accepts connections and serves each in a task of its own, until the runtime drains; then waits for the last one.
pub(super) async fn serve(listener: StdListener, service: AppService, limits: Limits, trust: TrustedProxies) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => Rc::new(listener),
        Err(error) => {
            tracing::error!(%error, "a core cannot take its listener over and serves nothing");
            return;
        }
    };
    let registry = Registry::new();
    let (drain_timeout, stop_timeout) = (limits.drain_timeout, limits.stop_timeout);
    let stopping = service.has_stop_hooks().then(|| service.clone());
    let shared = Shared::new(service, limits, trust);
    let accepting = spawn(accept(listener.clone(), shared, registry.clone()));
    shutdown::draining().await;
    listener.close();
    // Before the accept loop has ended: while the core is full, it waits for a connection to end.
    registry.drain();
    let rest = async {
        let _ = accepting.await;
        registry.below(1).await;
    };
    // What is open after that ends with this task, which is the core's first one.
    let is_late = time::timeout(drain_timeout, rest).await.is_err();
    let Some(service) = stopping else { return };
    if is_late {
        registry.cut();
    }
    if time::timeout(stop_timeout, service.stop()).await.is_err() {
        tracing::warn!(?stop_timeout, "the stop hooks of a core took longer than they may and were dropped");
    }
}

async fn accept(listener: Rc<TcpListener>, shared: Rc<Shared>, registry: Rc<Registry>) {
    let places = shared.limits.connections_per_core;
    loop {
        if !shared.limits.refuse_when_full {
            registry.below(places).await;
        }
        // Only a closed listener ends the loop: the runtime waits out a lack of descriptors.
        let Ok((stream, _)) = listener.accept().await else { return };
        let is_full = registry.served() >= places;
        if is_full && registry.refused() >= REFUSED_MAX {
            continue;
        }
        let ticket = registry.enter(stream.close_handle(), is_full);
        let shared = shared.clone();
        if is_full {
            drop(spawn(conn::refuse(stream, shared, ticket)));
        } else {
            drop(spawn(conn::serve(stream, shared, ticket)));
        }
    }
}
