//! The blocking pool as tasks see it.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use corelane_runtime::{Runtime, block_on, blocking, core_id, spawn, time};

#[test]
fn a_job_runs_on_another_thread_while_the_core_goes_on() {
    block_on(async {
        let here = thread::current().id();
        let (go, wait) = mpsc::channel();
        let job = spawn(blocking::run(move || {
            wait.recv().unwrap();
            thread::current().id()
        }));
        // If the core were blocked by the job, this would not come to be sent.
        time::sleep(Duration::from_millis(1)).await;
        go.send(()).unwrap();
        assert_ne!(job.await.unwrap().unwrap(), here);
    });
}

#[test]
fn a_panic_is_an_error_of_its_job_only() {
    block_on(async {
        let error =
            blocking::run(|| -> () { std::panic::resume_unwind(Box::new("quiet")) }).await.unwrap_err();
        assert!(error.is_panicked() && !error.is_full() && !error.is_closed());
        assert_eq!(blocking::run(|| 7).await.unwrap(), 7);
    });
}

#[test]
fn the_pool_refuses_at_its_bound() {
    let runtime = Runtime::builder().cores(Some(1)).pin(false).blocking_threads(1).start(|_| async {
        let gate = Arc::new(Barrier::new(2));
        let theirs = gate.clone();
        let first = spawn(blocking::run(move || {
            theirs.wait();
        }));
        let mut jobs = Vec::new();
        while blocking::stats().threads == 0 {
            time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..blocking::QUEUE_MAX {
            jobs.push(spawn(blocking::run(|| ())));
        }
        while blocking::stats().queued < blocking::QUEUE_MAX {
            time::sleep(Duration::from_millis(1)).await;
        }
        let error = blocking::run(|| ()).await.unwrap_err();
        assert!(error.is_full(), "{error}");
        gate.wait();
        first.await.unwrap().unwrap();
        for job in jobs {
            job.await.unwrap().unwrap();
        }
        blocking::run(|| ()).await.unwrap();
    });
    runtime.unwrap().join().unwrap();
}

#[test]
fn a_job_dropped_before_it_starts_is_not_run_and_one_dropped_later_is() {
    let runtime = Runtime::builder().cores(Some(1)).pin(false).blocking_threads(1).start(|_| async {
        let (started, finished) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let gate = Arc::new(Barrier::new(2));
        let (theirs, began, ended) = (gate.clone(), started.clone(), finished.clone());
        let mut running = Box::pin(blocking::run(move || {
            began.store(true, SeqCst);
            theirs.wait();
            ended.store(true, SeqCst);
        }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(running.as_mut().poll(&mut cx).is_pending());
        while !started.load(SeqCst) {
            time::sleep(Duration::from_millis(1)).await;
        }
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let mut waiting = Box::pin(blocking::run(move || count.fetch_add(1, SeqCst)));
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        drop(waiting);
        drop(running);
        gate.wait();
        // Behind both: the pool has one thread and its queue is in order.
        blocking::run(|| ()).await.unwrap();
        assert!(finished.load(SeqCst), "what ran was run to its end");
        assert_eq!(ran.load(SeqCst), 0, "what waited was not run");
    });
    runtime.unwrap().join().unwrap();
}

#[test]
fn all_cores_share_the_bound_of_threads() {
    let peak = Arc::new(AtomicUsize::new(0));
    let seen = peak.clone();
    let runtime = Runtime::builder().cores(Some(2)).pin(false).blocking_threads(2).start(move |_| {
        let peak = seen.clone();
        async move {
            let jobs: Vec<_> =
                (0..8).map(|_| spawn(blocking::run(|| thread::sleep(Duration::from_millis(2))))).collect();
            for job in jobs {
                peak.fetch_max(blocking::stats().threads, SeqCst);
                job.await.unwrap().unwrap();
            }
        }
    });
    runtime.unwrap().join().unwrap();
    assert!((1..=2).contains(&peak.load(SeqCst)), "{peak:?}");
}

/// A thread inherits the pinning of the core that starts it; then all blocking work would share that CPU.
#[test]
#[cfg(target_os = "linux")]
fn threads_of_the_pool_are_not_pinned() {
    let before = rustix::thread::sched_getaffinity(None).unwrap();
    let runtime = Runtime::builder().cores(Some(1)).start(move |_| async move {
        let inside = blocking::run(|| rustix::thread::sched_getaffinity(None).unwrap()).await.unwrap();
        assert_eq!(inside, before);
        assert_eq!(core_id().index(), 0);
    });
    runtime.unwrap().join().unwrap();
}
