//! A Redis client at a steady rate for a long time: memory and descriptors are to stay flat, no answer may be wrong.
//!
//! `cargo run --release -p corelane-benches --bin redis-soak -- --rate 20000 --minutes 60`
//!
//! It starts a `redis-server` of its own. A line a minute goes to standard output; it fails if an answer was wrong.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use corelane_benches::process::resident_bytes;
use corelane_benches::redis::Server;
use corelane_runtime as runtime;
use corelane_storage::redis::pubsub::{Event, Messages};
use corelane_storage::redis::{Pipeline, Redis, RedisError, cmd};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Commands are issued in bursts this far apart.
const TICK: Duration = Duration::from_millis(5);

/// Calls under way at most. At the bound a burst is left out and counted: the program must not be what grows.
const CALLS_MAX: u64 = 4096;

#[derive(Parser)]
struct Arguments {
    /// Commands a second.
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
    /// Minutes to run.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Seconds between two lines.
    #[arg(long, default_value_t = 60)]
    every: u64,
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    under_way: Cell<u64>,
    answered: Cell<u64>,
    dropped: Cell<u64>,
    failed: Cell<u64>,
    left_out: Cell<u64>,
    messages: Cell<u64>,
    missed: Cell<u64>,
    wrong: Cell<u64>,
}

fn add(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let (server_core, _) = corelane_benches::host::two_cores()?;
    let server = Server::start(server_core)?;
    let seen = runtime::block_on(run(&arguments, &format!("redis://{}", server.address())))
        .map_err(io::Error::other)?;
    match seen.wrong.get() {
        0 => Ok(()),
        wrong => Err(io::Error::other(format!("{wrong} answers were wrong"))),
    }
}

async fn run(arguments: &Arguments, url: &str) -> Result<Rc<Seen>, RedisError> {
    let redis = Redis::connect(url).await?;
    let seen = Rc::new(Seen::default());
    let (subscriber, messages) = redis.subscriber();
    subscriber.subscribe(["soak"]).await?;
    drop(runtime::spawn(listen(messages, Rc::clone(&seen))));

    println!(
        "{} commands a second for {} minutes, pid {}",
        arguments.rate,
        arguments.minutes,
        std::process::id()
    );
    println!(
        "seconds,rss_kib,descriptors,answered,dropped,failed,left_out,messages,missed,wrong,in_flight,connects"
    );
    let began = Instant::now();
    let until = began + Duration::from_secs(60 * arguments.minutes);
    let every = Duration::from_secs(arguments.every);
    let mut line_at = began;
    let mut issued = 0;
    let mut ticks = runtime::time::interval(TICK);
    while runtime::time::now() < until {
        let now = ticks.tick().await;
        let due = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) * arguments.rate / 1000;
        while issued < due {
            issued += 1;
            if seen.under_way.get() >= CALLS_MAX {
                add(&seen.left_out);
                continue;
            }
            add(&seen.under_way);
            let (redis, seen) = (redis.clone(), Rc::clone(&seen));
            drop(runtime::spawn(async move {
                one(&redis, &seen, issued).await;
                seen.under_way.set(seen.under_way.get() - 1);
            }));
        }
        if now >= line_at {
            print_line(began.elapsed(), &seen, &redis);
            line_at += every;
        }
    }
    print_line(began.elapsed(), &seen, &redis);
    Ok(seen)
}

/// One command. Of a hundred, one is dropped while it is under way, one is published, one is a pipeline.
async fn one(redis: &Redis, seen: &Seen, n: u64) {
    let key = format!("key:{}", n % 10_000);
    let outcome = match n % 100 {
        0 => {
            let dropped = runtime::time::timeout(Duration::ZERO, redis.get(&key)).await;
            if dropped.is_err() {
                add(&seen.dropped);
                return;
            }
            Ok(true)
        }
        1 => redis.publish("soak", n).await.map(|receivers| receivers == 1),
        2 => {
            let mut pipeline = Pipeline::new();
            pipeline.push(cmd("ECHO").arg(n));
            pipeline.push(cmd("ECHO").arg(n + 1));
            redis.pipeline(pipeline).to::<(u64, u64)>().await.map(|pair| pair == (n, n + 1))
        }
        3..20 => {
            let size = usize::try_from(n % 4096).unwrap_or(0);
            redis.set(&key, vec![b'x'; size]).await.map(|()| true)
        }
        20..50 => redis.run::<u64>(cmd("ECHO").arg(n)).await.map(|got| got == n),
        _ => redis
            .get(&key)
            .await
            .map(|value| value.is_none_or(|value| value.iter().all(|byte| *byte == b'x'))),
    };
    add(match outcome {
        Ok(true) => &seen.answered,
        Ok(false) => &seen.wrong,
        Err(_) => &seen.failed,
    });
}

async fn listen(mut messages: Messages, seen: Rc<Seen>) {
    loop {
        add(match messages.next().await {
            Event::Message(_) => &seen.messages,
            _ => &seen.missed,
        });
    }
}

fn print_line(elapsed: Duration, seen: &Seen, redis: &Redis) {
    println!(
        "{},{},{},{},{},{},{},{},{},{},{},{}",
        elapsed.as_secs(),
        resident_bytes(std::process::id()).unwrap_or(0) / 1024,
        descriptors().unwrap_or(0),
        seen.answered.get(),
        seen.dropped.get(),
        seen.failed.get(),
        seen.left_out.get(),
        seen.messages.get(),
        seen.missed.get(),
        seen.wrong.get(),
        redis.in_flight(),
        redis.stats().connects,
    );
}

/// Open descriptors of this process, without the one that reads the list.
fn descriptors() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count() - 1)
}
