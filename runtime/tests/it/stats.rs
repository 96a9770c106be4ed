//! The figures of cores, read on the core and from outside.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use corelane_runtime::{Runtime, block_on, mesh, shutdown, spawn, stats, yield_now};

#[test]
fn a_core_counts_what_it_does() {
    block_on(async {
        // The driver's own tasks are counted once they run.
        yield_now().await;
        let before = stats::local();
        for _ in 0..3 {
            stats::count_requests(1);
            spawn(async {}).await.unwrap();
        }
        let quiet = spawn(async { std::panic::resume_unwind(Box::new("quiet")) });
        let _: Result<(), _> = quiet.await;
        yield_now().await;
        let after = stats::local();
        assert_eq!(after.requests - before.requests, 3);
        assert_eq!(after.spawned - before.spawned, 4);
        assert_eq!(after.panics - before.panics, 1);
        assert_eq!(after.tasks, before.tasks, "they have ended");
        assert!(after.turns > before.turns && after.polls > before.polls && after.user_ns > before.user_ns);
    });
}

#[test]
fn other_threads_read_the_figures() {
    let (ready, started) = mpsc::channel();
    let runtime = Runtime::builder()
        .cores(Some(2))
        .pin(false)
        .start(move |core| {
            let ready = ready.clone();
            async move {
                for _ in 0..=core.index() {
                    stats::count_requests(1);
                }
                ready.send(()).unwrap();
                shutdown::draining().await;
            }
        })
        .unwrap();
    started.recv().unwrap();
    started.recv().unwrap();
    let cores = runtime.core_stats();
    assert_eq!(
        cores.iter().map(|core| (core.core.index(), core.requests)).collect::<Vec<_>>(),
        [(0, 1), (1, 2)]
    );
    runtime.shutdown_now();
    runtime.join().unwrap();
}

#[test]
fn a_core_reads_the_figures_of_all_cores() {
    let runtime = Runtime::builder().cores(Some(2)).pin(false).start(|core| async move {
        if core.index() == 0 {
            for answer in mesh::broadcast(|| stats::count_requests(1)).await {
                answer.unwrap();
            }
            assert_eq!(stats::all().iter().map(|core| core.requests).collect::<Vec<_>>(), [1, 1]);
            assert_eq!(stats::all()[0].calls_made, 2);
            assert_eq!(stats::all()[1].calls_served, 1);
            mesh::call(corelane_runtime::CoreId::new(1), shutdown::drain).await.unwrap();
        } else {
            shutdown::draining().await;
        }
    });
    runtime.unwrap().join().unwrap();
}

/// The gauge is written at the end of a turn: it is right one turn later.
#[test]
fn leases_are_counted_out_and_in() {
    block_on(async {
        yield_now().await;
        let before = stats::local().leases_out;
        let leases: Vec<_> = (0..3).map(|_| corelane_runtime::buf::Lease::take(1).unwrap()).collect();
        yield_now().await;
        assert_eq!(stats::local().leases_out, before + 3);
        drop(leases);
        yield_now().await;
        assert_eq!(stats::local().leases_out, before);
    });
}

#[test]
fn time_in_turns_is_time_in_tasks() {
    block_on(async {
        yield_now().await;
        let (before, begin) = (stats::local().user_ns, Instant::now());
        let busy = Duration::from_millis(5);
        while begin.elapsed() < busy {}
        yield_now().await;
        let spent = Duration::from_nanos(stats::local().user_ns - before);
        assert!(spent >= busy, "{spent:?}");
        let before = stats::local().user_ns;
        let slept = Instant::now();
        corelane_runtime::time::sleep(Duration::from_millis(200)).await;
        yield_now().await;
        let spent = Duration::from_nanos(stats::local().user_ns - before);
        assert!(spent < slept.elapsed() / 2, "sleeping is not counted: {spent:?}");
    });
}
