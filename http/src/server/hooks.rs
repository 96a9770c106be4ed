//! Starting in step: hooks of the process, and cores that wait for one another.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use corelane_runtime::buf::LocalBoxFuture;
use corelane_runtime::{DriverChoice, Runtime, time};

use super::ServerError;
use crate::app::{AppService, HookError, Outcome};

/// Work of the process, done once.
pub(super) struct ProcessHook(Box<dyn FnOnce() -> LocalBoxFuture<'static, Result<(), HookError>> + Send>);

impl ProcessHook {
    #[track_caller]
    pub(super) fn new<F, Fut>(hook: F) -> ProcessHook
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: Outcome> + 'static,
    {
        let location = Location::caller();
        ProcessHook(Box::new(move || {
            LocalBoxFuture::new(async move {
                hook().await.into_result().map_err(|source| HookError::new(location, source))
            })
        }))
    }
}

/// Runs hooks one after the other, until one fails or the time is over.
///
/// On a thread of their own: the calling one may be a core already.
///
/// # Panics
/// If a hook does.
pub(super) fn run(
    hooks: Vec<ProcessHook>,
    driver: DriverChoice,
    within: Duration,
) -> Result<(), ServerError> {
    if hooks.is_empty() {
        return Ok(());
    }
    let thread = thread::Builder::new().name("corelane-hooks".into()).spawn(move || {
        let all = async move {
            for ProcessHook(hook) in hooks {
                hook().await?;
            }
            Ok(())
        };
        Runtime::builder().driver(driver).block_on(async { time::timeout(within, all).await })
    });
    match thread.map_err(ServerError::runtime)?.join() {
        Ok(Ok(Ok(outcome))) => outcome.map_err(ServerError::hook),
        Ok(Ok(Err(_))) => Err(ServerError::hook_timeout()),
        Ok(Err(error)) => Err(ServerError::runtime(error)),
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// How often a core that is ready looks whether the others are.
const READY_POLL: Duration = Duration::from_millis(1);

/// What a core tells about its start: `None` for one that has panicked, which its thread's end tells more about.
type Report = Result<(), Option<ServerError>>;

/// What the cores of a server share while they start: none accepts before all are ready.
#[derive(Clone)]
pub(super) struct Start {
    cores: usize,
    ready: Arc<AtomicUsize>,
    reports: mpsc::Sender<Report>,
}

impl Start {
    /// For so many cores; what they report comes out of the receiver.
    pub(super) fn new(cores: usize) -> (Start, mpsc::Receiver<Report>) {
        let (reports, receiver) = mpsc::channel();
        (Start { cores, ready: Arc::default(), reports }, receiver)
    }

    /// One core's part, held while that builds its application: dropped without a report, it tells of a panic.
    pub(super) fn core(&self) -> CoreStart {
        CoreStart { start: self.clone(), is_reported: false }
    }
}

/// Waits for the report of every core, or for the first that failed.
pub(super) fn wait(reports: &mpsc::Receiver<Report>, cores: usize) -> Report {
    (0..cores).try_for_each(|_| reports.recv().unwrap_or(Err(None)))
}

pub(super) struct CoreStart {
    start: Start,
    is_reported: bool,
}

impl CoreStart {
    /// Runs the start hooks of a core and waits until every core has run its own. False if this one is not to serve.
    ///
    /// If another core fails, this one is stopped where it waits.
    pub(super) async fn run(mut self, service: &AppService, within: Duration) -> bool {
        let outcome = match time::timeout(within, service.start()).await {
            Ok(outcome) => outcome.map_err(ServerError::hook),
            Err(_) => Err(ServerError::hook_timeout()),
        };
        let is_ready = outcome.is_ok();
        self.start.ready.fetch_add(usize::from(is_ready), Ordering::AcqRel);
        self.report(outcome.map_err(Some));
        while is_ready && self.start.ready.load(Ordering::Acquire) < self.start.cores {
            time::sleep(READY_POLL).await;
        }
        is_ready
    }

    /// Tells that this core cannot serve.
    pub(super) fn fail(mut self, error: ServerError) {
        self.report(Err(Some(error)));
    }

    fn report(&mut self, report: Report) {
        self.is_reported = true;
        // Nobody listens to the second failure.
        let _ = self.start.reports.send(report);
    }
}

impl Drop for CoreStart {
    fn drop(&mut self) {
        if !self.is_reported {
            self.report(Err(None));
        }
    }
}
