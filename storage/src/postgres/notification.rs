//! What `NOTIFY` says to those who listen.

/// A notification.
///
/// See [`NOTIFY`](https://www.postgresql.org/docs/current/sql-notify.html).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    process_id: i32,
    channel: Box<str>,
    payload: Box<str>,
}

impl Notification {
    pub(super) fn new(process_id: i32, channel: &str, payload: &str) -> Notification {
        Notification { process_id, channel: channel.into(), payload: payload.into() }
    }

    /// The server's process for the connection that notified.
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The channel.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// What was said with it; may be empty.
    pub fn payload(&self) -> &str {
        &self.payload
    }
}
