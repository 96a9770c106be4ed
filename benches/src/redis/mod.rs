//! Redis clients under comparison: what each program is asked to do, and what it tells.
//!
//! ```
//! use corelane_benches::redis::Measured;
//!
//! let measured = Measured { operations: 2_000_000, seconds: 2.0, cpu_seconds: 1.0 };
//! assert_eq!(measured.cpu_us_per_operation(), 0.5);
//! ```

mod compare;
mod server;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::load::{as_f64, parse_seconds};
use crate::subject::Scenario;

pub use self::compare::{ClientResult, Record, run, table};
pub use self::server::Server;

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Load {
    /// `GET` of one small value.
    Get,
    /// `SET` of one small value.
    Set,
    /// `GET`s in explicit pipelines.
    Pipeline,
}

impl Load {
    /// What a scenario of Redis asks for; `None` for one of HTTP.
    #[must_use]
    pub fn of(scenario: Scenario) -> Option<Self> {
        match scenario {
            Scenario::RedisGet => Some(Self::Get),
            Scenario::RedisSet => Some(Self::Set),
            Scenario::RedisPipeline => Some(Self::Pipeline),
            _ => None,
        }
    }

    /// Its name as an argument.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Pipeline => "pipeline",
        }
    }
}

/// What a client's program is told. Peers parse the same.
#[derive(Clone, Debug, clap::Parser)]
pub struct Arguments {
    /// The server.
    pub address: SocketAddr,
    /// What to ask for.
    #[arg(value_enum)]
    pub load: Load,
    /// Calls under way at a time.
    #[arg(long, default_value_t = 128)]
    pub concurrency: usize,
    /// Seconds to measure.
    #[arg(long, default_value = "4", value_parser = parse_seconds)]
    seconds: Duration,
    /// Seconds before that.
    #[arg(long, default_value = "1", value_parser = parse_seconds)]
    warmup: Duration,
}

impl Arguments {
    /// Commands in a pipeline.
    pub const PIPELINE: usize = 16;

    /// The key, of a length as applications have.
    #[must_use]
    pub fn key(&self) -> String {
        "session:0123456789abcdef".to_owned()
    }

    /// The value: three bytes, as `redis-benchmark` has.
    #[must_use]
    pub fn value(&self) -> String {
        "xxx".to_owned()
    }

    /// How long to measure.
    #[must_use]
    pub fn seconds(&self) -> Duration {
        self.seconds
    }

    /// How long to run before that.
    #[must_use]
    pub fn warmup(&self) -> Duration {
        self.warmup
    }
}

/// What a client's program tells.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Commands answered.
    pub operations: u64,
    /// In so many seconds.
    pub seconds: f64,
    /// For so much processor time of the client's process, user and system.
    pub cpu_seconds: f64,
}

impl Measured {
    /// Processor time of this process so far.
    #[must_use]
    pub fn cpu() -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// From two looks at operations, clock and processor time.
    #[must_use]
    pub fn between(begin: (u64, Instant, Duration), end: (u64, Instant, Duration)) -> Measured {
        Measured {
            operations: end.0 - begin.0,
            seconds: (end.1 - begin.1).as_secs_f64(),
            cpu_seconds: end.2.saturating_sub(begin.2).as_secs_f64(),
        }
    }

    /// Microseconds of the client's processor time for one command.
    #[must_use]
    pub fn cpu_us_per_operation(&self) -> f64 {
        self.cpu_seconds * 1e6 / as_f64(self.operations)
    }

    /// Commands a second.
    #[must_use]
    pub fn operations_per_second(&self) -> f64 {
        as_f64(self.operations) / self.seconds
    }
}
