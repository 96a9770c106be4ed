//! The system calls behind signals: a signalfd to wait on, an eventfd to end the wait.
//!
//! Signal masks and signalfd are not in rustix's stable surface, hence libc here.

use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Instant;
use std::{io, ptr};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, read, write};

use super::Signal;

/// The signals this module is about.
const SIGNALS: [(libc::c_int, Signal); 4] = [
    (libc::SIGTERM, Signal::Terminate),
    (libc::SIGINT, Signal::Interrupt),
    (libc::SIGHUP, Signal::Hangup),
    (libc::SIGUSR2, Signal::Replace),
];

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    Signal,
    Interrupted,
    Late,
}

fn set_of_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole set, sigaddset changes what it wrote; neither keeps the
    // pointer, and all numbers are valid, so none fails.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for (number, _) in SIGNALS {
            libc::sigaddset(set.as_mut_ptr(), number);
        }
        set.assume_init()
    }
}

/// Adds the signals to those blocked in the calling thread.
pub(super) fn block() -> io::Result<()> {
    mask(libc::SIG_BLOCK)
}

/// Takes the signals off those blocked in the calling thread. Async-signal-safe; does not allocate.
pub(super) fn unblock() -> io::Result<()> {
    mask(libc::SIG_UNBLOCK)
}

fn mask(how: libc::c_int) -> io::Result<()> {
    // SAFETY: the set is initialised and outlives the call; the old mask is not asked for.
    let error = unsafe { libc::pthread_sigmask(how, &set_of_signals(), ptr::null_mut()) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// A descriptor that is readable while one of the signals is pending.
pub(super) fn pending() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised and outlives the call; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &set_of_signals(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd gave this descriptor just now, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor that [`set`] makes readable for good.
pub(super) fn event() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)
}

/// Makes `event` readable.
pub(super) fn set(event: &OwnedFd) -> io::Result<()> {
    match write(event, &1u64.to_ne_bytes()) {
        // Again: the counter is at its maximum, so it has been set before.
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until one of the two is readable or the deadline has passed. An interrupt goes before a signal.
pub(super) fn wait(pending: &OwnedFd, interrupt: &OwnedFd, deadline: Option<Instant>) -> io::Result<Ready> {
    let mut fds = [PollFd::new(pending, PollFlags::IN), PollFd::new(interrupt, PollFlags::IN)];
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A time that the kernel's type cannot tell is for ever.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) if !fds[1].revents().is_empty() => return Ok(Ready::Interrupted),
            Ok(_) if !fds[0].revents().is_empty() => return Ok(Ready::Signal),
            Ok(_) if left.is_some_and(|left| left.is_zero()) => return Ok(Ready::Late),
            // Woken for another signal, or a little early: look at the clock again.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes one pending signal, if there is one still.
pub(super) fn take(pending: &OwnedFd) -> io::Result<Option<Signal>> {
    let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
    match read(pending, &mut info) {
        Ok(_) => {}
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // `ssi_signo` is the first field, a u32 (signalfd(2)).
    let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
    Ok(SIGNALS.iter().find(|(known, _)| u32::try_from(*known) == Ok(number)).map(|(_, signal)| *signal))
}

const _: () =
    assert!(std::mem::offset_of!(libc::signalfd_siginfo, ssi_signo) == 0, "read as the first field");
