//! `Range` (RFC 9110 §14.2).

use super::plain::number;
use crate::extract::HeaderField;
use crate::extract::header::only;

/// Most ranges in one field. Players ask for one, readers of documents for a few; RFC 9110 §14.2 warns of more.
const RANGES_MAX: usize = 64;

/// `Range` in bytes. [`NamedFile`](crate::files::NamedFile) answers it by itself; this is for content of your own.
///
/// Another unit is malformed here. RFC 9110 has it ignored: take a `Result` to do so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range(Vec<ByteRange>);

/// One range, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From this offset to that, both included: `0-499`.
    Between(u64, u64),
    /// From this offset on: `500-`.
    From(u64),
    /// The last bytes, this many: `-500`.
    Last(u64),
}

impl ByteRange {
    /// Offsets of the first byte, and of that behind the last, in content of this length; `None` if it has none of
    /// them.
    pub fn within(self, len: u64) -> Option<(u64, u64)> {
        let (begin, end) = match self {
            ByteRange::Between(first, last) => (first, last.saturating_add(1).min(len)),
            ByteRange::From(first) => (first, len),
            ByteRange::Last(count) => (len.saturating_sub(count), len),
        };
        (begin < end).then_some((begin, end))
    }
}

impl Range {
    /// The ranges in the order they were sent; at least one, at most 64. They may overlap.
    pub fn ranges(&self) -> &[ByteRange] {
        &self.0
    }
}

impl HeaderField for Range {
    const NAME: &'static str = "range";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let (unit, list) = only(values)?.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
        let ranges: Vec<ByteRange> = members.take(RANGES_MAX + 1).map(range).collect::<Option<_>>()?;
        (!ranges.is_empty() && ranges.len() <= RANGES_MAX).then_some(Range(ranges))
    }
}

fn range(text: &str) -> Option<ByteRange> {
    match text.split_once('-')? {
        ("", "") => None,
        ("", count) => number(count).map(ByteRange::Last),
        (first, "") => number(first).map(ByteRange::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_range_and_what_it_takes_of_ten_bytes() {
        for (value, want) in [
            ("bytes=0-4", Some(&[Some((0, 5))][..])),
            ("Bytes=0-0, -1", Some(&[Some((0, 1)), Some((9, 10))])),
            ("bytes=5-", Some(&[Some((5, 10))])),
            ("bytes=-20", Some(&[Some((0, 10))])),
            ("bytes=5-99", Some(&[Some((5, 10))])),
            ("bytes=10-", Some(&[None])),
            ("bytes=-0", Some(&[None])),
            ("bytes=0-18446744073709551615", Some(&[Some((0, 10))])),
            ("bytes=4-3", None),
            ("bytes=+1-2", None),
            ("bytes=-", None),
            ("bytes=", None),
            ("bytes=0-18446744073709551616", None),
            ("bytes 0-4", None),
            ("lines=1-2", None),
        ] {
            let range = Range::decode([value.as_bytes()].into_iter());
            let found =
                range.map(|range| range.ranges().iter().map(|range| range.within(10)).collect::<Vec<_>>());
            assert_eq!(found.as_deref(), want, "{value}");
        }
        let many = format!("bytes={}", "0-0,".repeat(65));
        assert_eq!(Range::decode([many.as_bytes()].into_iter()), None);
    }
}
