//! What findings go by.

use std::time::{Duration, SystemTime};

use crate::stacks::Symbols;
use crate::watch::{CoreReading, Reading, StallCause, Watch};

/// How far back findings look.
const WINDOW: Duration = Duration::from_secs(60);

/// Figures of the last minute, and of the ten before it.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Readings, the oldest first; the last one is of now. Invariant: not empty.
    pub readings: Vec<Reading>,
    /// Stalls of the last minute.
    pub stalls: Vec<NamedStall>,
}

/// A stall whose stack has names.
#[derive(Debug, Clone)]
pub struct NamedStall {
    /// Which core.
    pub core: usize,
    /// For how long.
    pub held: Duration,
    /// What it did.
    pub cause: StallCause,
    /// What it worked for.
    pub route: Option<String>,
    /// Functions, innermost first.
    pub stack: Vec<String>,
}

/// What one core did between two readings.
#[derive(Debug, Clone, Copy)]
pub struct CoreDelta<'a> {
    /// At the beginning.
    pub before: &'a CoreReading,
    /// At the end.
    pub after: &'a CoreReading,
}

impl Evidence {
    /// What a watch has seen. Reads files and names addresses: not for cores.
    pub fn of(watch: &Watch) -> Evidence {
        let mut readings = watch.readings();
        readings.push(Reading::take());
        let since = SystemTime::now().checked_sub(WINDOW).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut symbols = None;
        let stalls = watch.stalls().into_iter().filter(|stall| stall.noticed >= since).map(|stall| {
            // Made when the first stack is to be named: most processes have no stall.
            let symbols = symbols.get_or_insert_with(Symbols::new);
            let addresses = stall.addresses.iter().enumerate();
            let stack = addresses.flat_map(|(index, address)| {
                let frames = symbols.name(*address, index > 0);
                frames.iter().map(|frame| frame.function.to_string()).collect::<Vec<_>>()
            });
            NamedStall {
                core: stall.core,
                held: stall.held,
                cause: stall.cause,
                route: stall.route.name().map(|name| name.to_string()),
                stack: stack.collect(),
            }
        });
        let stalls = stalls.collect();
        Evidence { readings, stalls }
    }

    /// The reading of now.
    pub fn now(&self) -> &Reading {
        self.readings.last().unwrap_or_else(|| unreachable!("there is always one"))
    }

    /// The reading that rates are told from: a minute ago, or the first.
    pub fn before(&self) -> &Reading {
        let now = self.now().at;
        let recent = |reading: &&Reading| now.saturating_duration_since(reading.at) <= WINDOW + WINDOW / 6;
        self.readings.iter().find(recent).unwrap_or_else(|| self.now())
    }

    /// Seconds between the two. 0 if there is only one reading.
    pub fn seconds(&self) -> f64 {
        self.now().at.saturating_duration_since(self.before().at).as_secs_f64()
    }

    /// What each core did between the two.
    pub fn cores(&self) -> impl Iterator<Item = CoreDelta<'_>> {
        let before = self.before();
        self.now().cores.iter().filter_map(|after| {
            let before = before.cores.iter().find(|core| core.stats.core == after.stats.core)?;
            Some(CoreDelta { before, after })
        })
    }

    /// How much a figure has grown over all readings that are kept, if it did grow from each to the next over six of them
    /// or more; else 0.
    pub fn only_grows(&self, figure: impl Fn(&Reading) -> u64) -> u64 {
        const ENOUGH: usize = 6;
        let values: Vec<u64> = self.readings.iter().map(figure).collect();
        match values[..] {
            [first, .., last] if values.len() >= ENOUGH && values.is_sorted_by(|a, b| a < b) => last - first,
            _ => 0,
        }
    }
}

impl CoreDelta<'_> {
    /// Its number.
    pub fn core(&self) -> usize {
        self.after.stats.core.index()
    }

    /// How much a figure has grown.
    pub fn grown(&self, figure: impl Fn(&CoreReading) -> u64) -> u64 {
        figure(self.after).saturating_sub(figure(self.before))
    }
}
