//! Which parts of memory are mapped readable and writable: where stacks may be.

use std::fs;
use std::ops::Range;

/// Growth that is left to the first thread's stack, in bytes: the kernel extends it as it is used, up to the usual limit.
const GROWTH: u64 = 8 * 1024 * 1024;

/// Mapped ranges, ascending.
#[derive(Debug, Default)]
pub(crate) struct Ranges(Box<[Range<u64>]>);

impl Ranges {
    /// Those of this process, as of now.
    pub(crate) fn read() -> Ranges {
        Ranges(fs::read_to_string("/proc/self/maps").map(|maps| parse(&maps)).unwrap_or_default().into())
    }

    /// The one that an address is in. Async-signal-safe.
    pub(crate) fn around(&self, address: u64) -> Option<Range<u64>> {
        let at = self.0.partition_point(|range| range.end <= address);
        self.0.get(at).filter(|range| range.contains(&address)).cloned()
    }
}

fn parse(maps: &str) -> Vec<Range<u64>> {
    let writable = maps.lines().filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        let grows = if rest.ends_with("[stack]") { GROWTH } else { 0 };
        rest.starts_with("rw").then_some(start.saturating_sub(grows)..end)
    });
    writable.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_found_and_code_is_not() {
        let maps =
            "1000-2000 r-xp 0 00:00 0 /bin/x\n3000-5000 rw-p 0 00:00 0 \n9000000-9001000 rw-p 0 0 [stack]\n";
        let ranges = Ranges(parse(maps).into());
        for (why, address, want) in [
            ("before everything", 0x10, None),
            ("code", 0x1800, None),
            ("first byte", 0x3000, Some(0x3000..0x5000)),
            ("last byte", 0x4fff, Some(0x3000..0x5000)),
            ("just behind", 0x5000, None),
            ("the first thread's stack may grow", 0x8f0_0000, Some(0x880_0000..0x900_1000)),
        ] {
            assert_eq!(ranges.around(address), want, "{why}");
        }
        let here = &raw const ranges as u64;
        assert!(Ranges::read().around(here).is_some(), "this thread's stack");
    }
}
