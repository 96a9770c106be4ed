//! A client under load on one core: so many commands under way at a time, for so long. Prints one line of JSON that
//! [`corelane_benches::redis`] reads; the peers are programs of the same form.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use corelane_benches::redis::{Arguments, Load, Measured};
use corelane_runtime as runtime;
use corelane_storage::redis::{Pipeline, Redis, RedisError};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let measured = runtime::block_on(run(&arguments)).map_err(io::Error::other)?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn run(arguments: &Arguments) -> Result<Measured, RedisError> {
    let redis = Redis::connect(&format!("redis://{}", arguments.address)).await?;
    redis.set(arguments.key(), arguments.value()).await?;
    let done = Rc::new(Cell::new(0u64));
    let until = Instant::now() + arguments.warmup() + arguments.seconds();
    let tasks: Vec<_> = (0..arguments.concurrency)
        .map(|_| {
            let (redis, done, load) = (redis.clone(), Rc::clone(&done), arguments.load);
            let (key, value) = (arguments.key(), arguments.value());
            runtime::spawn(async move {
                while runtime::time::now() < until {
                    let n = match load {
                        Load::Get => {
                            let value = redis.get(&key).await?;
                            assert!(value.is_some(), "the key was set");
                            1
                        }
                        Load::Set => {
                            redis.set(&key, &value).await?;
                            1
                        }
                        Load::Pipeline => {
                            let mut pipeline = Pipeline::new();
                            for _ in 0..Arguments::PIPELINE {
                                pipeline.push(redis.get(&key));
                            }
                            let values = redis.pipeline(pipeline).await?;
                            values.len() as u64
                        }
                    };
                    done.set(done.get() + n);
                }
                Ok::<(), RedisError>(())
            })
        })
        .collect();
    runtime::time::sleep(arguments.warmup()).await;
    let begin = (done.get(), Instant::now(), Measured::cpu());
    runtime::time::sleep(arguments.seconds().saturating_sub(Duration::from_millis(50))).await;
    let end = (done.get(), Instant::now(), Measured::cpu());
    for task in tasks {
        task.await.expect("no task panics")?;
    }
    Ok(Measured::between(begin, end))
}
