//! Checks every answer of a connection: status, length and body.
//!
//! The first answer is parsed in full, by httparse: a parser that is not ours, so that a fault of ours cannot hide
//! itself. Its bytes become a template, and each further answer need only equal the template outside the value of
//! `Date`. That is two comparisons of a hundred bytes, so checking costs the load generator next to nothing. Bytes that
//! differ from the template are parsed in full again.
//!
//! ```
//! use corelane_benches::answer::{Checker, Taken};
//!
//! let mut checker = Checker::new(Some(b"hi".to_vec()));
//! let input = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200";
//! assert_eq!(checker.take(input), Ok(Taken { answers: 1, bytes: 40 }));
//! ```

use std::fmt;

/// Longest answer that is waited for, in bytes: a server that never ends its head or promises more must not make
/// the load generator grow without end.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Header fields an answer may have.
const FIELDS_MAX: usize = 64;

/// What [`Checker::take`] found at the front of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Whole answers, all of them right.
    pub answers: usize,
    /// Bytes they took; the rest is the beginning of another answer.
    pub bytes: usize,
}

/// Why an answer is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Not the head of an HTTP/1.x response.
    Malformed,
    /// A status other than 200.
    Status(u16),
    /// No `Content-Length` that is a number, or a longer answer than [`ANSWER_BYTES_MAX`].
    Length,
    /// A body of another length than the expected one, or with other bytes.
    Body,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => out.write_str("answer is not HTTP/1.x"),
            Self::Status(status) => write!(out, "status {status} instead of 200"),
            Self::Length => out.write_str("answer without a usable Content-Length"),
            Self::Body => out.write_str("another body than expected"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// The checker of one connection.
#[derive(Clone, Debug)]
pub struct Checker {
    body: Option<Vec<u8>>,
    /// The last answer that was parsed in full; empty before the first.
    template: Vec<u8>,
    /// Where the value of `Date` lies in the template: the bytes that may differ.
    date: std::ops::Range<usize>,
    /// An answer is the template and nothing else.
    raw: bool,
}

impl Checker {
    /// A checker that wants `body`; with `None`, bodies as long as the first one.
    #[must_use]
    pub fn new(body: Option<Vec<u8>>) -> Self {
        Self { body, template: Vec::new(), date: 0..0, raw: false }
    }

    /// A checker that wants the bytes of `answer` each time, whatever they are.
    #[must_use]
    pub fn raw(answer: Vec<u8>) -> Self {
        Self { body: None, template: answer, date: 0..0, raw: true }
    }

    /// Checks the whole answers at the front of `input`.
    ///
    /// # Errors
    /// The first answer that is wrong. Nothing after it can be trusted: close the connection.
    pub fn take(&mut self, input: &[u8]) -> Result<Taken, Mismatch> {
        let mut taken = Taken::default();
        loop {
            let rest = &input[taken.bytes..];
            let length = if self.is_template(rest) {
                self.template.len()
            } else {
                match self.parse(rest)? {
                    Some(length) => length,
                    None => return Ok(taken),
                }
            };
            taken.answers += 1;
            taken.bytes += length;
        }
    }

    fn is_template(&self, input: &[u8]) -> bool {
        let Some(input) = input.get(..self.template.len()) else { return false };
        !input.is_empty()
            && input[..self.date.start] == self.template[..self.date.start]
            && input[self.date.end..] == self.template[self.date.end..]
    }

    /// Parses the answer at the front of `input` and keeps it as the template. `None`: more bytes are needed.
    fn parse(&mut self, input: &[u8]) -> Result<Option<usize>, Mismatch> {
        if self.raw {
            return if self.template.starts_with(input) { Ok(None) } else { Err(Mismatch::Body) };
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let head = match response.parse(input) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if input.len() <= ANSWER_BYTES_MAX => return Ok(None),
            _ => return Err(Mismatch::Malformed),
        };
        match response.code {
            Some(200) => {}
            status => return Err(status.map_or(Mismatch::Malformed, Mismatch::Status)),
        }
        let field = |name: &str| response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        let length = field("content-length")
            .and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok())
            .filter(|length| *length <= ANSWER_BYTES_MAX)
            .ok_or(Mismatch::Length)?;
        let date = field("date").map_or(0..0, |field| {
            // The value is a slice of the input, so its offset is the distance of the two addresses.
            let start = field.value.as_ptr() as usize - input.as_ptr() as usize;
            start..start + field.value.len()
        });
        let Some(body) = input.get(head..head + length) else { return Ok(None) };
        match &self.body {
            Some(want) if want != body => return Err(Mismatch::Body),
            // Only the length is known to be right.
            None if !self.template.is_empty() && self.body_bytes() != length => return Err(Mismatch::Body),
            _ => {}
        }
        self.template.clear();
        self.template.extend_from_slice(&input[..head + length]);
        self.date = date;
        Ok(Some(head + length))
    }

    /// Length of the template's body. The template was parsed, so it has a blank line.
    fn body_bytes(&self) -> usize {
        let head = memchr::memmem::find(&self.template, b"\r\n\r\n").map_or(0, |end| end + 4);
        self.template.len() - head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(date: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: {date}\r\n\r\nhello").into_bytes()
    }

    #[test]
    fn takes_whole_answers_wherever_the_input_ends() {
        let input = [answer("Mon"), answer("Tue"), answer("Wednesday"), answer("Wednesday")].concat();
        let mut ends = vec![];
        for date in ["Mon", "Tue", "Wednesday", "Wednesday"] {
            ends.push(ends.last().unwrap_or(&0) + answer(date).len());
        }
        for cut in 0..=input.len() {
            let mut checker = Checker::new(Some(b"hello".to_vec()));
            let first = checker.take(&input[..cut]).unwrap();
            assert_eq!(first.answers, ends.iter().filter(|end| **end <= cut).count(), "cut at {cut}");
            let second = checker.take(&input[first.bytes..]).unwrap();
            assert_eq!((first.answers + second.answers, first.bytes + second.bytes), (4, input.len()));
        }
    }

    #[test]
    fn raw_answers_are_compared_byte_by_byte() {
        let mut checker = Checker::raw(b"abc".to_vec());
        assert_eq!(checker.take(b"abcab"), Ok(Taken { answers: 1, bytes: 3 }));
        assert_eq!(checker.take(b"ab"), Ok(Taken { answers: 0, bytes: 0 }));
        assert_eq!(checker.take(b"abcabd"), Err(Mismatch::Body));
        assert_eq!(checker.take(b"x"), Err(Mismatch::Body));
    }

    #[test]
    fn refuses_what_is_not_the_answer() {
        for (why, input, want) in [
            ("not HTTP", &b"hello\r\n\r\n"[..], Mismatch::Malformed),
            (
                "an error status",
                b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello",
                Mismatch::Status(503),
            ),
            ("no length", b"HTTP/1.1 200 OK\r\n\r\n", Mismatch::Length),
            ("a length that is none", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Mismatch::Length),
            (
                "a length over the limit",
                b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n",
                Mismatch::Length,
            ),
            ("a shorter body", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell", Mismatch::Body),
            ("other bytes", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhullo", Mismatch::Body),
        ] {
            // Alone, and after a right answer has made a template.
            assert_eq!(Checker::new(Some(b"hello".to_vec())).take(input), Err(want), "{why}");
            let mut checker = Checker::new(Some(b"hello".to_vec()));
            assert_eq!(
                checker.take(&[&answer("Mon")[..], input].concat()),
                Err(want),
                "{why}, as the second"
            );
        }
    }

    #[test]
    fn without_an_expected_body_the_first_length_counts() {
        let mut checker = Checker::new(None);
        checker.take(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst").unwrap();
        assert_eq!(checker.take(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother").unwrap().answers, 1);
        let longer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlonger";
        assert_eq!(checker.take(longer), Err(Mismatch::Body));
    }
}
