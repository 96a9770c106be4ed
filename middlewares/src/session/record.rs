//! What of a session is kept, as bytes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SessionError;
use super::error::Kind;

pub(super) type Values = BTreeMap<String, Value>;

/// One session, as JSON. Times are milliseconds since 1970, so that every core and process reads them alike.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// When it began: what the absolute lifetime counts from.
    pub(super) created: u64,
    /// When it was last written: what the idle time of a session in a cookie counts from.
    pub(super) written: u64,
    pub(super) values: Values,
}

impl Record {
    pub(super) fn encode(&self) -> Result<Vec<u8>, SessionError> {
        serde_json::to_vec(self).map_err(|error| Kind::Encode(error).into())
    }

    /// `None` if the bytes are not those of a session.
    pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes that a value takes in the record, with its name.
pub(super) fn bytes_of(name: &str, value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count("\"\":,".len() + name.len());
    // Counting cannot fail, and a `Value` can always be written.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
