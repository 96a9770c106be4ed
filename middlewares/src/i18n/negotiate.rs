//! `Accept-Language` (RFC 9110 §12.5.4).

/// Most members that are looked at: people read a few languages, and each costs a look-up.
const MEMBERS_MAX: usize = 16;

/// The tags of the fields, by weight, those of equal weight in their order. `*` stands for the default, which comes last anyway.
pub(super) fn preferred<'v>(fields: impl Iterator<Item = &'v [u8]>) -> impl Iterator<Item = &'v str> {
    let members = fields.flat_map(|field| field.split(|byte| *byte == b','));
    let mut found: Vec<(u16, &str)> = members
        .filter(|member| !member.trim_ascii().is_empty())
        .take(MEMBERS_MAX)
        .filter_map(|member| {
            let member = std::str::from_utf8(member).ok()?;
            let (tag, weight) = match member.split_once(';') {
                None => (member, 1000),
                Some((tag, parameter)) => (tag, weight(parameter)?),
            };
            let tag = tag.trim_ascii();
            (weight > 0 && tag != "*").then_some((weight, tag))
        })
        .collect();
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    found.into_iter().map(|(_, tag)| tag)
}

/// `q=0.5` in thousandths; `None` if it is malformed (RFC 9110 §12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let parameter = parameter.trim_ascii();
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths =
        digits.bytes().zip([100, 10, 1]).map(|(digit, worth)| u16::from(digit - b'0') * worth).sum();
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_by_weight_and_then_in_order() {
        let many = "de,".repeat(20);
        for (why, fields, want) in [
            ("no field", &[][..], &[][..]),
            ("one", &["de"], &["de"]),
            ("in order", &["de, en"], &["de", "en"]),
            ("by weight", &["en;q=0.5, de-AT, fr;q=0.9"], &["de-AT", "fr", "en"]),
            ("on two lines", &["en;q=0.5", "de"], &["de", "en"]),
            ("refused", &["de;q=0, en;q=0.1"], &["en"]),
            ("anything", &["*, de;q=0.5"], &["de"]),
            ("malformed weights", &["de;q=2, fr;q=x, it;q=0.1234, nl; q=1.0"], &["nl"]),
            ("empty members", &[", ,de,,"], &["de"]),
        ] {
            let found: Vec<&str> = preferred(fields.iter().map(|field| field.as_bytes())).collect();
            assert_eq!(found, want, "{why}");
        }
        assert_eq!(preferred([many.as_bytes()].into_iter()).count(), MEMBERS_MAX);
        assert_eq!(preferred([&b"\xff\xfe, de"[..]].into_iter()).collect::<Vec<_>>(), ["de"]);
    }
}
