//! Keeping a connection: it is opened again whenever it ends, with pauses.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corelane_runtime::time;

use super::error::Cause;
use super::exclusive::{Exclusive, Target};
use crate::backoff::Backoff;
use crate::circuit::Circuit;

/// Shortest time between two tries while somebody waits and the server's process is not there. A refused connection
/// costs neither side anything, so the full backoff would only make the return slower.
const PROBE: Duration = Duration::from_millis(100);

/// A connection that ends sooner counts as a failed try: a server that accepts and closes at once must not be
/// reconnected to in a loop.
const SETTLED: Duration = Duration::from_secs(1);

/// Failed tries in a row before callers fail at once. The first already: a connection was lost and another refused.
const FAILURES_MAX: u32 = 1;

/// What uses a connection for as long as it lasts.
pub(super) trait Kept: 'static {
    fn target(&self) -> &Target;

    /// True if no connection is needed any more.
    fn is_closed(&self) -> bool;

    /// Ready once a connection is needed.
    fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// True if somebody has asked since [`on_away`](Self::on_away). Else the caller is woken when somebody does.
    fn poll_demand(&self, cx: &mut Context<'_>) -> bool;

    /// Runs one connection to its end; gives the cause.
    fn run(self: Rc<Self>, connection: Exclusive) -> impl Future<Output = Cause>;

    /// A try to connect has failed.
    fn on_connect_failed(&self);

    /// None is to be expected soon: callers are to fail at once.
    fn on_away(&self, cause: &Cause);
}

/// Keeps a connection until it is no longer needed. The first one may be there already.
pub(super) async fn keep<K: Kept>(kept: Rc<K>, mut ready: Option<Exclusive>) {
    let mut backoff = Backoff::default();
    let mut circuit = Circuit::new(FAILURES_MAX);
    loop {
        poll_fn(|cx| kept.poll_wanted(cx)).await;
        if kept.is_closed() {
            return;
        }
        let opened = match ready.take() {
            Some(connection) => Ok(connection),
            None => kept.target().open().await,
        };
        let cause = match opened {
            Ok(connection) => {
                circuit.success();
                let began = Instant::now();
                let cause = Rc::clone(&kept).run(connection).await;
                if kept.is_closed() {
                    return;
                }
                tracing::warn!(endpoint = %kept.target().endpoint, cause = %cause, "the connection to redis ended");
                if began.elapsed() >= SETTLED {
                    backoff.reset();
                    continue;
                }
                // Callers are not kept waiting for the pause.
                circuit.failure();
                cause
            }
            Err(cause) => {
                kept.on_connect_failed();
                circuit.failure();
                if circuit.failures() == 1 {
                    tracing::warn!(endpoint = %kept.target().endpoint, cause = %cause, "redis cannot be reached");
                }
                cause
            }
        };
        if circuit.is_open() {
            kept.on_away(&cause);
        }
        let now = Instant::now();
        let sooner = cause.is_absent().then(|| now + PROBE / 2 + backoff.jitter(PROBE / 2));
        pause(&*kept, now + backoff.next_wait(), sooner).await;
    }
}

/// Waits until `until`, or until `sooner` if somebody asks for the server.
async fn pause<K: Kept>(kept: &K, until: Instant, sooner: Option<Instant>) {
    let mut sleep = time::sleep_until(until);
    poll_fn(|cx| {
        let (closed, demand) = (kept.is_closed(), kept.poll_demand(cx));
        if closed {
            return Poll::Ready(());
        }
        if let Some(sooner) = sooner.filter(|_| demand)
            && sooner < sleep.deadline()
        {
            sleep.reset(sooner);
        }
        Pin::new(&mut sleep).poll(cx)
    })
    .await;
}
