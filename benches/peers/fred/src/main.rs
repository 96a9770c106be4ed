//! fred: one connection, cloned for each task, on a current-thread runtime.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use fred::prelude::*;
use fred::types::RespVersion;
use peer_redis_common::{Arguments, KEY, Load, Look, PIPELINE, VALUE};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut config = Config::from_url(&format!("redis://{}", arguments.address))?;
    config.version = RespVersion::RESP3;
    let client = Builder::from_config(config).build()?;
    client.init().await?;
    let () = client.set(KEY, VALUE, None, None, false).await?;
    let done = Rc::new(Cell::new(0u64));
    let until = Instant::now() + arguments.warmup + arguments.seconds;
    let mut tasks = Vec::new();
    for _ in 0..arguments.concurrency {
        let (client, done, load) = (client.clone(), Rc::clone(&done), arguments.load);
        tasks.push(tokio::task::spawn_local(async move {
            while Instant::now() < until {
                let n = match load {
                    Load::Get => {
                        let value: Option<Vec<u8>> = client.get(KEY).await?;
                        assert!(value.is_some(), "the key was set");
                        1
                    }
                    Load::Set => {
                        let () = client.set(KEY, VALUE, None, None, false).await?;
                        1
                    }
                    Load::Pipeline => {
                        let pipeline = client.pipeline();
                        for _ in 0..PIPELINE {
                            let () = pipeline.get(KEY).await?;
                        }
                        let values: Vec<Option<Vec<u8>>> = pipeline.all().await?;
                        values.len() as u64
                    }
                };
                done.set(done.get() + n);
            }
            Ok::<(), Error>(())
        }));
    }
    tokio::time::sleep(arguments.warmup).await;
    let begin = Look::now(done.get());
    tokio::time::sleep(arguments.seconds.saturating_sub(std::time::Duration::from_millis(50))).await;
    let end = Look::now(done.get());
    for task in tasks {
        task.await??;
    }
    begin.print_until(&end);
    Ok(())
}
