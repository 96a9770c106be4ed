//! Tasks that hold a core, each in its own way.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use corelane_profiling::findings::{Evidence, Kind, find};
use corelane_profiling::watch::Watch;
use corelane_runtime::observe::{self, Route};
use corelane_runtime::{Runtime, shutdown, time};

use crate::support::{alone, cpu_time, planted_hot};

#[inline(never)]
fn planted_sleep() {
    thread::sleep(Duration::from_millis(80));
}

#[inline(never)]
fn planted_loop() {
    let begin = cpu_time();
    while cpu_time() - begin < Duration::from_millis(80) {
        planted_hot(10_000);
    }
}

#[inline(never)]
fn planted_lock(lock: &Mutex<()>) {
    drop(lock.lock().unwrap());
}

/// Runs `work` on a core, for a route of its own.
fn on_core(route: &'static str, work: impl Fn() + Send + Sync + 'static) {
    let runtime = Runtime::builder().cores(Some(1)).pin(false).start(move |_| {
        observe::enter_route(Route::named(route));
        let _work = &work;
        work();
        async {
            // A moment in which it does nothing wrong.
            time::sleep(Duration::from_millis(30)).await;
            shutdown::drain();
        }
    });
    runtime.unwrap().join().unwrap();
}

#[test]
fn what_holds_a_core_is_named_with_its_route_and_what_does_not_is_not() {
    let _alone = alone();
    let watch = Watch::start(Duration::from_millis(10)).unwrap();
    let lock = Arc::new(Mutex::new(()));
    let until = Instant::now() + Duration::from_secs(30);
    let wanted = [
        (Kind::BlockingCall, "GET /sleep", "planted_sleep"),
        (Kind::TaskHoldsCore, "GET /loop", "planted_loop"),
        (Kind::LockContention, "GET /lock", "planted_lock"),
    ];
    // On a machine that is busy with something else a stall may go unnoticed as a lack of CPU: again then.
    loop {
        on_core("GET /quick", || {
            planted_hot(1_000);
        });
        on_core("GET /sleep", planted_sleep);
        on_core("GET /loop", planted_loop);
        let held = Arc::clone(&lock);
        let holder = lock.lock().unwrap();
        let waiter = thread::spawn(move || on_core("GET /lock", move || planted_lock(&held)));
        thread::sleep(Duration::from_millis(100));
        drop(holder);
        waiter.join().unwrap();
        let found = find(&Evidence::of(&watch));
        let named = |(kind, route, function): &(Kind, &str, &str)| {
            found.iter().any(|finding| {
                finding.kind == *kind
                    && finding.route.as_deref() == Some(route)
                    && finding.stack.iter().any(|name| name.contains(function))
            })
        };
        assert!(
            !found.iter().any(|finding| finding.route.as_deref() == Some("GET /quick")),
            "it held nothing: {found:#?}"
        );
        if wanted.iter().all(named) {
            return;
        }
        assert!(Instant::now() < until, "{found:#?}");
    }
}
