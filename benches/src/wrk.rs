//! wrk as another load generator, to check ours against.
//!
//! It checks fewer things (statuses only) and its processor window is its whole life, connects included.
//!
//! ```
//! use corelane_benches::wrk::parse;
//!
//! let outcome = parse(r#"noise {"requests":2,"seconds":1,"errors":{"connect":0,"closed":0,"timeout":0,"io":0,"wrong":0},
//!     "latency":{"samples":2,"mean_us":1,"p50_us":1,"p99_us":1,"p999_us":1,"max_us":1},"load_busy":0,"unsent":0}"#)?;
//! assert_eq!(outcome.requests, 2);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::host;
use crate::load::{Options, Outcome, ServerUse};
use crate::process::{CpuTime, resident_bytes};

/// Writes the pipelined requests as one, and the summary in the form of [`Outcome`].
const SCRIPT: &str = r#"
init = function(arguments)
  local one, all = wrk.format("GET", wrk.path), {}
  for i = 1, tonumber(arguments[1]) do all[i] = one end
  batch = table.concat(all)
end
request = function() return batch end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%f,"errors":{"connect":%d,"closed":0,"timeout":%d,"io":%d,"wrong":%d},' ..
    '"latency":{"samples":%d,"mean_us":%f,"p50_us":%f,"p99_us":%f,"p999_us":%f,"max_us":%f},"load_busy":0,"unsent":0}',
    summary.requests, summary.duration / 1e6, e.connect, e.timeout, e.read + e.write, e.status, summary.requests,
    latency.mean, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
"#;

/// Runs wrk once for the warm-up and once for the window.
///
/// # Errors
/// If wrk is not installed, fails, the server's process is gone, or the scenario has bodies to send.
pub fn run(options: &Options) -> io::Result<Outcome> {
    if options.ask.upload.is_some() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "wrk checks no bodies: leave out --load wrk"));
    }
    let script = std::env::temp_dir().join(format!("corelane-benches-{}.lua", std::process::id()));
    std::fs::write(&script, SCRIPT)?;
    let go = |seconds: u64| {
        let mut command = Command::new("wrk");
        command.arg("-t1").arg(format!("-c{}", options.connections)).arg(format!("-d{seconds}"));
        command.arg("-s").arg(&script).arg(format!("http://{}{}", options.address, options.ask.path));
        command.arg("--").arg(options.pipeline.to_string()).stdout(Stdio::piped());
        let output =
            host::spawn_pinned(&mut command, options.core.unwrap_or_default())?.wait_with_output()?;
        parse(&String::from_utf8_lossy(&output.stdout))
    };
    let warm_up = go(options.warmup.ceil_seconds());
    let result = warm_up.and_then(|_| {
        let before = options.pid.map(CpuTime::of).transpose()?;
        let mut outcome = go(options.seconds.ceil_seconds())?;
        if let (Some(id), Some(before)) = (options.pid, before) {
            outcome.server =
                Some(ServerUse { cpu: CpuTime::of(id)?.since(before), resident_bytes: resident_bytes(id)? });
        }
        Ok(outcome)
    });
    std::fs::remove_file(&script)?;
    result
}

/// The outcome in what wrk printed: it begins at the first brace.
///
/// # Errors
/// If there is none.
pub fn parse(text: &str) -> io::Result<Outcome> {
    let start = text.find('{').ok_or_else(|| io::Error::other("wrk printed no summary"))?;
    Ok(serde_json::from_str(&text[start..])?)
}

/// wrk counts whole seconds.
trait CeilSeconds {
    fn ceil_seconds(self) -> u64;
}

impl CeilSeconds for Duration {
    fn ceil_seconds(self) -> u64 {
        self.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
    }
}
