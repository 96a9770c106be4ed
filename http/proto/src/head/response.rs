//! Response heads (RFC 9112 §4), for the client.

use super::connection::Connection;
use super::lines::{self, Gather, Partial, Stop};
use super::request_line::version_number;
use super::table::Table;
use super::too_large_or_partial;
use super::{FIELDS_CAP, Field, HEAD_BYTES_CAP, HeadError, HeadLimits, Span, Version};
use crate::framing::{self, BodyFraming, Lengths, ResponseFraming};
use crate::method::Method;
use crate::name::Name;
use crate::scan::{Kernel, Taken, control_from};

/// The head of a response. Reusable: [`clear`](Self::clear) keeps the field table's memory.
///
/// Framing is as strict as for requests: what two readers could take for different lengths is refused.
///
/// ```
/// use corelane_http_proto::head::{HeadLimits, Method, ResponseFraming, ResponseHead};
///
/// let input = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// let mut head = ResponseHead::new();
/// let len = head.parse(input, &HeadLimits::default())?.expect("the head is complete");
///
/// assert_eq!(&input[len..], b"hi");
/// assert_eq!(head.status(), 200);
/// assert_eq!(head.reason().of(input), b"OK");
/// assert_eq!(head.framing(Method::Get), ResponseFraming::Length(2));
/// assert_eq!(head.framing(Method::Head), ResponseFraming::None);
/// # Ok::<(), corelane_http_proto::head::HeadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResponseHead {
    table: Table,
    kernel: Kernel,
    progress: Progress,
    partial: Partial,
    status: u16,
    reason: Span,
    facts: Facts,
    says: BodyFraming,
}

/// What the parser acts upon.
#[derive(Clone, Copy, Debug)]
struct Facts {
    version: Version,
    lengths: Lengths,
    connection: Connection,
}

impl Facts {
    const NONE: Self =
        Self { version: Version::Http11, lengths: Lengths::NONE, connection: Connection::NONE };
}

impl Gather for Facts {
    fn gather(&mut self, bytes: &[u8], field: Field, _: Kernel) -> Result<(), HeadError> {
        let value = field.value.of(bytes);
        match field.name {
            Name::ContentLength => self.lengths.content_length(value)?,
            Name::TransferEncoding => self.lengths.transfer_encoding(value, self.version)?,
            Name::Connection => self.connection.options(value),
            Name::Upgrade => self.connection.upgrade(),
            // `Host` and `Expect` mean nothing in a response.
            _ => {}
        }
        Ok(())
    }
}

/// How far the head has been parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    StatusLine,
    /// The status line and the fields before this position are parsed; a line starts here.
    Fields(usize),
    /// The head is complete and this long.
    Complete(usize),
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseHead {
    /// An empty head. Allocates nothing; the field table grows with the first heads parsed.
    #[must_use]
    pub fn new() -> Self {
        Self::with_kernel(Kernel::detect())
    }

    /// The same with a kernel that the caller chose.
    #[must_use]
    pub const fn with_kernel(kernel: Kernel) -> Self {
        Self {
            table: Table::new(),
            kernel,
            progress: Progress::StatusLine,
            partial: Partial::NONE,
            status: 0,
            reason: Span::new(0, 0),
            facts: Facts::NONE,
            says: BodyFraming::None,
        }
    }

    /// Forgets the head, so that the next one can be parsed. Keeps the field table's memory.
    pub fn clear(&mut self) {
        self.table.clear();
        self.progress = Progress::StatusLine;
        self.partial = Partial::NONE;
        self.status = 0;
        self.reason = Span::new(0, 0);
        self.facts = Facts::NONE;
        self.says = BodyFraming::None;
    }

    /// Parses the head that starts at `input[0]`, as [`RequestHead::parse`](super::RequestHead::parse) does.
    /// [`HeadLimits::target_bytes_max`] does not apply.
    ///
    /// # Errors
    ///
    /// The rule that the head breaks. The connection cannot be used again.
    ///
    /// # Panics
    ///
    /// If `input` is shorter than at an earlier call for the same head. No input of a peer causes that.
    pub fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let max = limits.head_bytes_max.min(HEAD_BYTES_CAP);
        let bytes = &input[..input.len().min(max)];
        let fields_max = limits.fields_max.min(FIELDS_CAP);
        let line = match self.progress {
            Progress::StatusLine => match self.status_line(bytes)? {
                Some(next) => next,
                None => return too_large_or_partial(input, max),
            },
            Progress::Fields(line) => line,
            Progress::Complete(len) => return Ok(Some(len)),
        };
        // In the middle of a line, the careful reader knows where it was.
        let taken = if self.partial == Partial::NONE {
            self.kernel.take(bytes, line, self.table.room(fields_max))
        } else {
            Taken { request: None, count: 0, line }
        };
        match lines::read(
            bytes,
            taken,
            self.kernel,
            &mut self.table,
            fields_max,
            &mut self.facts,
            &mut self.partial,
        )? {
            Stop::End(len) => {
                self.says = self.facts.lengths.finish()?;
                self.progress = Progress::Complete(len);
                Ok(Some(len))
            }
            Stop::Before(line) => {
                self.progress = Progress::Fields(line);
                too_large_or_partial(input, max)
            }
        }
    }

    /// Reads the status line and tells where the next line starts, if it has arrived to its end.
    ///
    /// The space after the status may be missing if there is no reason: RFC 9112 §4 has it, servers in use leave it
    /// out, and nothing hangs on it.
    fn status_line(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        let Some(version) = version_number(bytes)? else { return Ok(None) };
        let status = bytes.get(8..13.min(bytes.len())).unwrap_or_default();
        let fits = status.iter().zip(0..).all(|(byte, index)| match index {
            0 => *byte == b' ',
            1 => matches!(byte, b'1'..=b'9'),
            2 | 3 => byte.is_ascii_digit(),
            _ => matches!(byte, b' ' | b'\r'),
        });
        if !fits {
            return Err(HeadError::StatusInvalid);
        }
        let &[_, hundreds, tens, ones, separator] = status else { return Ok(None) };
        let reason_start = if separator == b' ' { 13 } else { 12 };
        let reason_end = control_from(bytes, reason_start);
        match &bytes[reason_end..] {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => {}
            [b'\r', ..] => return Err(HeadError::BareCr),
            [b'\n', ..] => return Err(HeadError::BareLf),
            _ => return Err(HeadError::ReasonInvalid),
        }
        self.facts.version = version;
        self.status = [hundreds, tens, ones].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        self.reason = Span::between(reason_start, reason_end);
        Ok(Some(reason_end + 2))
    }

    /// The status code, 100 to 999; 0 until the status line is parsed.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; may be empty, and may hold bytes from 0x80 on. It has no meaning (RFC 9112 §4).
    #[must_use]
    pub fn reason(&self) -> Span {
        self.reason
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.facts.version
    }

    /// All field lines in the order they were sent.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        self.table.fields()
    }

    /// The first field of this name. [`Name::Other`] finds the first unknown one.
    #[must_use]
    pub fn find(&self, name: Name) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// All fields of this name, in the order they were sent.
    pub fn find_all(&self, name: Name) -> impl Iterator<Item = &Field> {
        self.fields().iter().filter(move |field| field.name == name)
    }

    /// All fields whose name spells `name` in any case, known or not. `head` is the input that was parsed.
    pub fn find_bytes<'a>(&'a self, head: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a Field> {
        self.fields().iter().filter(move |field| field.name_span.of(head).eq_ignore_ascii_case(name))
    }

    /// What follows the head, if it answers a request with the method `request` (RFC 9112 §6.3).
    #[must_use]
    pub fn framing(&self, request: Method) -> ResponseFraming {
        framing::response_framing(self.status, request, self.says)
    }

    /// True if the server lets the connection serve another request afterwards (RFC 9112 §9.3). A body that
    /// ends when the peer closes rules that out, whatever this says.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.facts.connection.keep_alive(self.facts.version)
    }

    /// True if the head is 101 and names what it switches to (RFC 9110 §7.8).
    #[must_use]
    pub fn upgrade(&self) -> bool {
        self.status == 101 && self.facts.connection.offers_upgrade(self.facts.version)
    }
}
