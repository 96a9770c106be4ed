//! The signal handler, and what makes the kernel call it.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, ptr};

use super::slot::{self, Cause};
use crate::stacks::Registers;

/// Marks values as ours: another part of the program may use the signal for timers of its own.
const MARK: usize = 0x5ca7 << 16;
const MARK_MASK: usize = !0xffff;

/// What the libc crate has no names for, by the kernel's `siginfo.h`, `fcntl.h` and `perf_event.h`.
const POLL_IN: libc::c_int = 1;
const POLL_HUP: libc::c_int = 6;
const F_SETSIG: libc::c_int = 10;
const F_SETOWN_EX: libc::c_int = 15;
const EVENT_ENABLE: libc::Ioctl = 0x2400;
const EVENT_PERIOD: libc::Ioctl = 0x4008_2404;

/// Descriptors of perf events that are told apart; those with higher numbers are not used.
const DESCRIPTORS_MAX: usize = 16 * 1024;

/// The slot of each descriptor of a perf event, plus one: the signal says which descriptor it is for.
static BY_DESCRIPTOR: [AtomicU32; DESCRIPTORS_MAX] = [const { AtomicU32::new(0) }; DESCRIPTORS_MAX];

/// What makes the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A perf event per thread, on a high-resolution clock.
    PerfEvents,
    /// A timer per thread on its CPU clock. The kernel looks at these once a tick, so that there are 100 to 1000 samples a
    /// second at most, by its `CONFIG_HZ`; samples that stand for several periods count for so many.
    CpuTimers,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::PerfEvents => "perf events",
            Source::CpuTimers => "CPU timers",
        })
    }
}

/// Installs the handler for SIGPROF, once for the life of the process: a signal may come long after the last timer.
///
/// # Errors
/// If the program handles SIGPROF itself.
pub(super) fn install() -> io::Result<()> {
    static DONE: OnceLock<Result<(), i32>> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        // SAFETY: an all-zero action is a valid out-parameter, and no new action is passed.
        let present = unsafe {
            let mut present: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGPROF, ptr::null(), &raw mut present) != 0 {
                return Err(last_error());
            }
            present.sa_sigaction
        };
        if present != libc::SIG_DFL && present != libc::SIG_IGN {
            return Err(libc::EBUSY);
        }
        // SAFETY: the action is complete: a handler of the three-argument kind, which SA_SIGINFO says, and an empty mask.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as extern "C" fn(_, _, _) as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut())
        };
        if result == 0 { Ok(()) } else { Err(last_error()) }
    });
    done.map_err(|code| match code {
        libc::EBUSY => io::Error::new(io::ErrorKind::ResourceBusy, "the program handles SIGPROF itself"),
        code => io::Error::from_raw_os_error(code),
    })
}

fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

extern "C" fn handler(_signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the address of this thread's errno, always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above. What is called below may change it, and the interrupted code may be about to read it.
    let kept = unsafe { *errno };
    // SAFETY: the kernel passes a valid siginfo.
    let (index, cause, periods) = unsafe {
        let value = || {
            let value = (*info).si_value().sival_ptr.addr();
            if value & MARK_MASK == MARK { value & !MARK_MASK } else { usize::MAX }
        };
        match (*info).si_code {
            // The kernel's own layout: the timer's number and the overrun precede the value (sigaction(2)).
            libc::SI_TIMER => {
                let overrun = *info.cast::<i32>().add(5);
                (value(), Cause::Time, 1 + u64::from(overrun.max(0).cast_unsigned()))
            }
            libc::SI_QUEUE => (value(), Cause::Asked, 0),
            // A perf event: `si_band` and then `si_fd`.
            POLL_IN | POLL_HUP => {
                let descriptor = *info.cast::<i32>().add(6);
                let slot = usize::try_from(descriptor).ok().and_then(|at| BY_DESCRIPTOR.get(at));
                let slot = slot.map_or(0, |slot| slot.load(Ordering::Acquire));
                ((slot as usize).wrapping_sub(1), Cause::Time, 1)
            }
            _ => (usize::MAX, Cause::Asked, 0),
        }
    };
    if let Some(slot) = slot::at(index) {
        // SAFETY: the third argument of a handler.
        let registers = unsafe { Registers::interrupted(context) };
        slot.sample(cause, periods, registers);
    }
    // SAFETY: as above.
    unsafe { *errno = kept };
}

/// Makes the kernel signal one thread again and again, until it is dropped.
pub(super) enum Trigger {
    Timer(libc::timer_t),
    Event(OwnedFd),
}

// SAFETY: a timer's id is a number of the process, whatever its type; any thread may use it.
unsafe impl Send for Trigger {}

impl Trigger {
    /// For `thread`, whose samples go to the slot `index`: one for each `nanos` of CPU.
    ///
    /// # Errors
    /// If the thread has ended, or the kernel does not give what is asked.
    pub(super) fn new(source: Source, thread: u32, index: usize, nanos: u64) -> io::Result<Trigger> {
        match source {
            Source::PerfEvents => Trigger::event(thread, index, nanos),
            Source::CpuTimers => Trigger::timer(thread, index, nanos),
        }
    }

    fn timer(thread: u32, index: usize, nanos: u64) -> io::Result<Trigger> {
        // The CPU clock of a thread by its number, as the kernel's `posix-timers.h` makes it: per thread, scheduler's time.
        let clock = (!thread.cast_signed() << 3) | 6;
        // SAFETY: zero is valid for all fields, those that matter are set, and both out-parameters live.
        let timer = unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGPROF;
            event.sigev_value.sival_ptr = ptr::without_provenance_mut(MARK | index);
            event.sigev_notify_thread_id = thread.cast_signed();
            let mut timer = MaybeUninit::uninit();
            if libc::timer_create(clock, &raw mut event, timer.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            Trigger::Timer(timer.assume_init())
        };
        timer.set_period(nanos)?;
        Ok(timer)
    }

    fn event(thread: u32, index: usize, nanos: u64) -> io::Result<Trigger> {
        let attributes = PerfAttributes { sample: nanos, ..PerfAttributes::cpu_clock() };
        const FLAG_CLOEXEC: libc::c_ulong = 8;
        // SAFETY: the attributes are complete and say their own size; the other arguments are plain numbers: this
        // thread, on any CPU, in no group.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                thread.cast_signed(),
                -1,
                -1,
                FLAG_CLOEXEC,
            )
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        let number = i32::try_from(descriptor).unwrap_or(-1);
        // SAFETY: the kernel has just given it, and nobody else owns it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let Some(by) = BY_DESCRIPTOR.get(descriptor.as_raw_fd().cast_unsigned() as usize) else {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        };
        by.store(u32::try_from(index + 1).unwrap_or(0), Ordering::Release);
        let owner = Owner { kind: 0, thread: thread.cast_signed() };
        // SAFETY: fcntl and ioctl on a descriptor that is open; `owner` is what F_SETOWN_EX takes: a kind, 0 for a
        // thread, and its number.
        let failed = unsafe {
            libc::fcntl(number, F_SETOWN_EX, &raw const owner) != 0
                || libc::fcntl(number, F_SETSIG, libc::SIGPROF) != 0
                || libc::fcntl(number, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK) != 0
                || libc::ioctl(number, EVENT_ENABLE, 0) != 0
        };
        let trigger = Trigger::Event(descriptor);
        if failed { Err(io::Error::last_os_error()) } else { Ok(trigger) }
    }

    /// From here on once for each `nanos` of CPU.
    pub(super) fn set_period(&self, nanos: u64) -> io::Result<()> {
        let result = match self {
            Trigger::Timer(timer) => {
                let period = libc::timespec {
                    tv_sec: (nanos / 1_000_000_000) as libc::time_t,
                    tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
                };
                let setting = libc::itimerspec { it_interval: period, it_value: period };
                // SAFETY: the timer lives as long as `self`; the setting is complete, the old one is not asked for.
                unsafe { libc::timer_settime(*timer, 0, &raw const setting, ptr::null_mut()) }
            }
            // SAFETY: the descriptor is a perf event's, and the request reads one u64.
            Trigger::Event(event) => unsafe {
                libc::ioctl(event.as_raw_fd(), EVENT_PERIOD, &raw const nanos)
            },
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for Trigger {
    fn drop(&mut self) {
        match self {
            // SAFETY: made by `timer_create`, and deleted only here.
            Trigger::Timer(timer) => drop(unsafe { libc::timer_delete(*timer) }),
            Trigger::Event(event) => {
                if let Some(by) = BY_DESCRIPTOR.get(event.as_raw_fd().cast_unsigned() as usize) {
                    by.store(0, Ordering::Release);
                }
            }
        }
    }
}

/// True if perf events may be had here that see the kernel's part as well.
pub(super) fn perf_events_work() -> bool {
    // SAFETY: gettid takes nothing and cannot fail.
    let own = unsafe { libc::gettid() }.cast_unsigned();
    // The slot is nobody's: an event in the moment it lives is dropped by the handler.
    Trigger::event(own, slot::SLOTS_MAX, 1_000_000_000).is_ok()
}

/// Asks a thread where it is; the answer goes to the slot `index`.
pub(super) fn ask(thread: u32, index: usize) -> io::Result<()> {
    // SAFETY: zero is valid for all fields of a siginfo; those that the kernel wants are set at their place: the value is
    // the fourth word of the union, behind the sender's process and user (sigaction(2)).
    let result = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        info.si_signo = libc::SIGPROF;
        info.si_code = libc::SI_QUEUE;
        (&raw mut info).cast::<usize>().add(3).write(MARK | index);
        let process = libc::getpid();
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            process,
            thread.cast_signed(),
            libc::SIGPROF,
            &raw mut info,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct f_owner_ex` (fcntl(2)).
#[repr(C)]
struct Owner {
    kind: libc::c_int,
    thread: libc::pid_t,
}

/// The beginning of `struct perf_event_attr` (perf_event_open(2)), in its first published size.
#[repr(C)]
struct PerfAttributes {
    kind: u32,
    size: u32,
    config: u64,
    sample: u64,
    sample_kind: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint: u32,
    address: u64,
}

const _: () = assert!(size_of::<PerfAttributes>() == 64, "PERF_ATTR_SIZE_VER0");

impl PerfAttributes {
    fn cpu_clock() -> PerfAttributes {
        PerfAttributes {
            // PERF_TYPE_SOFTWARE, and there PERF_COUNT_SW_TASK_CLOCK.
            kind: 1,
            size: 64,
            config: 1,
            sample: 0,
            sample_kind: 0,
            read_format: 0,
            // Bit 0: begins disabled.
            flags: 1,
            wakeup_events: 1,
            breakpoint: 0,
            address: 0,
        }
    }
}
