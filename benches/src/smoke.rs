//! The smoke run of the continuous integration: does the whole chain work? It asserts no timing.
//!
//! ```
//! use corelane_benches::smoke;
//!
//! assert_eq!(smoke::options(false).rounds, 1);
//! ```

use std::io;
use std::time::Duration;

use crate::compare::{self, Load, Options};
use crate::subject::{Scenario, Subject};

/// One short round against the floor.
#[must_use]
pub fn options(no_build: bool) -> Options {
    Options {
        scenario: Scenario::Plaintext,
        connections: 64,
        pipeline: 1,
        rate: None,
        rounds: 1,
        seconds: Duration::from_secs(2),
        warmup: Duration::from_millis(500),
        subjects: vec![Subject::Corelane(None)],
        against: vec![Subject::Floor],
        load: Load::Corelane,
        no_build,
        json: None,
    }
}

/// Compares every scenario for two seconds, then pipelined.
///
/// # Errors
/// If anything does not build, start or answer rightly.
pub fn run(no_build: bool) -> io::Result<()> {
    let base = options(no_build);
    for options in [
        base.clone(),
        Options { scenario: Scenario::Json, no_build: true, ..base.clone() },
        Options { pipeline: 16, no_build: true, ..base.clone() },
        Options { scenario: Scenario::Echo, against: vec![Subject::Bare], ..base.clone() },
        Options {
            scenario: Scenario::EchoRaw,
            subjects: vec![Subject::Runtime(None)],
            against: vec![Subject::Bare],
            ..base.clone()
        },
        Options { rate: Some(5_000.0), no_build: true, ..base },
    ] {
        let record = compare::run(&options)?;
        compare::table(&record.results).print();
        if !record.is_clean() {
            return Err(io::Error::other("a run with errors is no result"));
        }
    }
    Ok(())
}
