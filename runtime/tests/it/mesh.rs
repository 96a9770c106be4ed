//! Calls between cores: answers, order, bounds, failure.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use corelane_runtime::mesh::{BACKLOG_MAX, CALL_DEPTH_MAX, CALLS_IN_FLIGHT_MAX, Sharded};
use corelane_runtime::{CoreId, core_count, core_id, mesh, shutdown, spawn, stats, time, yield_now};

use crate::support::{DRIVERS, builder};

/// Longer than any test takes; a test that comes to it hangs.
const HANG: Duration = Duration::from_secs(60);

/// Runs `test` on core 0 of as many cores, over each driver. The others live until it has ended.
pub(crate) fn on_cores<F>(cores: usize, test: impl Fn() -> F + Send + Sync + Clone + 'static)
where
    F: Future<Output = ()> + 'static,
{
    for (driver, _) in DRIVERS {
        println!("driver: {driver:?}");
        let test = test.clone();
        let runtime = builder(driver).cores(Some(cores)).pin(false).start(move |core| {
            let test = test.clone();
            async move {
                if core.index() > 0 {
                    return shutdown::draining().await;
                }
                // Its own task, so that a failed test still ends the other cores.
                let ended = spawn(time::timeout(HANG, test())).await;
                let _some_may_have_ended = mesh::broadcast(shutdown::drain).await;
                ended.unwrap().expect("the test hangs");
            }
        });
        runtime.unwrap().join().unwrap();
    }
}

pub(crate) fn core(index: usize) -> CoreId {
    CoreId::new(index)
}

/// Polls once, so that the call is made.
fn make<T: Send + 'static>(call: &mut mesh::Call<T>) {
    assert!(std::pin::Pin::new(call).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Blocks a core until the sender is dropped or sends.
async fn block(target: CoreId) -> (mpsc::Sender<()>, mesh::Call<()>) {
    let (go, wait) = mpsc::channel();
    let (blocked, began) = mpsc::channel();
    let mut call = mesh::call(target, move || {
        blocked.send(()).unwrap();
        let _ = wait.recv();
    });
    make(&mut call);
    while began.try_recv().is_err() {
        yield_now().await;
    }
    (go, call)
}

#[test]
fn a_closure_runs_on_the_core_that_is_called() {
    on_cores(3, || async {
        for target in 0..3 {
            let answer = mesh::call(core(target), || (core_id().index(), std::thread::current().id())).await;
            let (index, thread) = answer.unwrap();
            assert_eq!(index, target);
            assert_eq!(thread == std::thread::current().id(), target == 0);
        }
    });
}

#[test]
fn a_called_future_need_not_be_send() {
    on_cores(2, || async {
        let answer = mesh::call_async(core(1), || async {
            let shared = Rc::new(RefCell::new(vec![core_id().index()]));
            let theirs = shared.clone();
            spawn(async move { theirs.borrow_mut().push(7) }).await.unwrap();
            time::sleep(Duration::from_millis(1)).await;
            shared.take()
        });
        assert_eq!(answer.await, Ok(vec![1, 7]));
    });
}

#[test]
fn a_broadcast_answers_in_the_order_of_the_cores() {
    on_cores(4, || async {
        let answers = mesh::broadcast(|| core_id().index()).await;
        assert_eq!(answers, (0..core_count()).map(Ok).collect::<Vec<_>>());
    });
}

#[test]
fn calls_start_in_the_order_they_were_made() {
    on_cores(2, || async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        // More than may be in flight, so that the backlog has its part.
        let calls: Vec<_> = (0..CALLS_IN_FLIGHT_MAX * 5)
            .map(|number| {
                let seen = seen.clone();
                spawn(mesh::call(core(1), move || seen.lock().unwrap().push(number)))
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let seen = seen.lock().unwrap();
        assert!(seen.iter().copied().eq(0..CALLS_IN_FLIGHT_MAX * 5), "{seen:?}");
    });
}

#[test]
fn a_panic_is_the_callers_error_and_the_core_goes_on() {
    on_cores(2, || async {
        let panics = || mesh::call(core(1), || stats::local().panics);
        let before = panics().await.unwrap();
        fn quiet() {
            std::panic::resume_unwind(Box::new("quiet"));
        }
        let in_closure = mesh::call(core(1), quiet).await.unwrap_err();
        let in_making = mesh::call_async(core(1), move || {
            quiet();
            async {}
        })
        .await
        .unwrap_err();
        let in_future = mesh::call_async(core(1), move || async move {
            yield_now().await;
            quiet();
        });
        let in_future = in_future.await.unwrap_err();
        for error in [in_closure, in_making, in_future] {
            assert!(error.is_panicked() && !error.is_safe_to_retry(), "{error}");
        }
        assert_eq!(panics().await.unwrap() - before, 3);
    });
}

#[test]
fn a_core_that_is_not_there_is_an_error() {
    on_cores(2, || async {
        let error = mesh::call(core(2), || ()).await.unwrap_err();
        assert!(error.is_core_ended() && error.is_safe_to_retry());
    });
}

#[test]
fn the_bound_refuses_and_sets_free_again() {
    on_cores(2, || async {
        let (go, blocked) = block(core(1)).await;
        // One is in flight and blocks the core.
        let mut calls: Vec<_> = (1..CALLS_IN_FLIGHT_MAX + BACKLOG_MAX)
            .map(|number| mesh::call(core(1), move || number))
            .collect();
        for call in &mut calls {
            make(call);
        }
        assert!(stats::local().calls_made as usize > CALLS_IN_FLIGHT_MAX);
        let error = mesh::call(core(1), || ()).await.unwrap_err();
        assert!(error.is_full() && error.is_safe_to_retry(), "{error}");
        mesh::call(core(0), || ()).await.expect("the bound is that of one pair of cores");
        drop(go);
        blocked.await.unwrap();
        for (number, call) in (1..).zip(calls) {
            assert_eq!(call.await, Ok(number));
        }
        mesh::call(core(1), || ()).await.unwrap();
    });
}

#[test]
fn a_call_dropped_while_it_waits_for_a_place_is_not_run_and_one_dropped_later_is() {
    on_cores(2, || async {
        let (go, blocked) = block(core(1)).await;
        let ran = Arc::new(Mutex::new(Vec::new()));
        let mut calls: Vec<_> = (1..CALLS_IN_FLIGHT_MAX + 3)
            .map(|number| {
                let ran = ran.clone();
                mesh::call(core(1), move || ran.lock().unwrap().push(number))
            })
            .collect();
        for call in &mut calls {
            make(call);
        }
        // One in flight, one that waits, and the last, which waits, is kept.
        let last = calls.pop().unwrap();
        drop(calls.pop());
        drop(calls.remove(0));
        drop(go);
        blocked.await.unwrap();
        last.await.unwrap();
        for call in calls {
            call.await.unwrap();
        }
        let ran = ran.lock().unwrap().clone();
        let want: Vec<_> = (1..CALLS_IN_FLIGHT_MAX + 3).filter(|n| *n != CALLS_IN_FLIGHT_MAX + 1).collect();
        assert_eq!(ran, want);
        yield_now().await;
        assert_eq!(stats::local().calls_pending, 0, "no call leaves anything behind");
    });
}

/// Drops on a core are told to a channel, with the core.
pub(crate) struct Trace(pub(crate) mpsc::Sender<Option<usize>>);

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.0.send(corelane_runtime::try_core_id().map(CoreId::index));
    }
}

#[test]
fn an_answer_nobody_awaits_is_dropped_on_the_callers_core() {
    on_cores(2, || async {
        let (go, blocked) = block(core(1)).await;
        let (told, dropped) = mpsc::channel();
        let mut call = mesh::call(core(1), move || Trace(told));
        make(&mut call);
        drop(call);
        drop(go);
        blocked.await.unwrap();
        mesh::call(core(1), || ()).await.unwrap();
        assert_eq!(dropped.recv_timeout(HANG).unwrap(), Some(0));
    });
}

#[test]
fn a_called_future_runs_on_when_its_caller_is_gone() {
    on_cores(2, || async {
        let (told, ended) = mpsc::channel();
        let mut call = mesh::call_async(core(1), move || async move {
            time::sleep(Duration::from_millis(5)).await;
            told.send(core_id().index()).unwrap();
        });
        make(&mut call);
        // A turn, so that it is in flight for certain.
        yield_now().await;
        drop(call);
        assert_eq!(spawn_blocking_recv(ended).await, 1);
    });
}

async fn spawn_blocking_recv<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> T {
    corelane_runtime::blocking::run(move || receiver.recv_timeout(HANG).unwrap()).await.unwrap()
}

/// Steps: each of two cores fills its places at the other with futures that call back. Failure shows
/// as a hang: without places for each depth, none of the calls back gets one.
#[test]
fn calls_that_call_back_do_not_wait_for_each_other() {
    async fn there_and_back(other: CoreId) -> usize {
        let here = core_id();
        let answer = mesh::call_async(other, move || async move {
            yield_now().await;
            mesh::call_async(here, move || async move { mesh::call(other, || 1).await.unwrap() + 1 })
                .await
                .unwrap()
                + 1
        });
        answer.await.unwrap()
    }
    on_cores(2, || async {
        let everything = |other: usize| async move {
            let calls: Vec<_> =
                (0..CALLS_IN_FLIGHT_MAX * 4).map(|_| spawn(there_and_back(core(other)))).collect();
            for call in calls {
                assert_eq!(call.await.unwrap(), 3);
            }
        };
        let theirs = spawn(mesh::call_async(core(1), move || everything_on_its_own(everything(0))));
        everything(1).await;
        theirs.await.unwrap().unwrap();
    });

    /// Spawned, so that its calls are of depth 0 as those of core 0 are.
    async fn everything_on_its_own(all: impl Future<Output = ()> + 'static) {
        spawn(all).await.unwrap();
    }
}

#[test]
fn calls_inside_calls_are_refused_at_the_depth_that_is_told() {
    /// How many calls, each inside the one before, can be made.
    fn deeper(made: usize) -> std::pin::Pin<Box<dyn Future<Output = usize>>> {
        Box::pin(async move {
            let next = core((core_id().index() + 1) % core_count());
            match mesh::call_async(next, move || deeper(made + 1)).await {
                Ok(deepest) => deepest,
                Err(error) => {
                    assert!(error.is_too_deep() && error.is_safe_to_retry(), "{error}");
                    made
                }
            }
        })
    }
    on_cores(2, || async {
        assert_eq!(deeper(0).await, CALL_DEPTH_MAX);
        assert_eq!(deeper(0).await, CALL_DEPTH_MAX, "the depth is that of the call, not of the core");
    });
}

#[test]
fn calls_of_one_turn_are_announced_by_one_wake() {
    on_cores(2, || async {
        let turns = || mesh::call(core(1), || stats::local().turns);
        // Quiet before.
        time::sleep(Duration::from_millis(5)).await;
        let before = turns().await.unwrap();
        let calls: Vec<_> = (0..CALLS_IN_FLIGHT_MAX).map(|_| spawn(mesh::call(core(1), || ()))).collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let taken = turns().await.unwrap() - before;
        assert!(taken < CALLS_IN_FLIGHT_MAX as u64 / 2, "{taken} turns for calls of one turn");
    });
}

#[test]
fn many_cores_call_many_cores() {
    on_cores(4, || async {
        const EACH: usize = 500;
        let served = Sharded::new(|_| Cell::new(0));
        let counted = served.clone();
        let storm = mesh::broadcast(move || {
            let served = counted.clone();
            let all = spawn(async move {
                let mut seed = core_id().index() + 1;
                let calls: Vec<_> = (0..EACH)
                    .map(|_| {
                        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        let target = core((seed >> 33) % core_count());
                        let served = served.clone();
                        spawn(async move { served.call(target, |count| count.set(count.get() + 1)).await })
                    })
                    .collect();
                for call in calls {
                    call.await.unwrap().unwrap();
                }
            });
            drop(all);
        });
        assert!(storm.await.iter().all(Result::is_ok));
        let total = || async {
            let answers = served.broadcast(Cell::get).await;
            answers.into_iter().map(Result::unwrap).sum::<usize>()
        };
        while total().await < EACH * core_count() {
            time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(total().await, EACH * core_count());
    });
}

#[test]
fn a_core_that_ends_fails_the_calls_to_it() {
    for (driver, _) in DRIVERS {
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = ran.clone();
        let runtime = builder(driver).cores(Some(2)).pin(false).start(move |me| {
            let ran = counter.clone();
            async move {
                if me.index() == 1 {
                    return shutdown::draining().await;
                }
                // Runs there and never ends.
                let running = spawn(mesh::call_async(core(1), std::future::pending::<()>));
                mesh::call(core(1), || ()).await.unwrap();
                // Lies in the ring behind the end, or waits for a place.
                let (go, blocked) = block(core(1)).await;
                let blocked = spawn(blocked);
                let mut calls = vec![spawn(mesh::call(core(1), shutdown::drain))];
                for _ in 0..CALLS_IN_FLIGHT_MAX * 3 {
                    let ran = ran.clone();
                    calls.push(spawn(mesh::call_async(core(1), move || async move {
                        ran.fetch_add(1, SeqCst);
                        std::future::pending::<()>().await
                    })));
                }
                yield_now().await;
                drop(go);
                blocked.await.unwrap().unwrap();
                let mut failed = 0;
                for call in std::iter::once(running).chain(calls) {
                    if let Err(error) = call.await.unwrap() {
                        assert!(error.is_core_ended(), "{error}");
                        failed += 1;
                    }
                }
                assert_eq!(failed, CALLS_IN_FLIGHT_MAX * 3 + 1, "all but the drain");
                let later = mesh::call(core(1), || ()).await.unwrap_err();
                assert!(later.is_core_ended());
                assert_eq!(mesh::broadcast(|| ()).await.iter().filter(|answer| answer.is_ok()).count(), 1);
                yield_now().await;
                assert_eq!(stats::local().calls_pending, 0);
            }
        });
        runtime.unwrap().join().unwrap();
        println!("{driver:?}: {ran:?} of them had begun");
    }
}

/// One that is polled on a core of a later runtime must not be taken for a call of that runtime.
#[test]
fn a_call_outlives_its_runtime_without_harm() {
    let mut call = None;
    corelane_runtime::block_on(async {
        make(call.insert(mesh::call(core_id(), || 1)));
    });
    let mut call = call.unwrap();
    corelane_runtime::block_on(async {
        let mut other = pin!(mesh::call(core_id(), || "another type"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(other.as_mut().poll(&mut cx).is_pending());
        assert!((&mut call).await.unwrap_err().is_core_ended());
        assert_eq!(other.await, Ok("another type"));
    });
}
