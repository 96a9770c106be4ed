//! Waiting, without sending anything: a signal sent to the test process could meet a thread that
//! does not block it. Real signals go to a child process, in `tests/it/signal.rs`.

use std::thread;
use std::time::Duration;

use super::*;

#[test]
fn a_wait_ends_when_its_time_has_passed() {
    let signals = Signals::block().unwrap();
    assert_eq!(signals.wait_timeout(Duration::from_millis(1)).unwrap(), None);
    assert_eq!(signals.wait_timeout(Duration::ZERO).unwrap(), None);
}

#[test]
fn an_interrupt_ends_waits_for_good() {
    let signals = Signals::block().unwrap();
    let interrupter = signals.interrupter();
    let thread = thread::spawn(move || interrupter.interrupt().unwrap());
    assert_eq!(signals.wait().unwrap(), None);
    thread.join().unwrap();
    assert_eq!(signals.wait().unwrap(), None, "later waits end at once");
    assert_eq!(signals.wait_timeout(Duration::MAX).unwrap(), None);
}

#[test]
fn a_signal_to_this_thread_is_taken() {
    let signals = Signals::block().unwrap();
    for (number, want) in [
        (libc::SIGTERM, Signal::Terminate),
        (libc::SIGINT, Signal::Interrupt),
        (libc::SIGHUP, Signal::Hangup),
        (libc::SIGUSR2, Signal::Replace),
    ] {
        // SAFETY: raise sends to the calling thread, in which the signal is blocked.
        assert_eq!(unsafe { libc::raise(number) }, 0);
        assert_eq!(signals.wait().unwrap(), Some(want));
    }
    assert_eq!(signals.wait_timeout(Duration::ZERO).unwrap(), None, "each is taken once");
}
