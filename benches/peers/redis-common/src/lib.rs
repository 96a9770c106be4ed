//! What the programs of the Redis clients share: the arguments, and the loop around a client.
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The arguments that `corelane-benches compare` gives: `ADDRESS get|set|pipeline --concurrency N --seconds S --warmup S`.
pub struct Arguments {
    pub address: SocketAddr,
    pub load: Load,
    pub concurrency: usize,
    pub seconds: Duration,
    pub warmup: Duration,
}

#[derive(Clone, Copy)]
pub enum Load {
    Get,
    Set,
    Pipeline,
}

/// Commands in a pipeline.
pub const PIPELINE: usize = 16;
pub const KEY: &str = "session:0123456789abcdef";
pub const VALUE: &str = "xxx";

impl Arguments {
    pub fn parse() -> io::Result<Arguments> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let flag = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
        let seconds = |name: &str| -> io::Result<Duration> {
            let text = flag(name).ok_or_else(|| wrong(name))?;
            Ok(Duration::from_secs_f64(text.parse().map_err(|_| wrong(name))?))
        };
        Ok(Arguments {
            address: words.first().and_then(|word| word.parse().ok()).ok_or_else(|| wrong("address"))?,
            load: match words.get(1).map(String::as_str) {
                Some("get") => Load::Get,
                Some("set") => Load::Set,
                Some("pipeline") => Load::Pipeline,
                _ => return Err(wrong("get, set or pipeline")),
            },
            concurrency: flag("--concurrency").and_then(|word| word.parse().ok()).ok_or_else(|| wrong("concurrency"))?,
            seconds: seconds("--seconds")?,
            warmup: seconds("--warmup")?,
        })
    }
}

/// Operations, clock and processor time at one moment.
pub struct Look {
    operations: u64,
    at: Instant,
    cpu: Duration,
}

impl Look {
    pub fn now(operations: u64) -> Look {
        Look { operations, at: Instant::now(), cpu: cpu() }
    }

    /// Prints the figures from this look to `end`, as `corelane_benches::redis::Measured` has them.
    pub fn print_until(&self, end: &Look) {
        println!(
            "{{\"operations\":{},\"seconds\":{},\"cpu_seconds\":{}}}",
            end.operations - self.operations,
            (end.at - self.at).as_secs_f64(),
            (end.cpu - self.cpu).as_secs_f64()
        );
    }
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
