//! Server-sent events as a client reads them (WHATWG HTML §9.2.6).

/// One event of a `text/event-stream`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; `message` if it has none.
    pub name: String,
    /// The `data` lines, joined by line feeds.
    pub data: String,
    /// The last `id` up to here, as a client would send it in `Last-Event-ID`.
    pub id: Option<String>,
}

/// Takes bytes, gives events.
#[derive(Default)]
pub(super) struct Parser {
    /// Received, from the beginning of a line that is not complete.
    rest: Vec<u8>,
    /// The last line ended with CR: an LF that comes next belongs to that end.
    after_cr: bool,
    name: String,
    data: Option<String>,
    id: Option<String>,
    /// The last `retry`, in milliseconds.
    retry_ms: Option<u64>,
    /// Comments seen, which keep connections alive.
    comments: u64,
}

impl Parser {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let skip = byte == b'\n' && std::mem::take(&mut self.after_cr);
            self.after_cr = byte == b'\r';
            match byte {
                _ if skip => {}
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.rest);
                    events.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                byte => self.rest.push(byte),
            }
        }
        events
    }

    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    pub(super) fn comments(&self) -> u64 {
        self.comments
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return Some(Event { name, data, id: self.id.clone() });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => self.name = value.to_owned(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let text = ": hello\r\nretry: 50\n\nid: 7\revent: tick\ndata: a\r\ndata:b\n\ndata\n\nid\nignored: x\ndata:  c\r\n\r\n";
        let event = |name: &str, data: &str, id: &str| Event {
            name: name.into(),
            data: data.into(),
            id: Some(id.into()),
        };
        let want = [event("tick", "a\nb", "7"), event("message", "", "7"), event("message", " c", "")];
        for cut in 0..=text.len() {
            let mut parser = Parser::default();
            let mut events = parser.push(&text.as_bytes()[..cut]);
            events.extend(parser.push(&text.as_bytes()[cut..]));
            assert_eq!(events, want, "cut at {cut}");
            assert_eq!((parser.retry_ms(), parser.comments()), (Some(50), 1), "cut at {cut}");
        }
    }
}
