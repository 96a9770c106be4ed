//! Callers that write and read keys of their own without end and check every answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::redis::{Pipeline, Redis, RedisError};

/// What the callers saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) answered: Cell<u64>,
    pub(super) failed: Cell<u64>,
    /// Acknowledged writes that a later read did not find: the store has lost them.
    pub(super) forgotten: Cell<u64>,
    pub(super) slowest: Cell<Duration>,
    pub(super) wrong: RefCell<Vec<String>>,
    /// Of each caller, when it was answered last.
    pub(super) last_answer: RefCell<Vec<Option<Instant>>>,
}

/// The callers at work.
pub(super) struct Load {
    pub(super) seen: Rc<Seen>,
    keys: Vec<String>,
    stop: Rc<Cell<bool>>,
    tasks: Vec<runtime::JoinHandle<(u64, u64)>>,
}

impl Load {
    /// One caller for each key.
    pub(super) fn start(redis: &Redis, keys: Vec<String>, deadline: Duration) -> Load {
        let (seen, stop) = (Rc::new(Seen::default()), Rc::new(Cell::new(false)));
        seen.last_answer.borrow_mut().resize(keys.len(), None);
        let tasks = keys.iter().enumerate().map(|(caller, key)| {
            let (redis, key) = (redis.clone(), key.clone());
            let (seen, stop) = (Rc::clone(&seen), Rc::clone(&stop));
            runtime::spawn(async move { call(&redis, caller, &key, deadline, &stop, &seen).await })
        });
        let tasks = tasks.collect();
        Load { seen, keys, stop, tasks }
    }

    /// When the last of the callers was answered for the first time after `since`, if all were.
    pub(super) fn all_answered_since(&self, since: Instant) -> bool {
        self.seen.last_answer.borrow().iter().all(|at| at.is_some_and(|at| at > since))
    }

    /// Ends the callers. Gives for each key the last value that was acknowledged, and the last that was tried.
    pub(super) async fn stop(self) -> Vec<(String, u64, u64)> {
        self.stop.set(true);
        let mut ends = Vec::new();
        for (key, task) in self.keys.into_iter().zip(self.tasks) {
            let (acknowledged, tried) = task.await.unwrap();
            ends.push((key, acknowledged, tried));
        }
        assert_eq!(*self.seen.wrong.borrow(), [""; 0]);
        ends
    }
}

async fn call(
    redis: &Redis,
    caller: usize,
    key: &str,
    deadline: Duration,
    stop: &Cell<bool>,
    seen: &Seen,
) -> (u64, u64) {
    let (mut n, mut acknowledged) = (0u64, 0u64);
    // What the key may hold: nothing below it unless the store forgot, nothing above `n`.
    while !stop.get() {
        n += 1;
        let began = Instant::now();
        let outcome = step(redis, caller, key, n, deadline).await;
        seen.slowest.set(seen.slowest.get().max(began.elapsed()));
        match outcome {
            Ok(got) => {
                acknowledged = n;
                seen.answered.set(seen.answered.get() + 1);
                seen.last_answer.borrow_mut()[caller] = Some(began);
                match got.as_deref().map(|text| text.split_once('/')) {
                    Some(Some((whose, value))) if whose == caller.to_string() => {
                        let value: u64 = value.parse().unwrap();
                        if value > n {
                            seen.wrong.borrow_mut().push(format!("{key}: {value} before it was written"));
                        }
                        seen.forgotten.set(seen.forgotten.get() + u64::from(value < n));
                    }
                    None => seen.forgotten.set(seen.forgotten.get() + 1),
                    other => seen.wrong.borrow_mut().push(format!("{key}: {other:?} for {n}")),
                }
            }
            Err(error) if error.is_unavailable() => {
                seen.failed.set(seen.failed.get() + 1);
                runtime::time::sleep(Duration::from_millis(2)).await;
            }
            Err(error) => seen.wrong.borrow_mut().push(format!("{key}: {error:?}")),
        }
    }
    (acknowledged, n)
}

/// Writes and reads, in one of the ways there are.
async fn step(
    redis: &Redis,
    caller: usize,
    key: &str,
    n: u64,
    deadline: Duration,
) -> Result<Option<String>, RedisError> {
    let value = format!("{caller}/{n}");
    match n % 4 {
        0 => {
            let mut pipeline = Pipeline::new();
            pipeline.push(redis.set(key, &value));
            pipeline.push(redis.get(key));
            let ((), got) = redis.pipeline(pipeline).to::<((), Option<String>)>().deadline(deadline).await?;
            Ok(got)
        }
        1 => {
            let mut pipeline = Pipeline::new();
            pipeline.push(redis.set(key, &value));
            pipeline.push(redis.get(key));
            let ((), got) =
                redis.transaction(pipeline).to::<((), Option<String>)>().deadline(deadline).await?;
            Ok(got)
        }
        _ => {
            redis.set(key, &value).deadline(deadline).await?;
            redis.get(key).to::<Option<String>>().deadline(deadline).await
        }
    }
}
