//! The pool by itself, without a runtime: its bounds and the lives of its threads.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use super::pool::Refused;
use super::{Limits, Pool};

const LONG: Duration = Duration::from_secs(20);

fn pool(threads_max: usize, queue_max: usize, idle_max: Duration) -> Pool {
    Pool::new(Limits { threads_max, queue_max, idle_max })
}

/// Waits for a state that other threads bring about. The time is that of a hang, not a measure.
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn threads_start_on_demand_up_to_the_bound() {
    let pool = pool(2, 8, LONG);
    assert_eq!(pool.stats().threads, 0, "none before the first job");
    let gate = Arc::new(Barrier::new(3));
    for _ in 0..2 {
        let gate = gate.clone();
        pool.submit(Box::new(move || {
            gate.wait();
        }))
        .unwrap();
    }
    let (done, seen) = mpsc::channel();
    for job in 0..3 {
        let done = done.clone();
        pool.submit(Box::new(move || done.send(job).unwrap())).unwrap();
    }
    assert_eq!((pool.stats().threads, pool.stats().queued), (2, 3), "both threads are busy");
    gate.wait();
    let mut order: Vec<_> = seen.iter().take(3).collect();
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2]);
}

#[test]
fn an_idle_thread_is_used_before_another_is_started() {
    let pool = pool(8, 8, LONG);
    for _ in 0..5 {
        let (done, seen) = mpsc::channel();
        pool.submit(Box::new(move || done.send(()).unwrap())).unwrap();
        seen.recv().unwrap();
        eventually("the thread waits again", || pool.stats().idle == 1);
    }
    assert_eq!(pool.stats().threads, 1);
}

#[test]
fn the_queue_refuses_at_its_bound_and_takes_again_after() {
    let pool = pool(1, 2, LONG);
    let gate = Arc::new(Barrier::new(2));
    let theirs = gate.clone();
    pool.submit(Box::new(move || {
        theirs.wait();
    }))
    .unwrap();
    pool.submit(Box::new(|| {})).unwrap();
    pool.submit(Box::new(|| {})).unwrap();
    assert!(matches!(pool.submit(Box::new(|| {})), Err(Refused::Full)));
    gate.wait();
    eventually("the queue is empty", || pool.stats().queued == 0);
    pool.submit(Box::new(|| {})).unwrap();
}

#[test]
fn an_idle_thread_ends() {
    let pool = pool(4, 8, Duration::from_millis(5));
    pool.submit(Box::new(|| {})).unwrap();
    eventually("the thread has ended", || pool.stats().threads == 0);
    let (done, seen) = mpsc::channel();
    pool.submit(Box::new(move || done.send(()).unwrap())).unwrap();
    seen.recv_timeout(LONG).unwrap();
}

#[test]
fn a_panic_costs_no_thread() {
    let pool = pool(1, 8, LONG);
    pool.submit(Box::new(|| std::panic::resume_unwind(Box::new("quiet")))).unwrap();
    let (done, seen) = mpsc::channel();
    pool.submit(Box::new(move || done.send(()).unwrap())).unwrap();
    seen.recv_timeout(LONG).unwrap();
    assert_eq!(pool.stats().threads, 1);
}

#[test]
fn closing_drops_what_waits_and_lets_finish_what_runs() {
    let pool = pool(1, 8, LONG);
    let (gate, ran) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let (theirs, count) = (gate.clone(), ran.clone());
    let (done, finished) = mpsc::channel();
    pool.submit(Box::new(move || {
        theirs.wait();
        count.fetch_add(1, SeqCst);
        done.send(()).unwrap();
    }))
    .unwrap();
    let count = ran.clone();
    pool.submit(Box::new(move || {
        count.fetch_add(1, SeqCst);
    }))
    .unwrap();
    drop(pool);
    gate.wait();
    finished.recv_timeout(LONG).unwrap();
    eventually("the thread has let go of everything", || Arc::strong_count(&ran) == 1);
    assert_eq!(ran.load(SeqCst), 1, "the job that waited was not run");
}
