//! Rules about what tasks did while they held a core.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Evidence, Finding, Kind, NamedStall};
use crate::watch::StallCause;

/// Functions of a stack that a finding shows.
const SHOWN_MAX: usize = 24;

/// Kind, route and place.
type Group<'a> = (Kind, Option<&'a str>, Option<&'a str>);

pub(super) fn look(evidence: &Evidence, found: &mut Vec<Finding>) {
    // One finding for each kind, route and place, however often it was seen.
    let mut groups: BTreeMap<Group<'_>, Vec<&NamedStall>> = BTreeMap::new();
    for stall in &evidence.stalls {
        let kind = match stall.cause {
            StallCause::Running => Kind::TaskHoldsCore,
            StallCause::Blocked if waits_for_lock(stall) => Kind::LockContention,
            StallCause::Blocked => Kind::BlockingCall,
        };
        groups.entry((kind, stall.route.as_deref(), place(stall))).or_default().push(stall);
    }
    let seconds = evidence.seconds().max(1.0);
    for ((kind, route, place), stalls) in groups {
        let total: Duration = stalls.iter().map(|stall| stall.held).sum();
        let longest =
            stalls.iter().max_by_key(|stall| stall.held).unwrap_or_else(|| unreachable!("a group has one"));
        let advice = match kind {
            Kind::TaskHoldsCore => {
                "move the work to blocking::run, or yield_now in its loop: every connection of the core waits meanwhile"
            }
            Kind::LockContention => {
                "keep a copy per core (Sharded), or hold the lock shorter: the whole core waits for it"
            }
            _ => {
                "use the asynchronous call of corelane (time::sleep, fs, storage), or blocking::run for what has none"
            }
        };
        let what = format!(
            "{} times in the last minute, {:.0} ms in all, {:.0} ms at most, in {}",
            stalls.len(),
            total.as_secs_f64() * 1e3,
            longest.held.as_secs_f64() * 1e3,
            place.unwrap_or("an unknown function")
        );
        let mut finding =
            Finding::new(kind, (total.as_secs_f64() / seconds).max(0.25), what, advice).on(longest.core);
        finding.route = route.map(str::to_owned);
        finding.stack = longest.stack.iter().take(SHOWN_MAX).cloned().collect();
        found.push(finding);
    }
}

/// The innermost function that is not of the language's own libraries, which is where somebody can change something.
fn place(stall: &NamedStall) -> Option<&str> {
    let own = |name: &&String| {
        let bare = name.trim_start_matches(['<', '&']);
        let elsewhere = ["std::", "core::", "alloc::", "libc", "__", "[vdso]", "hashbrown::"];
        bare.contains("::") && !elsewhere.iter().any(|prefix| bare.starts_with(prefix))
    };
    stall.stack.iter().find(own).or(stall.stack.first()).map(String::as_str)
}

/// True if the innermost functions are those of a lock.
fn waits_for_lock(stall: &NamedStall) -> bool {
    let names = ["mutex", "Mutex", "rwlock", "RwLock", "lock_contended", "__lll_lock_wait", "parking_lot"];
    stall.stack.iter().take(8).any(|function| names.iter().any(|name| function.contains(name)))
}
