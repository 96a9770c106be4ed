//! The driver on monoio: io_uring, or epoll where there is none.
//!
//! monoio's loop is not ours: its `block_on` polls one root future, and sleeps in the kernel when
//! that returns `Pending`. Our executor is that root future; one poll is one turn. Three things
//! follow from its source (`runtime.rs`, `driver/uring/mod.rs` of 0.2.4):
//!
//! * The root's waker only sets a flag, and as long as the flag is set the root is polled again
//!   **without** a look at completions. So the root never wakes itself; when tasks are left it
//!   submits an operation that completes at once ([`kick`]), and the loop goes through the kernel
//!   (guard 2).
//! * monoio's timers cost two clock reads and a kernel timer per sleep. We give it none: the
//!   wheel's next deadline is armed in a timerfd, only when it moves nearer ([`timer`]), and
//!   sleeping has no timeout at all.
//! * Every stream is handled as monoio's `UnixStream`, whose operations are the same system calls
//!   as its `TcpStream`'s, without the latter's cached metadata.
//!
//! Operations monoio does badly are not used: accept and connect wait for readiness and then make
//! the system call themselves, which makes both droppable at any await (guard 4), sets
//! close-on-exec for free (guard 6), takes a burst of connections in one turn, and never resolves
//! a name (guard 8).

mod acceptor;
mod kick;
mod lent;
mod open;
pub(super) mod pool;
mod send_file;
mod services;
mod socket;
mod timer;
mod watch;

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

pub(crate) use self::acceptor::Acceptor;
pub(crate) use self::open::Prepared;
pub(crate) use self::socket::Socket;

use self::kick::Kick;
use self::timer::Timer;
use crate::executor::{Core, Turn};

/// How long a core that ends waits for buffers still lent to the kernel.
const LENT_GRACE: Duration = Duration::from_secs(2);

/// What the core carries for this driver.
pub(crate) struct Local {
    /// True on io_uring, false on epoll.
    pub(crate) uring: bool,
    pub(crate) watch: watch::Watch,
}

/// The root future: turns until the core is done, then ends it.
///
/// # Errors
/// If the loop cannot start; no task has run then, and all are dropped.
async fn root(core: &Rc<Core>, uring: bool) -> io::Result<()> {
    // Both need monoio's context, which exists only inside its `block_on`.
    let started = Timer::new().and_then(|timer| {
        let timer = Rc::new(timer);
        services::start(core, &timer)?;
        Ok((timer, Kick::new(uring)?))
    });
    let (timer, mut kick) = match started {
        Ok(started) => started,
        Err(error) => {
            core.drop_tasks();
            return Err(error);
        }
    };
    poll_fn(|cx| {
        core.set_nudge(cx.waker());
        kick.settle(cx);
        match core.turn() {
            Turn::Done => return Poll::Ready(()),
            Turn::Again => kick.arm(cx),
            Turn::Park(next) => timer.arm(next, core.now()),
        }
        Poll::Pending
    })
    .await;
    core.drop_tasks();
    // Guard 9: dropping monoio's runtime does not wait for operations in flight, and frees the
    // buffers they write to. Wait for them; each was cancelled when its task was dropped.
    let deadline = std::time::Instant::now() + LENT_GRACE;
    while core.shared.counters.lent.value() > 0 && std::time::Instant::now() < deadline {
        timer.wait(Duration::from_millis(1)).await;
        core.drop_tasks();
    }
    Ok(())
}
