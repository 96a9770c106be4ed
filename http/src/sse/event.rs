//! One event, in the form it is sent in.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

/// An event, or a comment.
///
/// Text that spans lines is sent as so many `data` lines, which a client joins again. Nothing that is put in can begin another
/// event or field: line ends in a name or an id are an error.
///
/// ```
/// use std::time::Duration;
/// use corelane_http::sse::Event;
///
/// let event = Event::data("two\nlines").with_name("note")?.with_id("7")?.with_retry(Duration::from_secs(3));
/// assert_eq!(event.as_wire(), "event: note\nid: 7\nretry: 3000\ndata: two\ndata: lines\n\n");
/// assert!(Event::data("x").with_id("7\ndata: injected").is_err());
/// # Ok::<(), corelane_http::sse::EventError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whole lines and the empty line that ends the event.
    wire: String,
    /// Where the lines of `data` or of a comment begin: fields go in front of them.
    at: usize,
}

impl Event {
    /// An event with this text.
    pub fn data(text: impl AsRef<str>) -> Event {
        Event::lines("data", text.as_ref())
    }

    /// An event whose text is `value` as JSON.
    ///
    /// # Errors
    /// It cannot be serialised.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Event, serde_json::Error> {
        // JSON holds no line end outside strings, and escapes those inside.
        Ok(Event::data(serde_json::to_string(value)?))
    }

    /// A comment, which clients ignore.
    pub fn comment(text: impl AsRef<str>) -> Event {
        Event::lines("", text.as_ref())
    }

    /// `field: line` for each line; a line ends with CR LF, LF or CR, as for a client.
    fn lines(field: &str, text: &str) -> Event {
        let mut wire = String::with_capacity(field.len() + text.len() + 8);
        let mut rest = text;
        loop {
            let end = rest.find(['\r', '\n']);
            wire.push_str(field);
            let line = &rest[..end.unwrap_or(rest.len())];
            // One space behind the colon is dropped by clients, so that a line may begin with one.
            wire.push_str(if line.is_empty() { ":" } else { ": " });
            wire.push_str(line);
            wire.push('\n');
            let Some(end) = end else { break };
            let behind = &rest[end..];
            rest = behind.strip_prefix("\r\n").unwrap_or(&behind[1..]);
        }
        wire.push('\n');
        Event { wire, at: 0 }
    }

    /// Sets its type, for `addEventListener`; without one it is `message`. Call it once.
    ///
    /// # Errors
    /// There is a line end in it.
    pub fn with_name(self, name: impl AsRef<str>) -> Result<Event, EventError> {
        self.field("event", name.as_ref())
    }

    /// Sets its id, which a client sends as `Last-Event-ID` when it connects again. Call it once.
    ///
    /// # Errors
    /// There is a line end in it, or a zero byte, with which clients ignore it.
    pub fn with_id(self, id: impl AsRef<str>) -> Result<Event, EventError> {
        if id.as_ref().contains('\0') {
            return Err(EventError(()));
        }
        self.field("id", id.as_ref())
    }

    /// Tells the client how long to wait before it connects again, in whole milliseconds.
    #[must_use]
    pub fn with_retry(mut self, wait: Duration) -> Event {
        let mut line = String::new();
        let written = writeln!(line, "retry: {}", wait.as_millis());
        debug_assert!(written.is_ok(), "a string takes what it is given");
        self.wire.insert_str(self.at, &line);
        self.at += line.len();
        self
    }

    fn field(mut self, name: &str, value: &str) -> Result<Event, EventError> {
        if value.contains(['\r', '\n']) {
            return Err(EventError(()));
        }
        let line = format!("{name}: {value}\n");
        self.wire.insert_str(self.at, &line);
        self.at += line.len();
        Ok(self)
    }

    /// The event as it is sent.
    pub fn as_wire(&self) -> &str {
        &self.wire
    }

    pub(super) fn into_wire(self) -> Vec<u8> {
        self.wire.into_bytes()
    }
}

/// A name or an id with a byte that would end its line, or have a client ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventError(());

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name or the id of an event holds a line end or a zero byte")
    }
}

impl std::error::Error for EventError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_at_every_kind_of_line_end() {
        for (why, text, want) in [
            ("one line", "a", "data: a\n\n"),
            ("empty", "", "data:\n\n"),
            ("LF", "a\nb", "data: a\ndata: b\n\n"),
            ("CR LF is one", "a\r\nb", "data: a\ndata: b\n\n"),
            ("CR", "a\rb", "data: a\ndata: b\n\n"),
            ("CR CR LF are two", "a\r\r\nb", "data: a\ndata:\ndata: b\n\n"),
            ("at the end", "a\n", "data: a\ndata:\n\n"),
            ("a space at the beginning is kept", " a", "data:  a\n\n"),
            ("no injection", "a\n\nevent: b", "data: a\ndata:\ndata: event: b\n\n"),
            ("not ASCII", "\u{e9}\u{2028}x", "data: \u{e9}\u{2028}x\n\n"),
        ] {
            assert_eq!(Event::data(text).as_wire(), want, "{why}");
        }
        assert_eq!(Event::comment("a\nb").as_wire(), ": a\n: b\n\n");
        assert_eq!(Event::json("a\nb").unwrap().as_wire(), "data: \"a\\nb\"\n\n");
    }

    #[test]
    fn names_and_ids_are_one_line() {
        for bad in ["a\nb", "a\rb", "\n", "a\r\n"] {
            assert!(Event::data("").with_name(bad).is_err(), "{bad:?}");
            assert!(Event::data("").with_id(bad).is_err(), "{bad:?}");
        }
        assert!(Event::data("").with_id("a\0").is_err());
        assert!(Event::data("").with_id("").is_ok(), "which makes the client forget its last id");
    }
}
