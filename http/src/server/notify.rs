//! What a service manager is told: `sd_notify(3)`.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The way to the service manager, if there is one that listens.
pub(super) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say.
    pub(super) fn from_environment() -> Notify {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let address = match path.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                _ => SocketAddr::from_pathname(&path),
            };
            let socket = UnixDatagram::unbound().and_then(|socket| {
                // A manager that does not read must not stop the server.
                socket.set_nonblocking(true)?;
                Ok((socket, address?))
            });
            socket.inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET names no socket")).ok()
        });
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let is_for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_for_us && *usec > 0);
        Notify { socket, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// How often it wants to hear `WATCHDOG=1`: twice in the time after which it would kill, as its manual says.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some()).map(|period| period / 2)
    }

    /// Says this, if anybody listens: lines of `NAME=value`.
    pub(super) fn say(&self, lines: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(lines.as_bytes(), address)
        {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }

    pub(super) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nMAINPID={}\nSTATUS={status}", std::process::id()));
    }

    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }
}
