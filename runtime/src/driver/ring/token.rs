//! The 64 bits that travel with every operation and come back with its completion.
//!
//! A token names a slot and the generation the slot had when the operation was submitted. A slot
//! that was freed and filled again has a newer generation, so a completion that arrives late finds
//! nobody and touches nothing.

/// What kind of operation a completion belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// An operation whose completion nobody waits for: a cancel, a close.
    Detached = 0,
    /// Multishot accept on a listener slot.
    Accept = 1,
    /// Multishot receive into small buffers on a connection slot.
    Recv = 2,
    /// Single receive into a large buffer on a connection slot.
    RecvBulk = 8,
    /// A connection's entry into the table of registered files: answered only when refused.
    EnterFile = 9,
    /// First attempt of a send: answered only when it did not take every byte.
    SendTry = 3,
    /// The rest of a send that the socket did not take at once.
    SendRest = 4,
    /// Poll for hang-up on a connection slot.
    Hangup = 5,
    /// A single operation with a slot of its own: connect, poll.
    Single = 6,
    /// Work on a file, with a slot of its own.
    File = 10,
    /// The poll of the eventfd other threads ring.
    Doorbell = 7,
    /// A send without a copy, with a slot of its own.
    ZeroCopy = 11,
    /// A message to another core, answered only when it could not be delivered.
    Message = 12,
    /// A message of another core: it has ended the sleep, and says nothing else.
    Rung = 13,
}

impl Kind {
    fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Accept,
            2 => Self::Recv,
            3 => Self::SendTry,
            4 => Self::SendRest,
            5 => Self::Hangup,
            6 => Self::Single,
            7 => Self::Doorbell,
            8 => Self::RecvBulk,
            9 => Self::EnterFile,
            10 => Self::File,
            11 => Self::ZeroCopy,
            12 => Self::Message,
            13 => Self::Rung,
            _ => Self::Detached,
        }
    }
}

/// Names one slot at one point of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Place in the slab. Invariant: below [`INDEX_MAX`].
    pub(super) index: u32,
    /// How often the slot had been filled before.
    pub(super) generation: u32,
}

/// Slots a slab may hold: a token has 24 bits for the index.
pub(super) const INDEX_MAX: u32 = 1 << 24;

/// An operation's identity as the kernel carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) key: Key,
}

impl Token {
    /// For operations nobody waits for.
    pub(super) const DETACHED: u64 = 0;

    pub(super) fn new(kind: Kind, key: Key) -> Self {
        Self { kind, key }
    }

    /// The user data of a submission entry.
    pub(super) fn bits(self) -> u64 {
        debug_assert!(self.key.index < INDEX_MAX, "slabs refuse to grow past INDEX_MAX");
        (self.kind as u64) << 56 | u64::from(self.key.index) << 32 | u64::from(self.key.generation)
    }

    /// Reads back what [`bits`](Self::bits) wrote.
    #[allow(clippy::cast_possible_truncation, reason = "each part is masked to its width")]
    pub(super) fn from_bits(bits: u64) -> Self {
        Self {
            kind: Kind::from_bits((bits >> 56) as u8),
            key: Key { index: (bits >> 32) as u32 & (INDEX_MAX - 1), generation: bits as u32 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_the_edges_of_each_part_survive_the_trip() {
        let kinds = [
            Kind::Detached,
            Kind::Accept,
            Kind::Recv,
            Kind::RecvBulk,
            Kind::EnterFile,
            Kind::SendTry,
            Kind::SendRest,
            Kind::Hangup,
            Kind::Single,
            Kind::File,
            Kind::Doorbell,
            Kind::ZeroCopy,
            Kind::Message,
            Kind::Rung,
        ];
        for kind in kinds {
            for index in [0, 1, INDEX_MAX - 1] {
                for generation in [0, 1, u32::MAX] {
                    let token = Token::new(kind, Key { index, generation });
                    assert_eq!(Token::from_bits(token.bits()), token);
                }
            }
        }
    }
}
