//! What was meant by a name that is not known.

/// Longest name that is compared, in bytes: the work grows with the product of two lengths.
const COMPARED_BYTES_MAX: usize = 64;

/// The known name that is nearest, if it is near enough to be meant.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let near = |candidate: &&str| candidate.len() <= COMPARED_BYTES_MAX;
    let measured = known.into_iter().filter(near).map(|candidate| (distance(name, candidate), candidate));
    let (distance, candidate) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= name.len().max(candidate.len()) / 3).then_some(candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && y == a[i - 1] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["listen", "cores", "driver", "limits"];
        for (name, want) in [
            ("core", Some("cores")),
            ("croes", Some("cores")),
            ("lisetn", Some("listen")),
            ("limit", Some("limits")),
            ("address", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), want, "{name}");
        }
        assert_eq!(nearest(&"c".repeat(1000), known), None);
    }
}
