//! Median and spread of a few rounds.
//!
//! ```
//! use corelane_benches::stats::Spread;
//!
//! let spread = Spread::of(&[1.2, 1.0, 1.1]).unwrap();
//! assert_eq!((spread.median, spread.min, spread.max), (1.1, 1.0, 1.2));
//! ```

use serde::{Deserialize, Serialize};

/// Median, minimum and maximum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle value, or the mean of the two middle ones.
    pub median: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; `None` if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }

    /// The spread of `a / b` round by round: what of a noisy machine hit both in the same round cancels out.
    /// `None` if no round has both.
    #[must_use]
    pub fn of_ratios(a: &[f64], b: &[f64]) -> Option<Self> {
        Self::of(&a.iter().zip(b).map(|(a, b)| a / b).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (why, values, want) in [
            ("one value", &[2.0][..], 2.0),
            ("an even count: between the middle two", &[4.0, 1.0, 2.0, 3.0], 2.5),
            ("an outlier does not move it", &[1.0, 900.0, 2.0], 2.0),
        ] {
            assert_eq!(Spread::of(values).unwrap().median, want, "{why}");
        }
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_inside_a_round() {
        // The machine was three times slower in the second round; the ratio did not change.
        let spread = Spread::of_ratios(&[2.0, 6.0], &[1.0, 3.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 2.0, 2.0));
    }
}
