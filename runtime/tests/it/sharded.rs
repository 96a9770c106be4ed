//! One value per core: where it is made, where it goes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};

use corelane_runtime::mesh::Sharded;
use corelane_runtime::{core_id, yield_now};

use crate::mesh::{Trace, core, on_cores};
use crate::support::DRIVERS;

#[test]
fn a_sharded_value_is_made_on_each_core_once() {
    on_cores(2, || async {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let sharded = Sharded::new(move |core| {
            count.fetch_add(1, SeqCst);
            assert_eq!(core, core_id());
            Cell::new(core.index() * 10)
        });
        assert_eq!(made.load(SeqCst), 0, "not before it is used");
        sharded.with(|value| value.set(value.get() + 1));
        let inside = |value: Rc<Cell<usize>>| async move {
            yield_now().await;
            value.set(value.get() + 2);
            value.get()
        };
        assert_eq!(sharded.call_async(core(1), inside).await, Ok(12));
        assert_eq!(sharded.broadcast(Cell::get).await, [Ok(1), Ok(12)]);
        assert_eq!(made.load(SeqCst), 2);
    });
}

#[test]
fn sharded_values_are_dropped_on_their_core() {
    let (told, dropped) = mpsc::channel();
    on_cores(2, move || {
        let told = told.clone();
        async move {
            let told = Mutex::new(told);
            let sharded = Sharded::new(move |_| Trace(told.lock().unwrap().clone()));
            for answer in sharded.broadcast(|_| ()).await {
                answer.unwrap();
            }
            // The handle is still there: the values go with their cores.
            std::mem::forget(sharded.clone());
        }
    });
    let mut cores: Vec<_> = dropped.iter().take(2 * DRIVERS.len()).collect();
    cores.sort_unstable();
    let each = |core| std::iter::repeat_n(Some(core), DRIVERS.len());
    assert!(cores.iter().copied().eq(each(0).chain(each(1))), "{cores:?}");
}

#[test]
fn a_value_without_a_handle_goes_when_the_next_is_made() {
    on_cores(1, || async {
        let (told, dropped) = mpsc::channel();
        let told = Mutex::new(told);
        let sharded = Sharded::new(move |_| Trace(told.lock().unwrap().clone()));
        sharded.with(|_| ());
        drop(sharded);
        assert!(dropped.try_recv().is_err());
        Sharded::new(|_| ()).with(|()| ());
        assert_eq!(dropped.try_recv(), Ok(Some(0)));
    });
}

#[test]
fn a_value_whose_making_panics_is_tried_again() {
    on_cores(2, || async {
        let tries = Arc::new(AtomicUsize::new(0));
        let count = tries.clone();
        let sharded = Sharded::new(move |_| {
            if count.fetch_add(1, SeqCst) == 0 {
                std::panic::resume_unwind(Box::new("quiet"));
            }
            7
        });
        assert!(sharded.call(core(1), |_| ()).await.unwrap_err().is_panicked());
        assert_eq!(sharded.call(core(1), |value| *value).await, Ok(7));
    });
}

#[test]
fn a_value_may_be_made_with_another() {
    on_cores(1, || async {
        let first = Sharded::new(|_| 1);
        let second = Sharded::new({
            let first = first.clone();
            move |_| first.with(|value| value + 1)
        });
        assert_eq!(second.with(|value| first.with(|first| first + value)), 3);
    });
}
