//! The executor of one core: a FIFO of ready tasks, run in turns.
//!
//! A driver calls [`Core::turn`] in a loop. One turn takes the mail, fires the timers that are
//! due, runs ready tasks up to a budget, and tells the driver how long it may sleep. Everything
//! in here is touched by one thread; what other threads need is in
//! [`CoreShared`](crate::mailbox::CoreShared).

mod catch;
mod join;
mod waiters;
mod yield_now;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use async_task::Runnable;
use slab::Slab;

pub use self::join::{JoinError, JoinHandle, spawn};
pub use self::yield_now::yield_now;

pub(crate) use self::join::spawn_scoped;
pub(crate) use self::waiters::Waiters;

use crate::blocking;
use crate::buf;
use crate::launch::CoreId;
use crate::mailbox::{CoreShared, Mail};
use crate::mesh::Mesh;
use crate::time::wheel::{Fired, Wheel};

/// Task polls in one turn at most.
///
/// Large enough that a burst of completions from a thousand connections is two turns, small
/// enough that timers and new completions are looked at every few hundred microseconds.
const POLLS_PER_TURN: usize = 512;

/// How much later than its first timer wanted a turn may begin before it counts as late: timers have a resolution of a
/// millisecond, and a busy core takes a few for its turns.
const LATE_TURN: Duration = Duration::from_millis(5);

thread_local! {
    /// The core this thread is, or null. A raw pointer because it is compared and read on every
    /// wake; it is set for exactly as long as an `Rc<Core>` lives in `Core::enter`.
    static CURRENT: Cell<*const Core> = const { Cell::new(std::ptr::null()) };
}

/// What the driver is to do after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Tasks are ready: look at completions without sleeping, then turn again.
    Again,
    /// Nothing is ready: sleep until a completion, the doorbell, or this instant.
    Park(Option<Instant>),
    /// The core is done: leave the loop.
    Done,
}

/// How far a core is on its way out. The order matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Stopping,
}

/// What a core has together with the other cores of its runtime.
pub(crate) struct Common {
    pub(crate) mesh: Mesh,
    pub(crate) blocking: Arc<blocking::Pool>,
}

/// Everything one core owns.
pub(crate) struct Core {
    pub(crate) shared: Arc<CoreShared>,
    ready: RefCell<VecDeque<Runnable>>,
    /// Tasks that yielded: ready again, but not before the driver has looked at completions.
    yielded: RefCell<Vec<Waker>>,
    /// A waker of every live task, so that they can be found and dropped when the core stops.
    tasks: RefCell<Slab<Waker>>,
    clock: Cell<Instant>,
    /// When the first timer wants a turn, as of the end of the last one.
    due: Cell<Option<Instant>>,
    pub(crate) wheel: RefCell<Wheel>,
    pub(crate) drain_waiters: Waiters,
    phase: Cell<Phase>,
    main_ended: Cell<bool>,
    in_turn: Cell<bool>,
    /// True once the driver has been told that a turn is needed.
    nudged: Cell<bool>,
    /// How to tell the driver, if its loop does not turn by itself after every sleep.
    nudge: OnceCell<Waker>,
    /// What it has together with the other cores; set before the loop begins.
    common: OnceCell<Common>,
    pub(crate) driver: crate::driver::Local,
}

impl Core {
    pub(crate) fn new(shared: Arc<CoreShared>, driver: crate::driver::Local) -> Rc<Core> {
        let now = Instant::now();
        Rc::new(Core {
            shared,
            ready: RefCell::new(VecDeque::with_capacity(1024)),
            yielded: RefCell::new(Vec::new()),
            tasks: RefCell::new(Slab::new()),
            clock: Cell::new(now),
            due: Cell::new(None),
            wheel: RefCell::new(Wheel::new(now)),
            drain_waiters: Waiters::default(),
            phase: Cell::new(Phase::Running),
            main_ended: Cell::new(false),
            in_turn: Cell::new(false),
            nudged: Cell::new(false),
            nudge: OnceCell::new(),
            common: OnceCell::new(),
            driver,
        })
    }

    /// Makes `self` the core of this thread while `f` runs.
    ///
    /// # Panics
    /// If this thread is a core already.
    pub(crate) fn enter<R>(self: &Rc<Core>, f: impl FnOnce() -> R) -> R {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(std::ptr::null());
            }
        }
        assert!(CURRENT.get().is_null(), "this thread is a core already: a runtime cannot start inside one");
        CURRENT.set(Rc::as_ptr(self));
        let _leave = Leave;
        f()
    }

    /// Runs `f` with the core of this thread.
    ///
    /// # Panics
    /// If this thread is no core.
    #[track_caller]
    #[inline]
    pub(crate) fn with<R>(f: impl FnOnce(&Core) -> R) -> R {
        match Core::try_with(f) {
            Some(result) => result,
            None => panic!("this thread is no core: call it inside `Runtime::start` or `block_on`"),
        }
    }

    /// Runs `f` with the core of this thread, if it is one.
    #[inline]
    pub(crate) fn try_with<R>(f: impl FnOnce(&Core) -> R) -> Option<R> {
        let core = CURRENT.get();
        // SAFETY: CURRENT is non-null only inside `enter`, which borrows the Rc for that long, and
        // `f` cannot outlive this call, which itself runs inside that `enter`.
        unsafe { core.as_ref() }.map(f)
    }

    /// True if the caller is on this core's thread.
    #[inline]
    fn is_current(shared: *const CoreShared) -> bool {
        Core::try_with(|core| Arc::as_ptr(&core.shared) == shared).unwrap_or(false)
    }

    /// The time at the start of this turn.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.clock.get()
    }

    /// Puts a task at the end of the FIFO. Called on the core's thread.
    #[inline]
    fn push(&self, runnable: Runnable) {
        self.ready.borrow_mut().push_back(runnable);
        self.nudge();
    }

    /// Tells the driver that a turn is needed, once, unless one is running.
    #[inline]
    fn nudge(&self) {
        if !self.in_turn.get()
            && !self.nudged.replace(true)
            && let Some(waker) = self.nudge.get()
        {
            waker.wake_by_ref();
        }
    }

    /// Sets what [`nudge`](Self::nudge) wakes. For drivers whose loop is not ours.
    pub(crate) fn set_nudge(&self, waker: &Waker) {
        self.nudge.get_or_init(|| waker.clone());
    }

    /// One turn. The driver calls this, sleeps as told, and calls again.
    pub(crate) fn turn(&self) -> Turn {
        let begin = Instant::now();
        self.clock.set(begin);
        self.in_turn.set(true);
        self.nudged.set(false);
        let counters = &self.shared.counters;
        counters.poll_sequence.add(1);
        if self.due.take().is_some_and(|due| begin > due + LATE_TURN) {
            counters.late_turns.add(1);
        }
        let rung = self.shared.take_rung();
        if rung {
            self.take_mail();
        }
        let mesh = self.mesh();
        mesh.turn_begins(rung);
        self.fire_timers(begin);
        self.run_ready();
        let calls_left = mesh.turn_ends();
        self.in_turn.set(false);

        counters.poll_sequence.add(1);
        counters.turns.add(1);
        counters.leases_out.set(buf::leases_out().saturating_sub(self.driver.standing()));
        counters.calls_pending.set(mesh.calls_pending() as u64);
        let spent = begin.elapsed();
        counters.user_ns.add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));

        if self.main_ended.get() || self.phase.get() == Phase::Stopping {
            return Turn::Done;
        }
        if !self.yielded.borrow().is_empty() {
            // Behind whatever the sleep makes ready, not before it: the wakes run at the start of
            // the next turn.
            return Turn::Again;
        }
        // The bell may have rung after this turn looked and before the task of the driver that runs
        // in a turn took the wake back.
        if calls_left || self.shared.is_rung() || !self.ready.borrow().is_empty() {
            return Turn::Again;
        }
        let due = self.wheel.borrow().next_deadline();
        self.due.set(due);
        Turn::Park(due)
    }

    fn take_mail(&self) {
        let counters = &self.shared.counters;
        // Only what is here now: senders that keep up with us must not hold the turn.
        for _ in 0..self.shared.depth() {
            match self.shared.take() {
                Some(Mail::Wake(runnable)) => self.push(runnable),
                Some(Mail::Run(work)) => work(),
                None => break,
            }
            counters.mail.add(1);
        }
        if self.shared.depth() > 0 {
            self.shared.ring();
        }
    }

    fn fire_timers(&self, now: Instant) {
        loop {
            let fired = self.wheel.borrow_mut().pop(now);
            match fired {
                Some(Fired::Wake(waker)) => waker.wake(),
                Some(Fired::Expire(key, target)) => {
                    let next = target.expired(now);
                    self.wheel.borrow_mut().settle(key, next);
                }
                None => break,
            }
        }
    }

    fn run_ready(&self) {
        for waker in std::mem::take(&mut *self.yielded.borrow_mut()) {
            waker.wake();
        }
        let mut polls = 0;
        while polls < POLLS_PER_TURN {
            let Some(runnable) = self.ready.borrow_mut().pop_front() else { break };
            // By two, so that it stays odd: see `observe::Probe::poll_under_way`.
            self.shared.counters.poll_sequence.add(2);
            runnable.run();
            polls += 1;
        }
        self.shared.counters.polls.add(polls as u64);
    }

    /// Ends every task: drops its future on this thread, where it was made.
    pub(crate) fn drop_tasks(&self) {
        self.in_turn.set(true);
        self.phase.set(Phase::Stopping);
        // A destructor may spawn or wake; each round ends what the last one left. A destructor that
        // spawns for ever is the caller's bug, and the bound keeps it from being a hang.
        for _ in 0..64 {
            self.take_mail();
            let alive: Vec<Waker> = self.tasks.borrow().iter().map(|(_, waker)| waker.clone()).collect();
            self.yielded.borrow_mut().clear();
            for waker in alive {
                waker.wake();
            }
            let mut dropped = false;
            loop {
                let Some(runnable) = self.ready.borrow_mut().pop_front() else { break };
                dropped = true;
                drop(runnable);
            }
            if dropped {
                continue;
            }
            if self.tasks.borrow().is_empty() {
                break;
            }
            // Another thread is waking a task and has not put it into the mail yet. If that takes
            // longer than all our rounds the task is leaked, like what comes after the end.
            std::thread::sleep(Duration::from_millis(1));
        }
        self.wheel.borrow_mut().clear();
        self.in_turn.set(false);
    }

    /// Joins the other cores of the runtime. Once, before the loop begins.
    pub(crate) fn join(&self, common: Common) {
        self.common.get_or_init(|| common);
    }

    fn common(&self) -> &Common {
        self.common.get().unwrap_or_else(|| unreachable!("a core joins before it runs"))
    }

    /// This core's end of the mesh.
    #[inline]
    pub(crate) fn mesh(&self) -> &Mesh {
        &self.common().mesh
    }

    /// The pool that the cores of this runtime share.
    pub(crate) fn blocking(&self) -> &blocking::Pool {
        &self.common().blocking
    }

    /// Wakes `waker` in the next turn, after the driver has looked at completions.
    fn wake_next_turn(&self, waker: Waker) {
        self.yielded.borrow_mut().push(waker);
        self.nudge();
    }

    /// The first task of the core has ended, and with it the core.
    pub(crate) fn main_ended(&self) {
        self.main_ended.set(true);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.phase.get() >= Phase::Draining
    }

    pub(crate) fn start_draining(&self) {
        if self.phase.get() == Phase::Running {
            self.phase.set(Phase::Draining);
            self.drain_waiters.wake_all();
        }
    }

    /// Ends the loop after this turn.
    pub(crate) fn stop(&self) {
        self.start_draining();
        self.phase.set(Phase::Stopping);
        self.nudge();
    }
}

/// Which core the caller is on.
///
/// # Panics
/// If the caller is not on a core.
#[track_caller]
pub fn core_id() -> CoreId {
    Core::with(|core| core.shared.id)
}

/// Which core the caller is on, or `None` on a thread that is no core.
pub fn try_core_id() -> Option<CoreId> {
    Core::try_with(|core| core.shared.id)
}

/// How many cores the caller's runtime has.
///
/// # Panics
/// If the caller is not on a core.
#[track_caller]
pub fn core_count() -> usize {
    Core::with(|core| core.shared.count)
}
