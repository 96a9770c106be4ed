//! The process around a server: signals, the service manager, the next process.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use std::{ffi::OsString, io};

use corelane_runtime::handover::{Outcome, Successor};
use corelane_runtime::signal::{Signal, Signals};
use corelane_runtime::{Handle, Heartbeat, Runtime};

use super::Listen;
use super::notify::Notify;
use super::sockets::Sockets;
use super::status::{Phase, Status};

/// How often a successor is looked at while it starts.
const SUCCESSOR_POLL: Duration = Duration::from_millis(20);
/// How often the files of certificates are looked at.
const CERTIFICATES_POLL: Duration = Duration::from_secs(10);
/// How often a drain is reported.
const REPORT: Duration = Duration::from_secs(1);
/// How long a drain may be silent.
const FOR_EVER: Duration = Duration::MAX;

/// What runs beside the cores, on a thread of its own.
pub(super) struct Control {
    pub(super) signals: Signals,
    pub(super) handle: Handle,
    pub(super) status: Status,
    pub(super) sockets: Sockets,
    pub(super) places: Arc<[Listen]>,
    pub(super) hangup: Option<Box<dyn FnMut() + Send>>,
    pub(super) program: Program,
    pub(super) drain_timeout: Duration,
    /// The drain's and that of stop hooks together.
    pub(super) grace: Duration,
    pub(super) start_timeout: Duration,
}

/// Why a server stops.
enum Why {
    Signal(Signal),
    /// This process has taken over.
    Successor(u32),
}

impl Control {
    /// Runs until the cores have ended, for whatever reason.
    pub(super) fn run(self, runtime: Runtime) -> io::Result<()> {
        let (status, interrupter) = (self.status.clone(), self.signals.interrupter());
        let thread = thread::Builder::new().name("corelane-control".into()).spawn(move || self.watch())?;
        let ended = runtime.join();
        status.advance(Phase::Ended);
        interrupter.interrupt()?;
        let watched = thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        ended.and(watched)
    }

    fn watch(mut self) -> io::Result<()> {
        let notify = Notify::from_environment();
        let places: Vec<_> = self.sockets.addresses().iter().map(ToString::to_string).collect();
        notify.ready(&format!("serving on {}", places.join(", ")));
        let Some(why) = self.serve(&notify)? else {
            self.sockets.close(false);
            return Ok(());
        };
        let handed_over = matches!(why, Why::Successor(_));
        match why {
            Why::Signal(signal) => {
                tracing::info!(%signal, within = ?self.drain_timeout, "draining; a second signal ends at once");
                notify.say("STOPPING=1\nSTATUS=draining");
            }
            Why::Successor(process) => {
                tracing::info!(process, within = ?self.drain_timeout, "another process has taken over; draining");
                self.status.set_handed_over();
                // Not that this one stops: the service goes on under the other's number.
                notify.say(&format!("MAINPID={process}"));
            }
        }
        self.status.advance(Phase::Draining);
        self.sockets.close(handed_over);
        self.handle.shutdown(self.grace);
        let mut report = DrainReport::new(self.status.clone(), self.drain_timeout);
        loop {
            let signal = self.signals.wait_timeout(REPORT)?;
            if self.status.phase() == Phase::Ended {
                return Ok(());
            }
            match signal {
                // What they ask for, this process does no more.
                Some(Signal::Replace) => {}
                Some(Signal::Hangup) if handed_over => {}
                Some(signal) => {
                    tracing::warn!(%signal, "ending at once");
                    self.handle.shutdown_now();
                    // From here on this thread takes signals as if nobody had ever blocked them.
                    self.signals.unblock()?;
                    return self.signals.wait().map(drop);
                }
                None => {
                    let line = report.line();
                    if !handed_over {
                        notify.say(&format!("STATUS=draining: {line}"));
                    }
                }
            }
        }
    }

    /// Waits for a reason to stop; none if the cores have ended by themselves.
    fn serve(&mut self, notify: &Notify) -> io::Result<Option<Why>> {
        let mut watchdog = notify.watchdog().map(|every| Watchdog::new(every, self.handle.heartbeat()));
        let mut starting: Option<(Successor, Instant)> = None;
        let mut certificates_due = Instant::now() + CERTIFICATES_POLL;
        loop {
            let mut tick = watchdog.as_ref().map_or(FOR_EVER, Watchdog::left);
            if self.has_certificates() {
                tick = tick.min(certificates_due.saturating_duration_since(Instant::now()));
            }
            if starting.is_some() {
                tick = tick.min(SUCCESSOR_POLL);
            }
            let signal = self.signals.wait_timeout(tick)?;
            let is_over = self.status.phase() == Phase::Ended;
            let stop = match signal {
                Some(Signal::Hangup) if self.hangup.is_some() || self.has_certificates() => {
                    notify.reloading();
                    self.reload_certificates(true);
                    self.hang_up();
                    notify.say("READY=1");
                    None
                }
                Some(Signal::Replace) if starting.is_some() => {
                    tracing::warn!("another process is being started already");
                    None
                }
                Some(Signal::Replace) => {
                    starting = self.begin_handover();
                    None
                }
                signal => signal,
            };
            if is_over || stop.is_some() {
                if let Some((successor, _)) = starting {
                    tracing::warn!(process = successor.id(), "this process stops: the one to follow it, too");
                    successor.kill()?;
                }
                return Ok(stop.filter(|_| !is_over).map(Why::Signal));
            }
            if let Some(watchdog) = &mut watchdog {
                watchdog.tick(notify);
            }
            if Instant::now() >= certificates_due {
                self.reload_certificates(false);
                certificates_due = Instant::now() + CERTIFICATES_POLL;
            }
            starting = match starting.take() {
                Some((successor, until)) => match self.look_at(successor, until)? {
                    Looked::Starting(successor) => Some((successor, until)),
                    Looked::Failed => None,
                    Looked::Ready(process) => return Ok(Some(Why::Successor(process))),
                },
                None => None,
            };
        }
    }

    #[cfg(feature = "tls")]
    fn has_certificates(&self) -> bool {
        self.places.iter().any(|listen| listen.tls.is_some())
    }

    /// Reads certificates again: all of them, or those whose files have changed.
    #[cfg(feature = "tls")]
    fn reload_certificates(&self, all: bool) {
        let all_tls = self.places.iter().filter_map(|listen| listen.tls.as_ref());
        all_tls.filter(|tls| all || tls.is_outdated()).for_each(super::Tls::reload_and_log);
    }

    #[cfg(not(feature = "tls"))]
    fn has_certificates(&self) -> bool {
        debug_assert!(!self.places.is_empty(), "a server listens somewhere");
        false
    }

    #[cfg(not(feature = "tls"))]
    fn reload_certificates(&self, _all: bool) {}

    fn hang_up(&mut self) {
        if let Some(hangup) = &mut self.hangup
            && catch_unwind(AssertUnwindSafe(hangup)).is_err()
        {
            tracing::error!("what SIGHUP calls has panicked; the server goes on");
        }
    }

    /// Starts the process that is to take over, and says until when it has to serve.
    fn begin_handover(&self) -> Option<(Successor, Instant)> {
        if std::process::id() == 1 {
            tracing::error!(
                "this is process 1 of a container, which ends with it: start another container instead"
            );
            return None;
        }
        match Successor::start(self.program.command(), self.sockets.named()) {
            Ok(successor) => {
                tracing::info!(process = successor.id(), "starting another process to take over");
                Some((successor, Instant::now() + self.start_timeout))
            }
            Err(error) => {
                tracing::error!(program = ?self.program.path, %error, "another process could not be started; this one goes on");
                None
            }
        }
    }

    fn look_at(&self, mut successor: Successor, until: Instant) -> io::Result<Looked> {
        let process = successor.id();
        match successor.outcome()? {
            Some(Outcome::Ready) => return Ok(Looked::Ready(process)),
            Some(Outcome::Failed(status)) => {
                tracing::error!(process, %status, "the process that was to take over has ended; this one goes on");
            }
            None if Instant::now() < until => return Ok(Looked::Starting(successor)),
            None => {
                let within = self.start_timeout;
                tracing::error!(
                    process,
                    ?within,
                    "the process that was to take over does not serve in time: it is killed, this one goes on"
                );
                successor.kill()?;
            }
        }
        Ok(Looked::Failed)
    }
}

enum Looked {
    Starting(Successor),
    Ready(u32),
    Failed,
}

/// How this process was started, for the next one. The path is looked up anew each time, so that it may be another
/// version; a link in it may point elsewhere by then.
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// To be asked before the working directory changes.
    pub(super) fn of_this_process() -> Program {
        let mut arguments = env::args_os();
        let called = arguments.next().map(PathBuf::from).unwrap_or_default();
        // A name without a slash was found on the path, and is to be again.
        let is_name = called.components().count() == 1 && called.file_name().is_some();
        let path = if is_name { called } else { std::path::absolute(&called).unwrap_or(called) };
        Program { path, arguments: arguments.collect() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        command
    }
}

/// Tells the service manager that every core is alive, for as long as that is so.
struct Watchdog {
    every: Duration,
    due: Instant,
    heartbeat: Heartbeat,
}

impl Watchdog {
    fn new(every: Duration, heartbeat: Heartbeat) -> Watchdog {
        Watchdog { every, due: Instant::now(), heartbeat }
    }

    fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    fn tick(&mut self, notify: &Notify) {
        if !self.left().is_zero() {
            return;
        }
        self.due = Instant::now() + self.every;
        let silent = self.heartbeat.ask();
        match silent.first() {
            None => notify.say("WATCHDOG=1"),
            Some(core) => tracing::error!(
                %core, silent = silent.len(), within = ?self.every,
                "a core does not answer: the watchdog is not told that all is well"
            ),
        }
    }
}

/// The lines of a drain.
pub(super) struct DrainReport {
    status: Status,
    until: Instant,
}

impl DrainReport {
    pub(super) fn new(status: Status, within: Duration) -> DrainReport {
        let now = Instant::now();
        DrainReport { status, until: now.checked_add(within).unwrap_or(now) }
    }

    /// Logs what is waited for, and gives it.
    fn line(&mut self) -> String {
        let waiting_for = self.status.draining().unwrap_or_default();
        let left = self.until.saturating_duration_since(Instant::now()).as_secs();
        tracing::info!(%waiting_for, seconds_left = left, "draining");
        format!("{waiting_for}, {left} s left")
    }

    /// Logs each second until the other end of the channel is dropped.
    pub(super) fn run(mut self, done: &mpsc::Receiver<()>) {
        while done.recv_timeout(REPORT) == Err(mpsc::RecvTimeoutError::Timeout) {
            self.line();
        }
    }
}
