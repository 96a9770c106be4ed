//! Floor, peers, load generator and paired comparison.
