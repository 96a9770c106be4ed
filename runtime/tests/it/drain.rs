//! Two-step shutdown of a runtime of several cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corelane_runtime::{Builder, CoreId, Runtime, core_count, core_id, shutdown, spawn, time, try_core_id};

use crate::support::{DRIVERS, PATIENCE};

fn two_cores() -> Builder {
    Runtime::builder().cores(Some(2)).pin(false)
}

#[test]
fn cores_drain_finish_and_end() {
    for (choice, kind) in DRIVERS {
        let finished = Arc::new(AtomicUsize::new(0));
        let inner = Arc::clone(&finished);
        let runtime = two_cores()
            .driver(choice)
            .start(move |core| {
                let finished = Arc::clone(&inner);
                async move {
                    assert_eq!(core, core_id());
                    assert_eq!(core_count(), 2);
                    let work = spawn(async move {
                        shutdown::draining().await;
                        time::sleep(Duration::from_millis(10)).await;
                        finished.fetch_add(1, Ordering::Relaxed);
                    });
                    shutdown::draining().await;
                    work.await.unwrap();
                }
            })
            .unwrap();
        assert_eq!(runtime.info().driver(), kind);
        runtime.shutdown(PATIENCE);
        runtime.join().unwrap();
        assert_eq!(finished.load(Ordering::Relaxed), 2, "both finished what was in hand");
    }
}

#[test]
fn what_does_not_end_in_time_is_stopped() {
    for (choice, _) in DRIVERS {
        let dropped = Arc::new(AtomicUsize::new(0));
        struct Count(Arc<AtomicUsize>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let inner = Arc::clone(&dropped);
        let runtime = two_cores()
            .driver(choice)
            .start(move |_| {
                let count = Count(Arc::clone(&inner));
                async move {
                    let _count = count;
                    std::future::pending::<()>().await;
                }
            })
            .unwrap();
        let begun = Instant::now();
        runtime.shutdown(Duration::from_millis(30));
        runtime.join().unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(30), "not before the grace is over");
        assert_eq!(dropped.load(Ordering::Relaxed), 2, "tasks are dropped, not forgotten");
    }
}

#[test]
fn the_second_word_stops_at_once() {
    for (choice, _) in DRIVERS {
        let runtime = two_cores().driver(choice).start(|_| std::future::pending()).unwrap();
        let begun = Instant::now();
        runtime.shutdown(PATIENCE);
        runtime.shutdown_now();
        runtime.join().unwrap();
        assert!(begun.elapsed() < PATIENCE);
    }
}

#[test]
fn dropping_a_runtime_stops_it() {
    let runtime = two_cores().start(|_| std::future::pending()).unwrap();
    drop(runtime);
}

#[test]
fn one_core_may_drain_alone() {
    let runtime = two_cores()
        .start(|core| async move {
            if core == CoreId::new(0) {
                shutdown::drain();
                assert!(shutdown::is_draining());
            } else {
                assert!(!shutdown::is_draining());
            }
        })
        .unwrap();
    runtime.join().unwrap();
}

#[test]
fn waiting_for_a_drain_can_be_given_up() {
    crate::support::on_each_driver(|| async {
        for _ in 0..10 {
            let wait = time::timeout(Duration::from_millis(1), shutdown::draining());
            assert!(wait.await.is_err());
        }
        shutdown::drain();
        shutdown::draining().await;
    });
}

#[test]
fn a_panic_of_a_core_is_told_by_join_and_does_not_touch_the_other() {
    let runtime = two_cores()
        .start(|core| async move {
            assert_ne!(core, CoreId::new(0), "on purpose");
            time::sleep(Duration::from_millis(20)).await;
        })
        .unwrap();
    let error = runtime.join().unwrap_err();
    assert!(error.to_string().contains("core 0"), "{error}");
    assert!(try_core_id().is_none(), "this thread is no core");
}
