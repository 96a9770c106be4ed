//! Whether it is worth trying.

/// Opens after so many failures in a row, and closes with the first success.
///
/// It holds no clock: whoever tries in the background decides when, and callers only ask whether to
/// fail at once.
///
/// ```
/// use corelane_storage::circuit::Circuit;
///
/// let mut circuit = Circuit::new(2);
/// circuit.failure();
/// assert!(!circuit.is_open());
/// circuit.failure();
/// assert!(circuit.is_open());
/// circuit.success();
/// assert!(!circuit.is_open());
/// ```
#[derive(Debug, Clone)]
pub struct Circuit {
    failures: u32,
    threshold: u32,
}

impl Circuit {
    /// Opens at the `threshold`-th failure in a row; at the first if it is zero.
    pub fn new(threshold: u32) -> Circuit {
        Circuit { failures: 0, threshold: threshold.max(1) }
    }

    /// A try failed.
    pub fn failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// A try succeeded.
    pub fn success(&mut self) {
        self.failures = 0;
    }

    /// True if callers should fail at once.
    pub fn is_open(&self) -> bool {
        self.failures >= self.threshold
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}
