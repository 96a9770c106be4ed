//! The `Range` field: RFC 9110 §14.

/// Most ranges in one request that are answered as asked; beyond, the field is ignored and the whole is sent.
///
/// Readers of documents ask for a handful. Many small ranges cost a part's head each (RFC 9110 §17.15).
const RANGES_MAX: usize = 16;

/// Bytes between two ranges that are sent rather than begin a new part, whose head is longer.
const GAP_BYTES_MAX: u64 = 80;

/// Bytes from `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) first: u64,
    pub(super) len: u64,
}

/// What a `Range` field comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// No field, another unit, malformed, or more than is sensible: the whole is sent.
    Whole,
    /// 416: none of the ranges begins inside.
    Unsatisfiable,
    /// One or more, in the order asked for, without overlap.
    Parts(Vec<ByteRange>),
}

/// Reads the field for a representation of `len` bytes.
///
/// Ranges that overlap or nearly touch are sent as one (RFC 9110 §15.3.7.2). A position with more digits than
/// fit in 64 bits is behind the end like any other that large.
pub(super) fn parse(field: &[u8], len: u64) -> Ranges {
    const UNIT: &[u8] = b"bytes=";
    // Nothing of an empty file can be a part: `Content-Range` has no form for it.
    let unit = field.get(..UNIT.len()).unwrap_or_default();
    if len == 0 || !unit.eq_ignore_ascii_case(UNIT) {
        return Ranges::Whole;
    }
    let mut found: Vec<ByteRange> = Vec::new();
    let mut count = 0;
    for spec in field[UNIT.len()..].split(|byte| *byte == b',') {
        let spec = spec.trim_ascii();
        if spec.is_empty() {
            // A list may hold empty members (RFC 9110 §5.6.1.2).
            continue;
        }
        count += 1;
        if count > RANGES_MAX {
            return Ranges::Whole;
        }
        match one(spec, len) {
            Err(Malformed) => return Ranges::Whole,
            Ok(None) => {}
            Ok(Some(range)) => found.push(range),
        }
    }
    match (count, found.len()) {
        (0, _) => Ranges::Whole,
        (_, 0) => Ranges::Unsatisfiable,
        _ => Ranges::Parts(coalesced(found)),
    }
}

struct Malformed;

/// `first-last`, `first-` or `-suffix`. `None` if nothing of the representation is in it.
fn one(spec: &[u8], len: u64) -> Result<Option<ByteRange>, Malformed> {
    let dash = spec.iter().position(|byte| *byte == b'-').ok_or(Malformed)?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let suffix = number(last)?.min(len);
        return Ok((suffix > 0).then_some(ByteRange { first: len - suffix, len: suffix }));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return Err(Malformed);
    }
    if first >= len {
        return Ok(None);
    }
    Ok(Some(ByteRange { first, len: last.min(len - 1) - first + 1 }))
}

/// Digits only; what does not fit is as large as can be.
fn number(digits: &[u8]) -> Result<u64, Malformed> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    Ok(digits.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Joins those that overlap or nearly touch. The first of the joined keeps its place in the order.
fn coalesced(ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    let mut done: Vec<ByteRange> = Vec::with_capacity(ranges.len());
    for mut range in ranges {
        // Joining may close the gap to another one, so look again until nothing touches: 16 ranges at most.
        let mut place = done.len();
        while let Some(at) = done.iter().position(|other| touch(*other, range)) {
            range = join(done.remove(at), range);
            place = place.min(at);
        }
        done.insert(place.min(done.len()), range);
    }
    done
}

fn touch(a: ByteRange, b: ByteRange) -> bool {
    let (front, back) = if a.first <= b.first { (a, b) } else { (b, a) };
    back.first - front.first <= front.len + GAP_BYTES_MAX
}

fn join(a: ByteRange, b: ByteRange) -> ByteRange {
    let first = a.first.min(b.first);
    let end = (a.first + a.len).max(b.first + b.len);
    ByteRange { first, len: end - first }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(ranges: &[(u64, u64)]) -> Ranges {
        Ranges::Parts(ranges.iter().map(|(first, len)| ByteRange { first: *first, len: *len }).collect())
    }

    #[test]
    fn fields_and_what_they_come_to() {
        let many = format!("bytes={}", "0-0,".repeat(17));
        let sixteen: Vec<(u64, u64)> = (0..16).map(|n| (n * 100, 1)).collect();
        let asked: Vec<String> = sixteen.iter().map(|(first, _)| format!("{first}-{first}")).collect();
        let sixteen_field = format!("bytes={}", asked.join(","));
        for (why, field, want) in [
            ("first bytes", "bytes=0-499", parts(&[(0, 500)])),
            ("one byte", "bytes=0-0", parts(&[(0, 1)])),
            ("to the end", "bytes=9500-", parts(&[(9500, 500)])),
            ("last bytes", "bytes=-500", parts(&[(9500, 500)])),
            ("all, by a suffix that is too long", "bytes=-20000", parts(&[(0, 10_000)])),
            ("all, by an end that is too large", "bytes=0-99999", parts(&[(0, 10_000)])),
            ("more digits than a number has", "bytes=0-99999999999999999999999", parts(&[(0, 10_000)])),
            ("a suffix of as many", "bytes=-99999999999999999999999", parts(&[(0, 10_000)])),
            ("a start of as many", "bytes=99999999999999999999999-", Ranges::Unsatisfiable),
            ("the last possible", "bytes=18446744073709551615-18446744073709551615", Ranges::Unsatisfiable),
            ("unit in another case", "Bytes=0-0", parts(&[(0, 1)])),
            ("several", "bytes=0-0, 5000-5009 ,-1", parts(&[(0, 1), (5000, 10), (9999, 1)])),
            ("in the order asked for", "bytes=5000-5000,0-0", parts(&[(5000, 1), (0, 1)])),
            ("empty members", "bytes=, 0-0,,", parts(&[(0, 1)])),
            ("overlap", "bytes=0-99,50-149", parts(&[(0, 150)])),
            ("the same twice", "bytes=5-9,5-9", parts(&[(5, 5)])),
            ("nearly touching", "bytes=0-99,180-199", parts(&[(0, 200)])),
            ("not touching", "bytes=0-99,181-199", parts(&[(0, 100), (181, 19)])),
            ("a gap closed later", "bytes=0-0,1000-1000,0-1000", parts(&[(0, 1001)])),
            ("one outside is left out", "bytes=0-0,10000-", parts(&[(0, 1)])),
            ("as many as are answered", &sixteen_field, parts(&sixteen)),
            ("too many", &many, Ranges::Whole),
            ("all outside", "bytes=10000-,20000-30000", Ranges::Unsatisfiable),
            ("no bytes", "bytes=-0", Ranges::Unsatisfiable),
            ("backwards", "bytes=5-4", Ranges::Whole),
            ("another unit", "lines=1-2", Ranges::Whole),
            ("no unit", "0-1", Ranges::Whole),
            ("no ranges", "bytes=", Ranges::Whole),
            ("no numbers", "bytes=-", Ranges::Whole),
            ("a sign", "bytes=+1-2", Ranges::Whole),
            ("two dashes", "bytes=1-2-3", Ranges::Whole),
            ("letters", "bytes=a-b", Ranges::Whole),
            ("one of them malformed", "bytes=0-0,x", Ranges::Whole),
            ("space in a range", "bytes=0 - 1", Ranges::Whole),
        ] {
            assert_eq!(parse(field.as_bytes(), 10_000), want, "{why}: {field}");
        }
        assert_eq!(parse(b"bytes=0-", 0), Ranges::Whole, "of nothing");
    }

    proptest! {
        /// Whatever is asked for, in whatever order: what is sent lies inside, does not overlap, and covers what was asked.
        #[test]
        fn parts_lie_inside_apart_and_cover(
            len in 1_u64..5000,
            asked in prop::collection::vec((0_u64..6000, 0_u64..6000), 1..16),
        ) {
            let field: Vec<String> = asked.iter().map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
            let covered = |at: u64| asked.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&at));
            match parse(format!("bytes={}", field.join(",")).as_bytes(), len) {
                Ranges::Whole => prop_assert!(false, "all are well formed"),
                Ranges::Unsatisfiable => prop_assert!((0..len).all(|at| !covered(at))),
                Ranges::Parts(parts) => {
                    let mut sent = vec![0_u8; usize::try_from(len).unwrap()];
                    for part in parts {
                        prop_assert!(part.len > 0 && part.first + part.len <= len);
                        for at in part.first..part.first + part.len {
                            sent[usize::try_from(at).unwrap()] += 1;
                        }
                    }
                    for (at, times) in sent.iter().enumerate() {
                        prop_assert!(*times <= 1, "byte {at} is sent {times} times");
                        prop_assert!(*times == 1 || !covered(at as u64), "byte {at} is not sent");
                    }
                }
            }
        }
    }
}
