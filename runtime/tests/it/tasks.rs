//! Tasks: results, panics, aborts, fairness, and wakes from other threads.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corelane_runtime::{block_on, spawn, stats, time, yield_now};

use crate::support::{echo_server, listen, on_each_driver};

#[test]
fn a_result_comes_whether_awaited_before_or_after_the_end() {
    on_each_driver(|| async {
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
        let early = spawn(async { Rc::new(2) });
        while !early.is_finished() {
            yield_now().await;
        }
        assert_eq!(*early.await.unwrap(), 2, "results need not be Send");
    });
}

#[test]
fn a_dropped_handle_lets_the_task_run_on() {
    on_each_driver(|| async {
        let ran = Rc::new(Cell::new(false));
        let inner = Rc::clone(&ran);
        drop(spawn(async move {
            time::sleep(Duration::from_millis(2)).await;
            inner.set(true);
        }));
        while !ran.get() {
            time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn panics_stay_in_their_task() {
    on_each_driver(|| async {
        let handle = spawn(async { panic!("on purpose") });
        let error = handle.await.unwrap_err();
        assert!(error.is_panic() && !error.is_aborted());
        let payload = error.into_panic().unwrap();
        assert_eq!(payload.downcast_ref(), Some(&"on purpose"));

        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("on purpose, in a destructor");
            }
        }
        let holds = PanicsWhenDropped;
        let aborted = spawn(async move {
            let _holds = holds;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        aborted.abort();
        yield_now().await;
        assert_eq!(spawn(async { 3 }).await.unwrap(), 3, "the core goes on");
        assert_eq!(stats::local().panics, 2, "and has counted both");
    });
}

#[test]
fn a_panic_of_the_first_future_reaches_the_caller() {
    let caught = catch_unwind(AssertUnwindSafe(|| block_on(async { panic!("on purpose") })));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert_eq!(block_on(async { 4 }), 4, "the thread is usable again");
}

#[test]
fn the_first_future_may_borrow() {
    let word = String::from("borrowed");
    assert_eq!(block_on(async { word.len() }), 8);
}

#[test]
fn aborting_drops_the_future_where_it_waits() {
    on_each_driver(|| async {
        let held = Rc::new(());
        let inner = Rc::clone(&held);
        let task = spawn(async move {
            let _inner = inner;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        assert_eq!(Rc::strong_count(&held), 2);
        task.abort();
        yield_now().await;
        assert_eq!(Rc::strong_count(&held), 1);
        assert!(task.is_finished());
        assert!(task.await.unwrap_err().is_aborted());

        let done = spawn(async { 5 });
        yield_now().await;
        done.abort();
        assert_eq!(done.await.unwrap(), 5, "aborting what has finished keeps the result");
    });
}

#[test]
fn what_is_left_when_the_core_ends_is_dropped() {
    for (choice, _) in crate::support::DRIVERS {
        let held = Rc::new(());
        crate::support::on(choice, async {
            for waits in 0..4 {
                let held = Rc::clone(&held);
                drop(spawn(async move {
                    let _held = held;
                    match waits {
                        0 => std::future::pending::<()>().await,
                        1 => time::sleep(Duration::from_secs(1000)).await,
                        2 => drop(listen().accept().await),
                        _ => loop {
                            yield_now().await;
                        },
                    }
                }));
            }
            yield_now().await;
            let unpolled = Rc::clone(&held);
            drop(spawn(async move { drop(unpolled) }));
        });
        assert_eq!(Rc::strong_count(&held), 1, "{choice:?}");
    }
}

#[test]
fn yielding_tasks_take_turns() {
    on_each_driver(|| async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|name| {
                let order = Rc::clone(&order);
                spawn(async move {
                    for _ in 0..5 {
                        order.borrow_mut().push(name);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2].repeat(5));
    });
}

/// Guard 2 again: each yield goes through the kernel, so completions are at most one yield away.
#[test]
fn a_yield_ends_the_turn() {
    on_each_driver(|| async {
        let before = stats::local().turns;
        for _ in 0..100 {
            yield_now().await;
        }
        let turns = stats::local().turns - before;
        assert!((100..150).contains(&turns), "{turns} turns for 100 yields");
    });
}

/// Ready again at once, without `yield_now`: as a future that wakes itself does.
struct WakesItself(u32);

impl Future for WakesItself {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0 -= 1;
        if self.0 == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn many_tasks_that_wake_themselves_leave_room_for_sockets_and_timers() {
    on_each_driver(|| async {
        let listener = listen();
        let address = listener.local_addr().unwrap();
        drop(spawn(echo_server(listener)));
        let stop = Rc::new(Cell::new(false));
        for _ in 0..2000 {
            let stop = Rc::clone(&stop);
            drop(spawn(async move {
                while !stop.get() {
                    WakesItself(3).await;
                }
            }));
        }
        // More ready tasks than a turn's budget, always. Each step needs completions.
        let mut client = corelane_runtime::net::Stream::connect(address).await.unwrap();
        for _ in 0..5 {
            client.send("through").await.unwrap();
            assert_eq!(&client.recv().await.unwrap()[..], b"through");
            time::sleep(Duration::from_millis(2)).await;
        }
        stop.set(true);
    });
}

/// A flag another thread sets, with the waker to call.
#[derive(Default)]
struct Signal {
    set: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    async fn wait(&self) {
        poll_fn(|cx| {
            if self.set.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            // Set between the load and the store of the waker?
            if self.set.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn set(&self) {
        self.set.store(true, Ordering::Release);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }
}

#[test]
fn wakes_from_other_threads_reach_a_sleeping_core() {
    on_each_driver(|| async {
        let (tell, told) = mpsc::channel::<Arc<Signal>>();
        let waker = std::thread::spawn(move || {
            for (index, signal) in told.iter().enumerate() {
                if index % 3 == 0 {
                    // Late enough that the core sleeps.
                    std::thread::sleep(Duration::from_millis(1));
                }
                signal.set();
            }
        });
        for _ in 0..300 {
            let signal = Arc::new(Signal::default());
            tell.send(Arc::clone(&signal)).unwrap();
            signal.wait().await;
        }
        drop(tell);
        waker.join().unwrap();
    });
}

/// Steps: in one sleep the core gets bytes for a socket and a ring, in this order. So in the next
/// turn the socket's task runs before the doorbell is answered, and has another thread ring again
/// in between. Answering takes both rings back; a core that then sleeps without a look never wakes.
#[test]
fn a_ring_in_the_middle_of_a_turn_is_not_lost() {
    on_each_driver(|| async {
        let (mut stream, far) = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (corelane_runtime::net::Stream::from_std(listener.accept().unwrap().0).unwrap(), far)
        };
        let (first, second) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
        let rings_again = Arc::clone(&second);
        drop(spawn(async move {
            assert_eq!(&stream.recv().await.unwrap()[..], b"first");
            std::thread::spawn(move || rings_again.set()).join().unwrap();
            stream
        }));
        let waits = [Arc::clone(&first), second].map(|signal| spawn(async move { signal.wait().await }));
        time::sleep(Duration::from_millis(5)).await;
        // The core's thread stands still here, so both are there when it looks.
        let other = std::thread::spawn(move || {
            std::io::Write::write_all(&mut &far, b"first").unwrap();
            first.set();
            far
        });
        let _far = other.join().unwrap();
        for wait in waits {
            let begun = std::time::Instant::now();
            wait.await.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(30), "woken by something else");
        }
    });
}

#[test]
fn many_tasks_woken_from_many_threads_each_finish_once() {
    on_each_driver(|| async {
        let finished = Arc::new(AtomicU32::new(0));
        let signals: Vec<Arc<Signal>> = (0..2000).map(|_| Arc::default()).collect();
        let tasks: Vec<_> = signals
            .iter()
            .map(|signal| {
                let (signal, finished) = (Arc::clone(signal), Arc::clone(&finished));
                spawn(async move {
                    signal.wait().await;
                    finished.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        yield_now().await;
        let threads: Vec<_> = (0..4)
            .map(|part| {
                let mine: Vec<_> = signals.iter().skip(part).step_by(4).cloned().collect();
                std::thread::spawn(move || mine.iter().for_each(|signal| signal.set()))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(finished.load(Ordering::Relaxed), 2000);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_waker_may_outlive_its_core() {
    let signal = Arc::new(Signal::default());
    let held = Rc::new(());
    block_on(async {
        let (signal, held) = (Arc::clone(&signal), Rc::clone(&held));
        drop(spawn(async move {
            let _held = held;
            signal.wait().await;
        }));
        yield_now().await;
    });
    assert_eq!(Rc::strong_count(&held), 1, "the task was dropped with its core");
    std::thread::spawn(move || signal.set()).join().unwrap();
}
