//! Opening monoio's runtime: ring flags by trying, best first, then epoll.

use std::io;
use std::rc::Rc;

use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};

use super::{Local, root, watch};
use crate::driver::{DriverKind, Findings};
use crate::executor::Core;
use crate::launch::{DriverChoice, RingFlags, RingOptions};

/// Submission queue entries: operations started in one turn at most before an extra submit.
const ENTRIES: u32 = 1024;

/// Completion queue entries. Operations in flight may be more than this: the kernel keeps the
/// overflow in a list and costs an allocation for each, so the queue is sized for a busy turn of
/// four completions per entry submitted.
const COMPLETIONS: u32 = 4 * ENTRIES;

/// Ring set-ups to try, best first. What each is worth is measured in the design notes: with
/// neither flag a request costs 1.4 times as much.
const SET_UPS: [RingFlags; 3] = [
    RingFlags { single_issuer: true, coop_taskrun: true, defer_taskrun: true },
    RingFlags { single_issuer: true, coop_taskrun: true, defer_taskrun: false },
    RingFlags { single_issuer: false, coop_taskrun: false, defer_taskrun: false },
];

enum Inner {
    Uring(Runtime<IoUringDriver>),
    Epoll(Runtime<LegacyDriver>),
}

/// An open monoio runtime that has not run yet.
pub(crate) struct Prepared {
    inner: Inner,
}

impl Prepared {
    /// Opens what `choice` allows, on the thread that will run it.
    pub(crate) fn open(choice: DriverChoice) -> io::Result<(Prepared, Findings)> {
        let mut findings =
            Findings { flags: RingFlags::default(), options: RingOptions::NONE, notes: Vec::new() };
        if choice != DriverChoice::Epoll {
            let mut last = None;
            for flags in SET_UPS {
                match ring(flags) {
                    Ok(runtime) => {
                        findings.flags = flags;
                        return Ok((Prepared { inner: Inner::Uring(runtime) }, findings));
                    }
                    Err(error) => {
                        findings.notes.push(format!("io_uring with {flags}: {error}"));
                        last = Some(error);
                    }
                }
            }
            if let (DriverChoice::Uring, Some(error)) = (choice, last) {
                return Err(error);
            }
        }
        let runtime = RuntimeBuilder::<LegacyDriver>::new().with_entries(ENTRIES).build()?;
        Ok((Prepared { inner: Inner::Epoll(runtime) }, findings))
    }

    pub(crate) fn kind(&self) -> DriverKind {
        match self.inner {
            Inner::Uring(_) => DriverKind::Uring,
            Inner::Epoll(_) => DriverKind::Epoll,
        }
    }

    pub(crate) fn local(&self) -> Local {
        Local { uring: self.kind() == DriverKind::Uring, watch: watch::Watch::default() }
    }

    /// Runs the loop on this thread until the core is done.
    ///
    /// # Errors
    /// If the loop cannot start.
    pub(crate) fn run(self, core: &Rc<Core>) -> io::Result<()> {
        match self.inner {
            Inner::Uring(mut runtime) => {
                let ended = runtime.block_on(root(core, true));
                if core.shared.counters.lent.value() > 0 {
                    // Guard 9: the ring's teardown is asynchronous, and dropping the runtime would
                    // free buffers the kernel still writes to. The ring stays open instead.
                    tracing::warn!(
                        core = core.shared.id.index(),
                        "buffers are still lent; the ring is left open"
                    );
                    std::mem::forget(runtime);
                }
                ended
            }
            Inner::Epoll(mut runtime) => runtime.block_on(root(core, false)),
        }
    }
}

fn ring(flags: RingFlags) -> io::Result<Runtime<IoUringDriver>> {
    let mut builder = io_uring_06::IoUring::builder();
    builder.setup_cqsize(COMPLETIONS);
    if flags.single_issuer {
        builder.setup_single_issuer();
    }
    if flags.coop_taskrun {
        builder.setup_coop_taskrun();
    }
    if flags.defer_taskrun {
        builder.setup_defer_taskrun();
    }
    RuntimeBuilder::<IoUringDriver>::new().uring_builder(builder).with_entries(ENTRIES).build()
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::blocking;
    use crate::executor::{Common, spawn};
    use crate::launch::CoreId;
    use crate::mailbox::CoreShared;
    use crate::mesh::{Mesh, connect};
    use crate::net::Stream;

    /// Runs a future on a core over this runtime; calls `after` with monoio's runtime still alive.
    fn run(
        mut runtime: Runtime<IoUringDriver>,
        main: impl Future<Output = ()> + 'static,
        after: impl FnOnce(&Core),
    ) {
        let shared = CoreShared::new(CoreId::new(0), 1, crate::driver::Bell::new(None).unwrap());
        let local = Local { uring: true, watch: watch::Watch::default() };
        let core = Core::new(shared, crate::driver::Local::Monoio(local));
        let seat = connect(&[Arc::clone(&core.shared)]).pop().unwrap();
        let blocking = Arc::new(blocking::Pool::new(blocking::Limits::default()));
        core.join(Common { mesh: Mesh::new(seat), blocking });
        core.enter(|| {
            drop(spawn(async {
                main.await;
                Core::with(Core::main_ended);
            }));
            runtime.block_on(root(&core, true)).unwrap();
            assert_eq!(core.shared.counters.panics.value(), 0);
            after(&core);
        });
    }

    /// Guard 9, from inside: what a test above the driver cannot see is whether the loop ended with
    /// buffers in the kernel's hands.
    #[test]
    fn the_loop_ends_with_no_buffer_lent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let main = async move {
            let mut stuck = Stream::connect(address).await.unwrap();
            drop(spawn(async move { stuck.send(vec![0; 64 * 1024 * 1024]).await }));
            crate::time::sleep(Duration::from_millis(5)).await;
            let lent = Core::with(|core| core.shared.counters.lent.value());
            assert_eq!(lent, 1, "a send that nobody receives");
        };
        run(ring(SET_UPS[0]).unwrap(), main, |core| assert_eq!(core.shared.counters.lent.value(), 0));
    }

    /// A kernel that refuses the better flags gets one of these, so each must serve. This kernel
    /// takes them all.
    #[test]
    fn every_set_of_flags_that_may_be_stepped_down_to_serves() {
        for flags in SET_UPS {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let main = async move {
                let mut near = Stream::connect(address).await.unwrap();
                let mut far = Stream::from_std(listener.accept().unwrap().0).unwrap();
                for _ in 0..10 {
                    near.send("there").await.unwrap();
                    let bytes = far.recv().await.unwrap();
                    far.send(bytes).await.unwrap();
                    assert_eq!(&near.recv().await.unwrap()[..], b"there");
                    crate::time::sleep(Duration::from_millis(1)).await;
                    crate::executor::yield_now().await;
                }
            };
            run(ring(flags).unwrap_or_else(|error| panic!("{flags}: {error}")), main, |_| ());
        }
    }
}
