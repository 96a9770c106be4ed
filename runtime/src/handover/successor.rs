//! The side that gives descriptors.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};

use super::TABLE;
use crate::signal;

/// A process that is to take the place of this one.
///
/// ```
/// use corelane_runtime::handover::{Outcome, Successor};
/// use std::process::Command;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// // A program that ends at once, instead of a server.
/// let mut successor = Successor::start(Command::new("false"), [("web", &listener)])?;
/// let outcome = loop {
///     if let Some(outcome) = successor.outcome()? {
///         break outcome;
///     }
///     std::thread::sleep(std::time::Duration::from_millis(1));
/// };
/// assert!(matches!(outcome, Outcome::Failed(status) if !status.success()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Successor {
    child: Child,
    /// What it tells it serves through.
    ready: OwnedFd,
    is_ready: bool,
}

/// What has become of a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It serves: this process may end.
    Ready,
    /// It has ended. This process goes on.
    Failed(ExitStatus),
}

impl Successor {
    /// Starts `command` with copies of these sockets, each under a name, which [`from_predecessor`](super::from_predecessor) finds
    /// there. No other descriptor but the standard three is passed on, and no signal is blocked there.
    ///
    /// What systemd has said to this process alone (`LISTEN_*`, `WATCHDOG_PID`) is taken out of its environment.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a name holds a line end, else what the kernel says: the program cannot be
    /// found or run, or there is no room for another process.
    pub fn start<'a, S: std::os::fd::AsFd + 'a>(
        mut command: Command,
        sockets: impl IntoIterator<Item = (&'a str, &'a S)>,
    ) -> io::Result<Successor> {
        let (ready, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut passed = vec![theirs.as_raw_fd()];
        let mut table = format!("{} {}\n", std::process::id(), theirs.as_raw_fd());
        for (name, socket) in sockets {
            if name.contains(['\n', '\0']) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let number = socket.as_fd().as_raw_fd();
            passed.push(number);
            // Writing to a string does not fail.
            let _ = writeln!(table, "{number} {name}");
        }
        command.env(TABLE, table);
        for stale in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(stale);
        }
        // SAFETY: between fork and exec only async-signal-safe functions may be called, and nothing may be allocated:
        // `pass_on` makes system calls, and reads a list that was made before.
        unsafe { command.pre_exec(move || pass_on(&passed)) };
        let child = command.spawn()?;
        Ok(Successor { child, ready, is_ready: false })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What has become of it; `None` while it starts. Does not block.
    ///
    /// # Errors
    /// None are known of; what the kernel says is handed on.
    pub fn outcome(&mut self) -> io::Result<Option<Outcome>> {
        if self.is_ready {
            return Ok(Some(Outcome::Ready));
        }
        let mut said = [0; 1];
        match rustix::io::read(&self.ready, &mut said) {
            // Its end is closed: it has ended, or is about to. One that goes on all the same is the caller's to kill.
            Ok(0) => Ok(self.child.try_wait()?.map(Outcome::Failed)),
            Ok(_) => {
                self.is_ready = true;
                Ok(Some(Outcome::Ready))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills it, and waits for its end.
    ///
    /// # Errors
    /// None are known of; what the kernel says is handed on.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

/// In the child: lets what is passed survive the exec, and nothing else.
fn pass_on(descriptors: &[RawFd]) -> io::Result<()> {
    signal::unblock_here()?;
    // SAFETY: a system call that closes nothing now and has no pointers. An old kernel without it (before 5.11)
    // refuses, and then what was opened close-on-exec is so still.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    for &number in descriptors {
        // SAFETY: the parent holds it open until the fork is done, and this is the child's own copy.
        fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::empty())?;
    }
    Ok(())
}
