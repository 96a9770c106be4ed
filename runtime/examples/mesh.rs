//! Calls from one core to another: how long one takes there and back, and what it costs.
//!
//! `cargo run --release -p corelane-runtime --example mesh -- [callers] [seconds] [messages] [busy-poll] [submission-poll]`
//!
//! Each caller is a task on the first core that makes one call after the other. Prints the mean time of a
//! call and the processor time of the process for each.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime::{CoreId, DriverChoice, RingOptions, Runtime, mesh, shutdown, spawn};

fn main() -> io::Result<()> {
    let (mut numbers, mut options) = (Vec::new(), RingOptions::default());
    for arg in std::env::args().skip(1) {
        match (arg.as_str(), arg.parse::<u64>()) {
            (_, Ok(number)) => numbers.push(number),
            ("messages", _) => options.message_doorbells = true,
            ("busy-poll", _) => options.busy_poll = Some(Duration::from_micros(50)),
            ("submission-poll", _) => options.submission_poll = Some(Duration::from_millis(1)),
            _ => return Err(io::Error::other(format!("{arg} is no option"))),
        }
    }
    let callers = numbers.first().copied().unwrap_or(1);
    let time = Duration::from_secs(numbers.get(1).copied().unwrap_or(2));
    let builder = Runtime::builder().cores(Some(2)).driver(DriverChoice::Ring).ring_options(options);
    let runtime = builder.start(move |core| async move {
        if core.index() > 0 {
            return shutdown::draining().await;
        }
        let made = Rc::new(Cell::new(0u64));
        let (begin, processor) = (Instant::now(), processor_time());
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let made = Rc::clone(&made);
                spawn(async move {
                    while begin.elapsed() < time {
                        let answer = mesh::call(CoreId::new(1), || 1).await;
                        made.set(made.get() + answer.unwrap_or(0));
                    }
                })
            })
            .collect();
        for task in tasks {
            let _ended = task.await;
        }
        let (elapsed, used) = (begin.elapsed(), processor_time() - processor);
        let calls = made.get().max(1) as f64;
        println!(
            "{callers} callers: {:.2} us a call there and back, {:.2} us CPU a call, {:.0} calls a second",
            elapsed.as_secs_f64() * 1e6 * callers as f64 / calls,
            used.as_secs_f64() * 1e6 / calls,
            calls / elapsed.as_secs_f64(),
        );
        let _ended = mesh::broadcast(shutdown::drain).await;
    })?;
    println!("{}", runtime.info());
    runtime.join()
}

/// Of all threads of this process.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
