//! Cores and descriptors of this process, and how child processes get theirs.
//!
//! ```
//! use corelane_benches::host;
//!
//! host::raise_descriptor_limit(64)?;
//! let core = host::cores()?[0];
//! let mut child = host::spawn_pinned(&mut std::process::Command::new("true"), core)?;
//! assert!(child.wait()?.success());
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;
use std::process::{Child, Command};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins the calling thread to `core`. Threads and processes it starts from then on inherit this.
///
/// # Errors
/// If there is no such core, or this process may not run there.
pub fn pin_thread(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such core"));
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// The cores this process may run on, lowest first: in a container they need not begin at 0.
///
/// # Errors
/// If the kernel does not say.
pub fn cores() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect())
}

/// The first two of [`cores`]: one for servers, one for the load.
///
/// # Errors
/// If there are fewer: load and server on one core would measure each other.
pub fn two_cores() -> io::Result<(usize, usize)> {
    match cores()?[..] {
        [server, load, ..] => Ok((server, load)),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "a comparison needs two cores")),
    }
}

/// Starts `command` pinned to `core` from its first instruction on.
///
/// It is started by a thread that pins itself first, so no thread of the child ever runs elsewhere, as could happen
/// if the child were pinned after its start.
///
/// # Errors
/// If there is no such core, or the program does not start.
///
/// # Panics
/// Never: the thread that starts the child does not panic.
pub fn spawn_pinned(command: &mut Command, core: usize) -> io::Result<Child> {
    thread::scope(|scope| {
        let start = scope.spawn(|| {
            pin_thread(core)?;
            command.spawn()
        });
        start.join().expect("starting a child does not panic")
    })
}

/// Raises the limit of open descriptors to `wanted`, if it is lower. Children inherit it.
///
/// # Errors
/// If the hard limit is lower than `wanted` and this process may not raise it.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = maximum.map(|maximum| maximum.max(wanted));
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?)
}
