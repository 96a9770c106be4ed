//! What a line looks like.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use corelane_http::cookie::time::OffsetDateTime;
use corelane_http::extract::RequestId;
use corelane_http::request::Request;

/// Bytes of one value, such as a path, that are written at most (1 KiB): a head of 16 KiB makes no line of 64.
pub const VALUE_BYTES_MAX: usize = 1024;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Combined,
    Json,
}

/// What of a request is written, taken before the handler gets it: copied into one buffer, which the core uses again.
pub(super) struct Line {
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`, in the order of [`Value`].
    ends: [usize; Value::COUNT],
    present: [bool; Value::COUNT],
    received: SystemTime,
    version: http::Version,
    id: Option<RequestId>,
}

#[derive(Clone, Copy)]
enum Value {
    Client,
    Method,
    Path,
    Query,
    Host,
    Route,
    Referer,
    Agent,
}

impl Value {
    const COUNT: usize = 8;
}

impl Line {
    pub(super) fn begin(mut bytes: Vec<u8>, request: &Request, received: SystemTime, query: bool) -> Line {
        bytes.clear();
        let mut line = Line {
            bytes,
            ends: [0; Value::COUNT],
            present: [false; Value::COUNT],
            received,
            version: request.version(),
            id: request.extensions().get::<RequestId>().copied(),
        };
        let client = request.client_addr();
        if let Some(client) = client {
            // A vector takes all that is written to it.
            let _ = write!(line.bytes, "{client}");
        }
        line.set(Value::Client, client.map(|_| &b""[..]));
        let method = request.method();
        line.set(Value::Method, Some(method.as_str().as_bytes()));
        line.set(Value::Path, Some(request.path().as_bytes()));
        line.set(Value::Query, request.query().filter(|_| query).map(str::as_bytes));
        line.set(Value::Host, Some(request.host().as_bytes()));
        line.set(Value::Route, request.route().map(str::as_bytes));
        line.set(Value::Referer, request.header_bytes("referer"));
        line.set(Value::Agent, request.header_bytes("user-agent"));
        line
    }

    /// Values have to be set in order.
    fn set(&mut self, value: Value, bytes: Option<&[u8]>) {
        let written = bytes.unwrap_or_default();
        self.bytes.extend_from_slice(&written[..written.len().min(VALUE_BYTES_MAX)]);
        self.ends[value as usize] = self.bytes.len();
        self.present[value as usize] = bytes.is_some();
    }

    fn get(&self, value: Value) -> Option<&[u8]> {
        let at = value as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        self.present[at].then(|| &self.bytes[start..self.ends[at]])
    }

    /// The buffer that the values are in, to be used again.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes the whole line, with its end.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        format: Format,
        status: u16,
        bytes: Option<u64>,
        took: Duration,
    ) {
        match format {
            Format::Combined => self.combined(out, status, bytes),
            Format::Json => self.json(out, status, bytes, took),
        }
        out.push(b'\n');
    }

    fn version(&self) -> &'static str {
        if self.version == http::Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
    }

    /// `client - - [25/Nov/2026:01:02:03 +0000] "GET /path HTTP/1.1" 200 5 "referer" "agent"`
    fn combined(&self, out: &mut Vec<u8>, status: u16, bytes: Option<u64>) {
        let at = OffsetDateTime::from(self.received);
        let month = MONTHS[usize::from(u8::from(at.month())) - 1];
        quoted(out, self.get(Value::Client).unwrap_or(b"-"));
        let (day, year) = (at.day(), at.year());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        let _ = write!(out, " - - [{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000] \"");
        quoted(out, self.get(Value::Method).unwrap_or_default());
        out.push(b' ');
        quoted(out, self.get(Value::Path).unwrap_or_default());
        if let Some(query) = self.get(Value::Query) {
            out.push(b'?');
            quoted(out, query);
        }
        let _ = write!(out, " {}\" {status} ", self.version());
        let _ = match bytes {
            Some(bytes) => write!(out, "{bytes}"),
            None => write!(out, "-"),
        };
        for value in [Value::Referer, Value::Agent] {
            out.extend_from_slice(b" \"");
            quoted(out, self.get(value).unwrap_or(b"-"));
            out.push(b'"');
        }
    }

    fn json(&self, out: &mut Vec<u8>, status: u16, bytes: Option<u64>, took: Duration) {
        let at = OffsetDateTime::from(self.received);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.millisecond());
        let _ = write!(
            out,
            "{{\"time\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\""
        );
        for (name, value) in [
            ("client", Value::Client),
            ("method", Value::Method),
            ("host", Value::Host),
            ("path", Value::Path),
            ("query", Value::Query),
            ("route", Value::Route),
            ("referer", Value::Referer),
            ("agent", Value::Agent),
        ] {
            if let Some(value) = self.get(value) {
                let _ = write!(out, ",\"{name}\":\"");
                escaped(out, value);
                out.push(b'"');
            }
        }
        if let Some(id) = self.id {
            // Nothing in an id needs escaping.
            let _ = write!(out, ",\"id\":\"{id}\"");
        }
        let _ = write!(out, ",\"version\":\"{}\",\"status\":{status},\"bytes\":", self.version());
        let _ = match bytes {
            Some(bytes) => write!(out, "{bytes}"),
            None => write!(out, "null"),
        };
        let _ = write!(out, ",\"took_us\":{}}}", took.as_micros());
    }
}

/// A value of the combined format: what could end it, end the line or move a terminal's cursor becomes `\xHH`, as
/// other servers write it.
fn quoted(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                let _ = write!(out, "\\x{byte:02X}");
            }
            _ => out.push(*byte),
        }
    }
}

/// A value of a JSON string (RFC 8259 §7). Bytes that are no UTF-8 become U+FFFD, control characters of all kinds are escaped.
fn escaped(out: &mut Vec<u8>, value: &[u8]) {
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', if c == '"' { b'"' } else { b'\\' }]),
            // None of them needs two units of UTF-16. The separators of lines end a line for some readers.
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "{c}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use corelane_runtime::net::PeerAddr;

    use super::*;

    fn line(request: &Request, query: bool, format: Format) -> String {
        let at = UNIX_EPOCH + Duration::from_millis(1_764_032_523_007);
        let mut out = Vec::new();
        Line::begin(Vec::new(), request, at, query).write(
            &mut out,
            format,
            200,
            Some(5),
            Duration::from_micros(1234),
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_have_the_form_that_readers_of_logs_know() {
        let peer = PeerAddr::Tcp("[2001:db8::1]:4711".parse().unwrap());
        let mut request = Request::builder("GET", "/a?token=secret")
            .header("user-agent", "curl/8")
            .header("referer", "https://e.test/")
            .peer(peer)
            .build();
        request.extensions_mut().insert(RequestId::new("id-1").unwrap());
        assert_eq!(
            line(&request, false, Format::Combined),
            "2001:db8::1 - - [25/Nov/2025:01:02:03 +0000] \"GET /a HTTP/1.1\" 200 5 \"https://e.test/\" \"curl/8\"\n"
        );
        assert!(line(&request, true, Format::Combined).contains("\"GET /a?token=secret HTTP/1.1\""));
        let json: serde_json::Value = serde_json::from_str(&line(&request, true, Format::Json)).unwrap();
        let want = serde_json::json!({
            "time": "2025-11-25T01:02:03.007Z", "client": "2001:db8::1", "method": "GET", "host": "localhost", "path": "/a",
            "query": "token=secret", "referer": "https://e.test/", "agent": "curl/8", "id": "id-1", "version": "HTTP/1.1",
            "status": 200, "bytes": 5, "took_us": 1234
        });
        assert_eq!(json, want);
        assert!(!line(&request, false, Format::Json).contains("secret"));
    }

    #[test]
    fn no_value_can_forge_a_line_or_reach_a_terminal() {
        for agent in ["quote\" 200 5", "back\\slash", "tab\tand more", "ansi \u{9b}2J", "\u{2028}", "ä"] {
            let request = Request::builder("GET", "/").header("user-agent", agent).build();
            let combined = line(&request, false, Format::Combined);
            assert_eq!(combined.matches('"').count(), 6, "{combined}");
            assert!(
                combined.trim_end_matches('\n').bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{combined}"
            );
            let json = line(&request, false, Format::Json);
            assert!(!json.trim_end_matches('\n').chars().any(char::is_control), "{json}");
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["agent"], agent);
        }
        let request = Request::builder("GET", "/").header("user-agent", b"\xff\xfe").build();
        assert!(line(&request, false, Format::Combined).contains("\"\\xFF\\xFE\""));
        assert!(line(&request, false, Format::Json).contains("\u{fffd}"));
        let long = Request::builder("GET", "/").header("user-agent", "x".repeat(10_000)).build();
        assert!(line(&long, false, Format::Combined).len() < VALUE_BYTES_MAX + 200);
    }
}
