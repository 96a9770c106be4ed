//! What can be subscribed to.

use bytes::Bytes;

/// The three kinds of subscriptions. Names of different kinds have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Channel,
    Pattern,
    Shard,
}

impl Family {
    /// The command that makes a subscription, or ends it.
    pub(super) fn command(self, on: bool) -> &'static str {
        match (self, on) {
            (Family::Channel, true) => "SUBSCRIBE",
            (Family::Channel, false) => "UNSUBSCRIBE",
            (Family::Pattern, true) => "PSUBSCRIBE",
            (Family::Pattern, false) => "PUNSUBSCRIBE",
            (Family::Shard, true) => "SSUBSCRIBE",
            (Family::Shard, false) => "SUNSUBSCRIBE",
        }
    }

    /// What a message of this kind confirms; `None` if it is no confirmation.
    pub(super) fn confirmed(kind: &[u8]) -> Option<(Family, bool)> {
        Some(match kind {
            b"subscribe" => (Family::Channel, true),
            b"unsubscribe" => (Family::Channel, false),
            b"psubscribe" => (Family::Pattern, true),
            b"punsubscribe" => (Family::Pattern, false),
            b"ssubscribe" => (Family::Shard, true),
            b"sunsubscribe" => (Family::Shard, false),
            _ => return None,
        })
    }
}

/// A channel or a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Topic {
    pub(super) family: Family,
    pub(super) name: Bytes,
}
