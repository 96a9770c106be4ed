//! One core, from opening its driver to the end of its last task.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Waker};

use super::CoreId;
use super::builder::Builder;
use crate::blocking;
use crate::buf;
use crate::driver::{Bell, DriverKind, Findings, Prepared};
use crate::executor::{Common, Core, JoinError, JoinHandle, spawn, spawn_scoped};
use crate::mailbox::CoreShared;
use crate::mesh::{Mesh, connect};
use crate::observe;

/// Runs a future on one core on the calling thread: for tests, examples and tools. Tasks that are
/// not finished when the future ends are dropped.
///
/// The driver is chosen as by [`DriverChoice::Auto`](super::DriverChoice::Auto); see [`Builder::block_on`] to choose.
///
/// # Panics
/// If the future panics, if no driver can be opened, or if this thread is a core already.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match Builder::default().block_on(future) {
        Ok(output) => output,
        Err(error) => panic!("no driver can be opened: {error}"),
    }
}

/// A core that is ready to run, on its thread.
pub(super) struct Ready {
    prepared: Prepared,
    core: Rc<Core>,
    pub(super) findings: Findings,
}

impl Ready {
    /// Opens the driver. Must be called on the thread that runs the core.
    pub(super) fn open(id: CoreId, count: usize, builder: &Builder) -> io::Result<Ready> {
        ignore_sigpipe();
        let (prepared, findings) = Prepared::open(builder.driver, builder.ring_options)?;
        // A core alone is rung by threads that have no ring.
        let mailslot = if count > 1 { prepared.mailslot()? } else { None };
        let shared = CoreShared::new(id, count, Bell::new(mailslot)?);
        buf::set_bytes_max(builder.lease_bytes_max);
        let core = Core::new(shared, prepared.local());
        Ok(Ready { prepared, core, findings })
    }

    pub(super) fn kind(&self) -> DriverKind {
        self.prepared.kind()
    }

    pub(super) fn shared(&self) -> Arc<CoreShared> {
        Arc::clone(&self.core.shared)
    }

    /// Runs the core until its first task ends, which is what `first` starts.
    ///
    /// # Errors
    /// If the driver's loop cannot start.
    pub(super) fn run<T>(
        self,
        common: Common,
        first: impl FnOnce(&Core) -> JoinHandle<T>,
    ) -> io::Result<Result<T, JoinError>> {
        let Ready { prepared, core, .. } = self;
        let listed = observe::list(Arc::clone(&core.shared), Arc::clone(&common.blocking), prepared.kind());
        core.join(common);
        let outcome = core.enter(|| {
            let mut first = first(&core);
            let ended = prepared.run(&core);
            // The loop has ended and dropped every task, so the first has ended in some way.
            let outcome = match Pin::new(&mut first).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => unreachable!("the core has ended with a task alive"),
            };
            ended.map(|()| outcome)
        });
        core.shared.close();
        core.enter(|| {
            core.drop_tasks();
            // Last: the tasks dropped just now may have owed answers to other cores.
            core.mesh().leave();
        });
        drop(listed);
        buf::trim();
        outcome
    }

    /// As [`run`](Self::run), for a future that is made on the core.
    pub(super) fn run_main<F>(
        self,
        common: Common,
        main: impl FnOnce() -> F + 'static,
    ) -> io::Result<Result<(), JoinError>>
    where
        F: Future<Output = ()> + 'static,
    {
        self.run(common, |_| {
            spawn(async move {
                let _end = EndOfMain;
                // Called in the task, so that a panic in the making is caught like any other.
                main().await;
            })
        })
    }
}

/// Ends the core when the first task ends, however it does.
struct EndOfMain;

impl Drop for EndOfMain {
    fn drop(&mut self) {
        Core::try_with(Core::main_ended);
    }
}

impl Builder {
    /// Runs a future on one core on the calling thread, as [`block_on`], with this builder's
    /// driver and bounds. The thread is not pinned, and the number of cores is one.
    ///
    /// # Errors
    /// If the driver cannot be opened.
    ///
    /// # Panics
    /// If the future panics, or if this thread is a core already.
    #[track_caller]
    pub fn block_on<F: Future>(self, future: F) -> io::Result<F::Output> {
        let ready = Ready::open(CoreId::new(0), 1, &self)?;
        let mesh = connect(&[ready.shared()]).pop().map(Mesh::new);
        let Some(mesh) = mesh else { unreachable!("one core has one seat") };
        let blocking = Arc::new(blocking::Pool::new(self.blocking));
        // Armed once the future is on the core.
        let mut no_unwind = None;
        let outcome = ready.run(Common { mesh, blocking }, |core| {
            let future = async move {
                let _end = EndOfMain;
                future.await
            };
            no_unwind = Some(AbortOnUnwind);
            // SAFETY: `Ready::run` ends by dropping every task of the core, so the future is gone
            // before `run` and with it this function returns; if the loop itself panics, the guard
            // ends the process.
            unsafe { spawn_scoped(core, future) }
        });
        std::mem::forget(no_unwind);
        match outcome? {
            Ok(output) => Ok(output),
            Err(error) => match error.into_panic() {
                Some(payload) => resume_unwind(payload),
                None => unreachable!("a loop that started ends with its first task"),
            },
        }
    }
}

/// Ends the process if it is dropped, which only a panic outside any task can do.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}

/// Sees to it that a send to a peer that has gone is an error and not the end of the process
/// (guard 7). A handler that somebody installed is left alone.
fn ignore_sigpipe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: an all-zero sigaction is a valid out-parameter, and passing no new action only
        // reads the present one.
        let present = unsafe {
            let mut present: libc::sigaction = std::mem::zeroed();
            (libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut present) == 0).then_some(present)
        };
        if present.is_some_and(|present| present.sa_sigaction == libc::SIG_DFL) {
            // SAFETY: SIG_IGN is a valid disposition and runs no code.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        }
    });
}
