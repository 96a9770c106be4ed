//! Work whose place and amount are known.

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tests that measure shares run one after the other: the process has one sampler, and the machine few cores.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPU time of the calling thread.
pub(crate) fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned() as u32)
}

fn turn(rounds: u64) -> u64 {
    (0..rounds).fold(0, |sum, round| black_box(sum ^ round.wrapping_mul(0x9e37)))
}

/// Uses CPU for so many rounds.
#[inline(never)]
pub(crate) fn planted_hot(rounds: u64) -> u64 {
    black_box(turn(black_box(rounds))) + 1
}

/// The same under another name.
#[inline(never)]
pub(crate) fn planted_cold(rounds: u64) -> u64 {
    black_box(turn(black_box(rounds))) + 2
}

/// Uses CPU in two functions for `length`, and gives the part of the first by the thread's own clock.
#[inline(never)]
pub(crate) fn hot_and_cold(length: Duration) -> f64 {
    let (mut hot, mut cold) = (Duration::ZERO, Duration::ZERO);
    let until = Instant::now() + length;
    while Instant::now() < until {
        let begin = cpu_time();
        planted_hot(70_000);
        let between = cpu_time();
        planted_cold(30_000);
        hot += between - begin;
        cold += cpu_time() - between;
    }
    hot.as_secs_f64() / (hot + cold).as_secs_f64()
}
