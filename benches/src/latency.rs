//! Latencies in a histogram of three significant digits, and the summary that goes into tables and records.
//!
//! ```
//! use std::time::Duration;
//! use corelane_benches::latency::Latencies;
//!
//! let mut latencies = Latencies::new();
//! for millisecond in 1..=1_000 {
//!     latencies.record(Duration::from_millis(millisecond), 1);
//! }
//! let summary = latencies.summary();
//! assert_eq!(summary.samples, 1_000);
//! assert!((summary.p99_us / 990_000.0 - 1.0).abs() < 0.001);
//! ```

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency told apart, in nanoseconds; longer ones count as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// A growing set of latencies.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Latencies {
    /// An empty set. Its memory is fixed: about 200 KiB.
    ///
    /// # Panics
    /// Never: the bounds are constants that the histogram accepts.
    #[must_use]
    pub fn new() -> Self {
        Self { histogram: Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("valid bounds") }
    }

    /// Adds `count` requests that took `latency`.
    pub fn record(&mut self, latency: Duration, count: u64) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).clamp(1, LATENCY_NS_MAX);
        self.histogram.saturating_record_n(ns, count);
    }

    /// Percentiles of all latencies so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let at = |quantile| ns_to_us(self.histogram.value_at_quantile(quantile));
        Summary {
            samples: self.histogram.len(),
            mean_us: self.histogram.mean() / 1e3,
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: ns_to_us(self.histogram.max()),
        }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Requests behind the figures.
    pub samples: u64,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// Longest.
    pub max_us: f64,
}

/// Nanoseconds as microseconds. Exact for every latency that is recorded: they are under 2^53 ns.
#[expect(clippy::cast_precision_loss, reason = "at most 6e10")]
fn ns_to_us(ns: u64) -> f64 {
    ns as f64 / 1e3
}
