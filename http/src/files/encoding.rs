//! Which coding of a file to send: `Accept-Encoding` (RFC 9110 §12.5.3).

/// A coding that a file may lie beside itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coding {
    /// As the client names it.
    pub(super) name: &'static str,
    /// What is appended to the file's name.
    pub(super) suffix: &'static str,
}

/// The codings in the order in which we would rather send them: the smallest first.
const CODINGS: [Coding; 3] = [
    Coding { name: "br", suffix: ".br" },
    Coding { name: "zstd", suffix: ".zst" },
    Coding { name: "gzip", suffix: ".gz" },
];

/// The codings that the client takes, best first: by its own weights, then by ours.
///
/// Nothing if it likes the file as it is better, or said nothing: a client that sends no `Accept-Encoding` may not know
/// what a coding is.
pub(super) fn accepted<'v>(fields: impl Iterator<Item = &'v [u8]>) -> impl Iterator<Item = Coding> {
    let mut weights: [Option<u16>; CODINGS.len()] = [None; CODINGS.len()];
    let mut identity = None;
    let mut any = None;
    for member in fields.flat_map(|field| field.split(|byte| *byte == b',')) {
        let mut parts = member.split(|byte| *byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let weight = parts.next().map_or(Some(1000), weight);
        // A member with a weight that is none is left out.
        let Some(weight) = weight else { continue };
        // `x-gzip` is the same by an old name (RFC 9110 §8.4.1.3).
        let name = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
        let place = if name == b"*" {
            &mut any
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut identity
        } else {
            match CODINGS.iter().position(|coding| name.eq_ignore_ascii_case(coding.name.as_bytes())) {
                Some(at) => &mut weights[at],
                None => continue,
            }
        };
        place.get_or_insert(weight);
    }
    let plain = identity.unwrap_or(0);
    let mut found: Vec<(u16, Coding)> = CODINGS
        .into_iter()
        .zip(weights)
        .map(|(coding, weight)| (weight.or(any).unwrap_or(0), coding))
        .filter(|(weight, _)| *weight > 0 && *weight >= plain)
        .collect();
    // Stable: equals stay in our order.
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    found.into_iter().map(|(_, coding)| coding)
}

/// `q=0.5` in thousandths: at most three digits behind the point, at most 1 (RFC 9110 §12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let value = parameter.trim_ascii();
    let value = value.strip_prefix(b"q=").or_else(|| value.strip_prefix(b"Q="))?;
    let (whole, rest) = value.split_first()?;
    let digits = match rest.split_first() {
        None => &[][..],
        Some((b'.', digits)) if digits.len() <= 3 => digits,
        Some(_) => return None,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths =
        digits.iter().zip([100, 10, 1]).map(|(digit, worth)| u16::from(digit - b'0') * worth).sum();
    match (whole, thousandths) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_the_coding_they_weigh_most_and_then_the_smallest() {
        for (why, fields, want) in [
            ("no field", &[][..], &[][..]),
            ("nothing taken", &[""], &[]),
            ("a browser", &["gzip, deflate, br, zstd"], &["br", "zstd", "gzip"]),
            ("on several lines", &["gzip", "br"], &["br", "gzip"]),
            ("by weight", &["br;q=0.5, gzip;q=0.8"], &["gzip", "br"]),
            ("spaces around", &["br ; q=0.5 , gzip ; q=0.8"], &["gzip", "br"]),
            ("refused", &["gzip;q=0, br"], &["br"]),
            ("refused with three digits", &["gzip;q=0.000"], &[]),
            ("anything", &["*"], &["br", "zstd", "gzip"]),
            ("anything but", &["*, br;q=0"], &["zstd", "gzip"]),
            ("nothing but", &["gzip, *;q=0"], &["gzip"]),
            ("as it is, rather", &["identity, gzip;q=0.5"], &[]),
            ("or else smaller", &["identity;q=0.5, gzip;q=0.5"], &["gzip"]),
            ("any case", &["GZIP"], &["gzip"]),
            ("old name", &["x-gzip"], &["gzip"]),
            ("unknown", &["compress, deflate"], &[]),
            ("a name that only begins so", &["brx"], &[]),
            ("no weight", &["br;q=high, gzip"], &["gzip"]),
            ("a weight over one", &["br;q=1.5, gzip"], &["gzip"]),
            ("too many digits", &["br;q=0.1234, gzip"], &["gzip"]),
            ("the first of two stands", &["br;q=0, br;q=1"], &[]),
        ] {
            let found: Vec<&str> =
                accepted(fields.iter().map(|field| field.as_bytes())).map(|coding| coding.name).collect();
            assert_eq!(found, want, "{why}");
        }
    }
}
