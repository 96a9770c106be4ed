//! Signals to the process as a whole: SIGTERM, SIGINT, SIGHUP and SIGUSR2.
//!
//! A signal is taken by whichever thread does not block it. The threads a
//! [`Runtime`] starts all block these four, so that no handler ever runs on a core.
//! The program blocks them in its first thread as well, with [`Signals::block`], and waits for them
//! there. [`drain_on_signal`] does the usual thing: the first signal drains, the second ends at once.
//!
//! ```
//! use std::time::Duration;
//! use corelane_runtime::{Runtime, signal::{Signals, drain_on_signal}};
//!
//! fn main() -> std::io::Result<()> {
//!     let signals = Signals::block()?;
//!     let runtime = Runtime::builder().start(|_core| async { /* serve until drained */ })?;
//!     drain_on_signal(runtime, signals, Duration::from_secs(30))
//! }
//! ```
//!
//! A child process inherits blocked signals across `exec`, and would then ignore SIGTERM for ever:
//! [`unblock_in_child`] is for every [`Command`] that is spawned by such a thread.

mod sys;
#[cfg(all(test, not(loom)))]
mod tests;

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use crate::Runtime;

/// What the process is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGTERM: what service managers send.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGHUP: the terminal has gone. A program that reloads its configuration on it waits for
    /// signals itself, or calls [`drain_on_signal_but_hangup`].
    Hangup,
    /// SIGUSR2: by custom a wish for a new process that takes over. A program without one ends.
    Replace,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
            Signal::Hangup => "SIGHUP",
            Signal::Replace => "SIGUSR2",
        })
    }
}

/// Blocks the signals in the calling thread, without waiting for them. Threads started by it later
/// inherit that.
pub(crate) fn block_in_this_thread() -> io::Result<()> {
    sys::block()
}

/// Takes the signals off those blocked in the calling thread, between fork and exec. Async-signal-safe.
pub(crate) fn unblock_here() -> io::Result<()> {
    sys::unblock()
}

/// Has the child that `command` will start not inherit the blocked signals.
///
/// ```
/// use corelane_runtime::signal::{Signals, unblock_in_child};
/// use std::process::Command;
///
/// let _signals = Signals::block()?;
/// let mut command = Command::new("true");
/// assert!(unblock_in_child(&mut command).status()?.success());
/// # std::io::Result::Ok(())
/// ```
pub fn unblock_in_child(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only async-signal-safe functions may be called, and nothing may
    // be allocated: `unblock` fills a set on its stack and calls pthread_sigmask.
    unsafe { command.pre_exec(sys::unblock) }
}

/// The right to wait for signals.
#[derive(Debug)]
pub struct Signals {
    /// Readable while a signal is pending for the process.
    pending: OwnedFd,
    /// Readable once somebody called [`Interrupter::interrupt`].
    interrupt: Arc<OwnedFd>,
}

impl Signals {
    /// Blocks the signals in the calling thread and in all threads it starts from now on. Call it
    /// first thing in `main`: a thread that runs already and does not block them would be killed by
    /// them, and the process with it.
    ///
    /// They stay blocked when the value is dropped: then nothing ends the process but SIGKILL and its own will.
    ///
    /// # Errors
    /// If the process is out of descriptors.
    pub fn block() -> io::Result<Self> {
        sys::block()?;
        Ok(Self { pending: sys::pending()?, interrupt: Arc::new(sys::event()?) })
    }

    /// Waits, blocking the thread, for the next signal. None if the wait was interrupted.
    ///
    /// Several signals of one kind that arrive before the wait count once, as signals do.
    ///
    /// # Errors
    /// None are known of; what the kernel says is handed on.
    pub fn wait(&self) -> io::Result<Option<Signal>> {
        self.wait_until(None)
    }

    /// As [`wait`](Self::wait), for `longest` at most. None also when the time has passed.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, longest: Duration) -> io::Result<Option<Signal>> {
        // A time beyond what the clock can tell is for ever.
        self.wait_until(Instant::now().checked_add(longest))
    }

    /// Has the calling thread take signals again as if nobody had ever blocked them: the next one does what it does by
    /// default, which is to end the process. For a program that hangs on its way to its end.
    ///
    /// # Errors
    /// None are known of; what the kernel says is handed on.
    pub fn unblock(&self) -> io::Result<()> {
        sys::unblock()
    }

    /// Makes a handle by which other threads can end waits.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { event: self.interrupt.clone() }
    }

    fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<Signal>> {
        loop {
            match sys::wait(&self.pending, &self.interrupt, deadline)? {
                sys::Ready::Signal => {
                    // None if another thread was faster.
                    if let Some(signal) = sys::take(&self.pending)? {
                        return Ok(Some(signal));
                    }
                }
                sys::Ready::Interrupted | sys::Ready::Late => return Ok(None),
            }
        }
    }
}

/// Ends the waits of a [`Signals`] from another thread.
#[derive(Debug, Clone)]
pub struct Interrupter {
    event: Arc<OwnedFd>,
}

impl Interrupter {
    /// Ends the wait under way, if any, and every later one.
    ///
    /// # Errors
    /// None are known of; what the kernel says is handed on.
    pub fn interrupt(&self) -> io::Result<()> {
        sys::set(&self.event)
    }
}

/// Waits until the runtime has ended, draining it at the first signal and ending it at the second.
///
/// The first signal calls [`Runtime::shutdown`] with `grace`, the second [`Runtime::shutdown_now`].
/// A core stops between tasks, so one that hangs in a task does not stop; the third signal is no
/// longer held back and ends the process. Signals are waited for on a thread of its own, which has
/// ended when this returns.
///
/// # Errors
/// What [`Runtime::join`] says, or that the thread could not be started.
pub fn drain_on_signal(runtime: Runtime, signals: Signals, grace: Duration) -> io::Result<()> {
    drain_or(runtime, signals, grace, None::<fn()>)
}

/// As [`drain_on_signal`], but SIGHUP calls `hangup`, on the thread that waits for signals, as often as it
/// comes until the runtime drains; a panic in it is told in the log. After that SIGHUP counts as the others.
///
/// # Errors
/// As [`drain_on_signal`].
pub fn drain_on_signal_but_hangup(
    runtime: Runtime,
    signals: Signals,
    grace: Duration,
    hangup: impl FnMut() + Send + 'static,
) -> io::Result<()> {
    drain_or(runtime, signals, grace, Some(hangup))
}

fn drain_or(
    runtime: Runtime,
    signals: Signals,
    grace: Duration,
    mut hangup: Option<impl FnMut() + Send + 'static>,
) -> io::Result<()> {
    let interrupter = signals.interrupter();
    let handle = runtime.handle();
    let waiter = thread::Builder::new().name("corelane-signal".into()).spawn(move || {
        let first = loop {
            match (signals.wait()?, &mut hangup) {
                (Some(Signal::Hangup), Some(hangup)) => {
                    if catch_unwind(AssertUnwindSafe(hangup)).is_err() {
                        tracing::error!("what SIGHUP calls has panicked; the server goes on");
                    }
                }
                (signal, _) => break signal,
            }
        };
        if let Some(signal) = first {
            tracing::info!(%signal, ?grace, "draining; a second signal ends at once");
            handle.shutdown(grace);
            if let Some(signal) = signals.wait()? {
                tracing::warn!(%signal, "ending at once");
                handle.shutdown_now();
                // From here on this thread takes signals as if nobody had ever blocked them.
                sys::unblock()?;
                signals.wait()?;
            }
        }
        io::Result::Ok(())
    })?;
    let ended = runtime.join();
    interrupter.interrupt()?;
    let waited = waiter.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
    ended.and(waited)
}
