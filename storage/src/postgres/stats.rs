//! What a connection counts.

/// What a connection has done so far. Totals since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Statements that were issued; each of a batch counts.
    pub statements: u64,
    /// Calls that were answered: statements alone, batches, preparations.
    pub answers: u64,
    /// Rows received.
    pub rows: u64,
    /// Statements prepared.
    pub prepares: u64,
    /// Statements that were found prepared.
    pub cache_hits: u64,
    /// Prepared statements given up for others.
    pub cache_evictions: u64,
    /// Statements issued a second time, because their plan had become stale or a cancel meant for another had met them.
    pub retries: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Calls that had to wait for room.
    pub waits: u64,
    /// Calls refused at once, because too many waited.
    pub refused: u64,
    /// Calls that had no answer by their deadline.
    pub deadlines: u64,
    /// Requests to cancel.
    pub cancels: u64,
    /// Calls whose connection ended.
    pub lost: u64,
    /// Notices received.
    pub notices: u64,
    /// Notifications received.
    pub notifications: u64,
    /// Errors that the server answered with.
    pub errors: ErrorCounts,
}

/// Errors by the class of their SQLSTATE: its first two characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorCounts {
    /// `08`: connections.
    pub connection: u64,
    /// `22`: values that cannot be.
    pub data: u64,
    /// `23`: constraints.
    pub integrity: u64,
    /// `25` and `2D`: the state of the transaction.
    pub transaction_state: u64,
    /// `28`: user and password.
    pub authorization: u64,
    /// `40`: serialization failures and deadlocks.
    pub rollback: u64,
    /// `42`: syntax, names, rights.
    pub syntax_or_access: u64,
    /// `53` and `54`: memory, disk, connections; limits of the program.
    pub resources: u64,
    /// `55`: objects in use, locks not to be had.
    pub object_state: u64,
    /// `57`: cancelled, shutting down.
    pub intervention: u64,
    /// `58` and `XX`: the system, the server itself.
    pub system: u64,
    /// Any other.
    pub other: u64,
}

impl ErrorCounts {
    pub(super) fn count(&mut self, code: &str) {
        let class = match code.as_bytes().first_chunk::<2>() {
            Some(b"08") => &mut self.connection,
            Some(b"22") => &mut self.data,
            Some(b"23") => &mut self.integrity,
            Some(b"25" | b"2D") => &mut self.transaction_state,
            Some(b"28") => &mut self.authorization,
            Some(b"40") => &mut self.rollback,
            Some(b"42") => &mut self.syntax_or_access,
            Some(b"53" | b"54") => &mut self.resources,
            Some(b"55") => &mut self.object_state,
            Some(b"57") => &mut self.intervention,
            Some(b"58" | b"XX") => &mut self.system,
            _ => &mut self.other,
        };
        *class += 1;
    }

    /// Each class by its name, for metrics.
    pub fn classes(&self) -> [(&'static str, u64); 12] {
        [
            ("08", self.connection),
            ("22", self.data),
            ("23", self.integrity),
            ("25", self.transaction_state),
            ("28", self.authorization),
            ("40", self.rollback),
            ("42", self.syntax_or_access),
            ("53", self.resources),
            ("55", self.object_state),
            ("57", self.intervention),
            ("58", self.system),
            ("other", self.other),
        ]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.classes().iter().map(|(_, count)| count).sum()
    }
}

impl Stats {
    /// Adds what another connection has done, for the sum over a pool.
    pub fn add(&mut self, other: &Stats) {
        let Stats {
            statements,
            answers,
            rows,
            prepares,
            cache_hits,
            cache_evictions,
            retries,
            bytes_out,
            bytes_in,
            waits,
            refused,
            deadlines,
            cancels,
            lost,
            notices,
            notifications,
            errors,
        } = other;
        for (sum, more) in [
            (&mut self.statements, statements),
            (&mut self.answers, answers),
            (&mut self.rows, rows),
            (&mut self.prepares, prepares),
            (&mut self.cache_hits, cache_hits),
            (&mut self.cache_evictions, cache_evictions),
            (&mut self.retries, retries),
            (&mut self.bytes_out, bytes_out),
            (&mut self.bytes_in, bytes_in),
            (&mut self.waits, waits),
            (&mut self.refused, refused),
            (&mut self.deadlines, deadlines),
            (&mut self.cancels, cancels),
            (&mut self.lost, lost),
            (&mut self.notices, notices),
            (&mut self.notifications, notifications),
        ] {
            *sum += more;
        }
        self.errors.add(errors);
    }
}

impl ErrorCounts {
    fn add(&mut self, other: &ErrorCounts) {
        let ErrorCounts {
            connection,
            data,
            integrity,
            transaction_state,
            authorization,
            rollback,
            syntax_or_access,
            resources,
            object_state,
            intervention,
            system,
            other: rest,
        } = other;
        for (sum, more) in [
            (&mut self.connection, connection),
            (&mut self.data, data),
            (&mut self.integrity, integrity),
            (&mut self.transaction_state, transaction_state),
            (&mut self.authorization, authorization),
            (&mut self.rollback, rollback),
            (&mut self.syntax_or_access, syntax_or_access),
            (&mut self.resources, resources),
            (&mut self.object_state, object_state),
            (&mut self.intervention, intervention),
            (&mut self.system, system),
            (&mut self.other, rest),
        ] {
            *sum += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_counted_once_in_its_class() {
        let codes = [
            "08006", "22012", "23505", "25P02", "28P01", "40001", "42601", "53300", "55P03", "57014",
            "58030", "P0001",
        ];
        let mut counts = ErrorCounts::default();
        for code in codes {
            counts.count(code);
        }
        assert!(counts.classes().iter().all(|(_, count)| *count == 1), "{counts:?}");
        let mut sum = Stats::default();
        sum.add(&Stats { errors: counts, rows: 2, ..Stats::default() });
        sum.add(&Stats { errors: counts, rows: 3, ..Stats::default() });
        assert_eq!((sum.errors.total(), sum.rows), (24, 5));
    }
}
