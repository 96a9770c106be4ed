//! Futures dropped anywhere. The sign of failure is an answer that belongs to somebody else.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use corelane_runtime as runtime;
use corelane_storage::redis::{Pipeline, Redis, RedisError, cmd};

use crate::support::redis_server::RedisServer;
use crate::support::{Random, on_core, size};

/// Polls `future` once a turn of the core, up to `polls` times, then drops it.
async fn poll_at_most<F: Future + Unpin>(mut future: F, polls: u64) -> Option<F::Output> {
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        runtime::yield_now().await;
    }
    None
}

/// A million commands with `REDIS_DROPS=1000000`, recorded in `benches/record`.
#[test]
fn a_dropped_future_never_shifts_an_answer() {
    let server = RedisServer::start();
    let commands = size("REDIS_DROPS", 50_000);
    let answered = Rc::new(Cell::new(0u64));
    let dropped = Rc::new(Cell::new(0u64));
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let tasks: Vec<_> = (0..64u64)
            .map(|task| {
                let (redis, answered, dropped) = (redis.clone(), Rc::clone(&answered), Rc::clone(&dropped));
                runtime::spawn(async move {
                    let mut random = Random(task);
                    for n in 0..commands / 64 {
                        let mark = task * 1_000_000_000 + n;
                        // Two in nine are dropped for certain: before or right after they are issued.
                        let polls = if random.below(3) == 0 { random.below(3) } else { random.below(40) };
                        let outcome = if random.below(4) == 0 {
                            let mut pipeline = Pipeline::new();
                            pipeline.push(cmd("ECHO").arg(mark));
                            pipeline.push(cmd("ECHO").arg(mark + 1));
                            let call = redis.pipeline(pipeline).to::<(u64, u64)>();
                            poll_at_most(call, polls).await.map(|pair| {
                                pair.map(|(first, second)| {
                                    assert_eq!(second, mark + 1, "somebody else's answer");
                                    first
                                })
                            })
                        } else {
                            poll_at_most(redis.run::<u64>(cmd("ECHO").arg(mark)), polls).await
                        };
                        match outcome {
                            Some(got) => {
                                assert_eq!(got?, mark, "somebody else's answer");
                                answered.set(answered.get() + 1);
                            }
                            None => dropped.set(dropped.get() + 1),
                        }
                    }
                    Ok::<(), RedisError>(())
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(redis.run::<u64>(cmd("ECHO").arg(7)).await.unwrap(), 7, "the connection is in step");
        assert_eq!((redis.in_flight(), redis.waiting(), redis.stats().connects), (0, 0, 1));
    });
    let (answered, dropped) = (answered.get(), dropped.get());
    println!("{answered} answered, {dropped} dropped");
    assert!(answered > commands / 100 && dropped > commands / 10, "{answered} answered, {dropped} dropped");
}

/// The same while there is no room, so that calls are dropped in the queue as well.
#[test]
fn calls_dropped_in_the_queue_leave_it_in_order() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = corelane_storage::redis::Config::from_url(&server.url()).unwrap();
        config.in_flight_max = 3;
        let redis = Redis::connect_with(config).await.unwrap();
        let tasks: Vec<_> = (0..64u64)
            .map(|task| {
                let redis = redis.clone();
                runtime::spawn(async move {
                    let mut random = Random(task);
                    for n in 0..200 {
                        let mark = task * 1_000_000 + n;
                        let call = redis.run::<u64>(cmd("ECHO").arg(mark)).deadline(Duration::from_secs(60));
                        if let Some(got) = poll_at_most(call, random.below(20)).await {
                            assert_eq!(got.unwrap(), mark, "somebody else's answer");
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(redis.run::<u64>(cmd("ECHO").arg(7)).await.unwrap(), 7);
        assert_eq!((redis.in_flight(), redis.waiting()), (0, 0));
    });
}
