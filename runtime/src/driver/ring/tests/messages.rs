//! Messages from ring to ring.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{PATIENCE, ring_as, settle};
use crate::blocking;
use crate::driver::ring::{Ring, Sizes, Wait};
use crate::driver::{Bell, Local};
use crate::executor::{Common, Core};
use crate::launch::{CoreId, RingOptions};
use crate::mailbox::CoreShared;
use crate::mesh::{Mesh, connect};

fn ring() -> Rc<Ring> {
    ring_as(64, Sizes::default(), RingOptions { message_doorbells: true, ..RingOptions::default() })
}

fn mailslot(ring: &Rc<Ring>) -> OwnedFd {
    ring.with(|inner| inner.mailslot()).unwrap().expect("these tests need IORING_OP_MSG_RING")
}

/// Turns a ring that would sleep long; true if something woke it.
fn wakes(ring: &Rc<Ring>) -> bool {
    let started = Instant::now();
    ring.turn(Wait::AtMost(PATIENCE), started);
    started.elapsed() < PATIENCE / 2
}

#[test]
fn message_to_another_core() {
    let (ours, theirs) = (ring(), ring());
    let slot = mailslot(&theirs);
    for _ in 0..3 {
        assert!(ours.message(slot.as_fd(), 1));
        assert!(ours.message(slot.as_fd(), 1), "one for each batch is the doorbell's business");
        ours.turn(Wait::No, Instant::now());
        assert!(wakes(&theirs));
    }
    // It ends a sleep that has begun.
    let thread = std::thread::spawn(move || {
        let ring = ring();
        std::thread::sleep(Duration::from_millis(50));
        assert!(ring.message(slot.as_fd(), 1));
        settle(&ring);
    });
    assert!(wakes(&theirs));
    thread.join().unwrap();
}

/// Steps: a message is queued, its receiver ends, its number would be free for another file, the message
/// is submitted. Failure shows as a wake of that file's ring, or as a crash.
#[test]
fn message_to_a_core_that_has_ended() {
    let ours = ring();
    for submitted_before in [false, true] {
        let theirs = ring();
        let slot = mailslot(&theirs);
        assert!(ours.message(slot.as_fd(), 1));
        if submitted_before {
            ours.turn(Wait::No, Instant::now());
        }
        theirs.finish();
        drop(theirs);
        let other = ring();
        settle(&ours);
        assert!(ours.message(slot.as_fd(), 1));
        settle(&ours);
        let started = Instant::now();
        other.turn(Wait::AtMost(Duration::from_millis(30)), started);
        assert!(started.elapsed() >= Duration::from_millis(30), "nothing reached the ring that came after");
        drop(slot);
    }
}

#[test]
fn a_ring_that_ends_sends_no_messages() {
    let (ours, theirs) = (ring(), ring());
    let slot = mailslot(&theirs);
    ours.finish();
    assert!(!ours.message(slot.as_fd(), 1), "nobody would hear that it failed");
}

/// What cannot be delivered goes by the eventfd: here the place for messages is no ring at all.
#[test]
fn an_undelivered_message_rings_the_eventfd() {
    let ours = ring();
    let theirs = {
        let bogus = File::open("/dev/null").unwrap().into();
        CoreShared::new(CoreId::new(1), 2, Bell::new(Some(bogus)).unwrap())
    };
    let bell = theirs.bell.duplicate().unwrap();
    let me = CoreShared::new(CoreId::new(0), 2, Bell::new(None).unwrap());
    let seat = connect(&[me.clone(), theirs.clone()]).swap_remove(0);
    let core = Core::new(me, Local::Ring(Rc::clone(&ours)));
    let blocking = Arc::new(blocking::Pool::new(blocking::Limits::default()));
    core.join(Common { mesh: Mesh::new(seat), blocking });
    core.enter(|| {
        let rings = || {
            let mut count = [0; 8];
            rustix::io::read(&bell, &mut count).map_or(0, |_| u64::from_ne_bytes(count))
        };
        theirs.ring_at_end_of_turn();
        assert_eq!(rings(), 0, "it goes by message");
        settle(&ours);
        assert_eq!(rings(), 1, "and that has failed");
        theirs.ring_at_end_of_turn();
        settle(&ours);
        assert_eq!(rings(), 0, "not answered yet: the first ring will do");
        core.drop_tasks();
    });
}
