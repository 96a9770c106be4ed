//! A run: connects, warms up, measures a window, ends.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime::{JoinHandle, spawn, time, yield_now};

use super::arrivals::Arrivals;
use super::client::{Client, Fault};
use super::{Errors, Options, Outcome, ServerUse};
use crate::latency::Latencies;
use crate::process::{CpuTime, resident_bytes};

/// Between two attempts of a connection that failed, so that a dead server is not hammered.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);
/// How often progress is told.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Window,
    Over,
}

/// What the tasks of a run share. All of them run on one core.
struct Shared {
    options: Options,
    /// The requests of one exchange, sent as they are each time.
    batch: &'static [u8],
    phase: Cell<Phase>,
    /// Connections that have been open at least once.
    connected: Cell<usize>,
    answers: Cell<u64>,
    latencies: RefCell<Latencies>,
    errors: RefCell<Errors>,
    first_error: RefCell<Option<String>>,
    /// Of an open loop.
    arrivals: Option<Arrivals>,
}

impl Shared {
    fn new(options: &Options) -> Self {
        let distance = |rate: f64| Duration::from_secs_f64(super::as_f64(options.pipeline as u64) / rate);
        Self {
            options: options.clone(),
            // One allocation for the life of the process, which makes one run.
            batch: options.ask.request().repeat(options.pipeline).leak(),
            phase: Cell::new(Phase::WarmUp),
            connected: Cell::new(0),
            answers: Cell::new(0),
            latencies: RefCell::new(Latencies::new()),
            errors: RefCell::default(),
            first_error: RefCell::default(),
            arrivals: options.rate.map(|rate| Arrivals::new(distance(rate))),
        }
    }

    fn is_over(&self) -> bool {
        self.phase.get() == Phase::Over
    }

    /// Counts `answers` to requests that were sent, or due, at `start`.
    fn answered(&self, start: Instant, answers: usize) {
        if self.phase.get() == Phase::Window {
            let answers = answers as u64;
            self.answers.set(self.answers.get() + answers);
            self.latencies.borrow_mut().record(start.elapsed(), answers);
        }
    }
}

pub(super) async fn run(options: &Options, progress: &impl Fn(f64)) -> io::Result<Outcome> {
    let shared = Rc::new(Shared::new(options));
    let tasks: Vec<JoinHandle<()>> =
        (0..options.connections).map(|_| spawn(keep_asking(Rc::clone(&shared)))).collect();
    wait_until_connected(&shared).await?;
    drop(spawn(keep_pace(Rc::clone(&shared))));

    let total = options.warmup + options.seconds;
    let start = Instant::now();
    let tell = |elapsed: Duration| progress(elapsed.as_secs_f64() / total.as_secs_f64());
    pass(start, Duration::ZERO, options.warmup, &tell).await;

    let own_before = CpuTime::of(std::process::id())?;
    let before = options.pid.map(CpuTime::of).transpose()?;
    let window = Instant::now();
    shared.phase.set(Phase::Window);
    pass(start, options.warmup, total, &tell).await;
    shared.phase.set(Phase::Over);
    let seconds = window.elapsed().as_secs_f64();
    let server = match options.pid.zip(before) {
        Some((id, before)) => {
            let cpu = CpuTime::of(id)?.since(before);
            Some(ServerUse { cpu, resident_bytes: resident_bytes(id)? })
        }
        None => None,
    };
    let own = CpuTime::of(std::process::id())?.since(own_before);

    let unsent = shared.arrivals.as_ref().map_or(0, |arrivals| {
        let overdue = arrivals.overdue(Instant::now());
        arrivals.end();
        u64::from(overdue) * options.pipeline as u64
    });
    for task in tasks {
        // A connection ends with its exchange, which its deadline bounds; none of them is worth waiting for longer.
        let _ = time::timeout(options.timeout, task).await;
    }
    let errors = *shared.errors.borrow();
    let latency = shared.latencies.borrow().summary();
    Ok(Outcome {
        requests: shared.answers.get(),
        seconds,
        errors,
        first_error: shared.first_error.take(),
        latency,
        load_busy: own.on_core.as_secs_f64() / seconds,
        unsent,
        server,
    })
}

/// Sleeps from `from` to `to`, both since `start`, telling how far it is.
async fn pass(start: Instant, from: Duration, to: Duration, tell: &impl Fn(Duration)) {
    let mut elapsed = from;
    while elapsed < to {
        elapsed = (elapsed + PROGRESS_PAUSE).min(to);
        time::sleep_until(start + elapsed).await;
        tell(elapsed);
    }
}

async fn wait_until_connected(shared: &Shared) -> io::Result<()> {
    let deadline = Instant::now() + shared.options.timeout;
    while shared.connected.get() < shared.options.connections {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "not all connections could be made in time"));
        }
        time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The life of one connection, which is made anew when it fails.
async fn keep_asking(shared: Rc<Shared>) {
    let mut first = true;
    while !shared.is_over() {
        let fault = match Client::connect(&shared.options).await {
            Ok(client) => {
                if std::mem::take(&mut first) {
                    shared.connected.set(shared.connected.get() + 1);
                }
                match ask(&shared, client).await {
                    Ok(()) => return,
                    Err(fault) => fault,
                }
            }
            Err(fault) => fault,
        };
        fault.count(&mut shared.errors.borrow_mut());
        shared.first_error.borrow_mut().get_or_insert_with(|| fault.to_string());
        time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn ask(shared: &Shared, mut client: Client) -> Result<(), Fault> {
    loop {
        let start = match &shared.arrivals {
            None => Some(Instant::now()).filter(|_| !shared.is_over()),
            Some(arrivals) => arrivals.next().await,
        };
        let Some(start) = start else { return Ok(()) };
        let count = shared.options.pipeline;
        client.exchange(shared.batch, count, |answers| shared.answered(start, answers)).await?;
    }
}

/// Wakes connections when requests are due. It looks as often as the loop turns instead of sleeping: a timer of a
/// millisecond would blur what is measured in microseconds, and the core has nothing else to do.
async fn keep_pace(shared: Rc<Shared>) {
    let Some(arrivals) = &shared.arrivals else { return };
    arrivals.begin(Instant::now());
    while !shared.is_over() {
        arrivals.wake(Instant::now());
        yield_now().await;
    }
}
