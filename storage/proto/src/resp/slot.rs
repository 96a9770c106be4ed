//! Key to slot.

/// Slots of a cluster.
pub const SLOTS: u16 = 16_384;

/// The slot of a key: the CRC16 of its hash tag, or of all of it if it has none
/// ([cluster specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model)).
///
/// ```
/// use corelane_storage_proto::resp::{SLOTS, key_slot};
///
/// assert_eq!(key_slot(b"foo"), 12182);
/// assert_eq!(key_slot(b"{user1000}.following"), key_slot(b"{user1000}.followers"));
/// assert!(key_slot(b"") < SLOTS);
/// ```
pub fn key_slot(key: &[u8]) -> u16 {
    redis_protocol::redis_keyslot(key)
}
