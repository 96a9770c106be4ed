//! Request heads (RFC 9112 §3).

use super::authority::is_authority;
use super::connection::Connection;
use super::lines::{self, Gather, Partial, Stop};
use super::request_line;
use super::table::Table;
use super::target::Target;
use super::too_large_or_partial;
use super::{FIELDS_CAP, Field, HEAD_BYTES_CAP, HeadError, HeadLimits, Span, Version};
use crate::framing::{BodyFraming, Lengths};
use crate::method::Method;
use crate::name::Name;
use crate::scan::{CommonRequest, Kernel, Taken};

/// The head of a request. Reusable: [`clear`](Self::clear) keeps the field table's memory.
#[derive(Clone, Debug)]
pub struct RequestHead {
    table: Table,
    kernel: Kernel,
    progress: Progress,
    partial: Partial,
    method: Method,
    target: Target,
    facts: Facts,
    framing: BodyFraming,
}

/// What the parser acts upon.
#[derive(Clone, Copy, Debug)]
struct Facts {
    version: Version,
    host: Option<Span>,
    lengths: Lengths,
    connection: Connection,
}

impl Facts {
    const NONE: Self =
        Self { version: Version::Http11, host: None, lengths: Lengths::NONE, connection: Connection::NONE };
}

impl Gather for Facts {
    #[inline]
    fn gather(&mut self, bytes: &[u8], field: Field, kernel: Kernel) -> Result<(), HeadError> {
        // Nearly every head has one of these and no other field that is parsed.
        if field.name == Name::Host && self.host.is_none() && kernel.is_plain_authority(bytes, field.value) {
            self.host = Some(field.value);
            return Ok(());
        }
        self.gather_any(field.name, field.value, field.value.of(bytes))
    }
}

impl Facts {
    #[inline(never)]
    fn gather_any(&mut self, name: Name, span: Span, value: &[u8]) -> Result<(), HeadError> {
        match name {
            Name::Host if self.host.is_some() => return Err(HeadError::HostRepeated),
            Name::Host if !is_authority(value) => return Err(HeadError::HostInvalid),
            Name::Host => self.host = Some(span),
            Name::ContentLength => self.lengths.content_length(value)?,
            Name::TransferEncoding => self.lengths.transfer_encoding(value, self.version)?,
            Name::Connection => self.connection.options(value),
            Name::Expect => self.connection.expect(value, self.version)?,
            _ => self.connection.upgrade(),
        }
        Ok(())
    }
}

/// How far the head has been parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    RequestLine,
    /// The request line and the fields before this position are parsed; a line starts here.
    Fields(usize),
    /// The head is complete and this long.
    Complete(usize),
}

impl Default for RequestHead {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestHead {
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
            progress: Progress::RequestLine,
            partial: Partial::NONE,
            method: Method::Get,
            target: Target::NONE,
            facts: Facts::NONE,
            framing: BodyFraming::None,
        }
    }

    /// Forgets the head, so that the next one can be parsed. Keeps the field table's memory.
    #[inline]
    pub fn clear(&mut self) {
        self.table.clear();
        self.progress = Progress::RequestLine;
        self.partial = Partial::NONE;
        self.method = Method::Get;
        self.target = Target::NONE;
        self.facts = Facts::NONE;
        self.framing = BodyFraming::None;
    }

    /// Parses the head that starts at `input[0]`.
    ///
    /// `Some(len)`: the head is complete and `len` bytes long, blank line included. `None`: more bytes are
    /// needed; call again with the same bytes and more behind them, it goes on where it stopped. Bytes
    /// after the head are not looked into.
    ///
    /// # Errors
    ///
    /// The rule that the head breaks. The connection has to close after the answer. Until [`clear`](Self::clear)
    /// the accessors then tell of the part that was read.
    ///
    /// # Panics
    ///
    /// If `input` is shorter than at an earlier call for the same head. No input of a peer causes that.
    // What is not usual is in functions of its own, so that little is repeated where this is called.
    #[inline(always)]
    pub fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let max = limits.head_bytes_max.min(HEAD_BYTES_CAP);
        let bytes = &input[..input.len().min(max)];
        if self.progress != Progress::RequestLine || self.partial != Partial::NONE {
            return self.go_on(input, bytes, limits);
        }
        let fields_max = limits.fields_max.min(FIELDS_CAP);
        let taken = self.kernel.take(bytes, 0, self.table.room(fields_max));
        if self.common_request(taken.request, limits) && bytes[taken.line..].starts_with(b"\r\n") {
            // Nearly every head: the kernel has taken all of it.
            for field in self.table.added(taken.count) {
                if field.name.is_parsed() {
                    self.facts.gather(bytes, *field, self.kernel)?;
                }
            }
            return self.complete(taken.line + 2).map(Some);
        }
        self.read(input, bytes, taken, limits)
    }

    /// Goes on where an earlier call has stopped. `bytes` is as much of `input` as a head may be long, here and below.
    #[cold]
    fn go_on(&mut self, input: &[u8], bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let line = match self.progress {
            Progress::RequestLine => 0,
            Progress::Fields(line) => line,
            Progress::Complete(len) => return Ok(Some(len)),
        };
        // In the middle of a line, the careful reader knows where it was.
        let taken = if self.partial == Partial::NONE {
            self.kernel.take(bytes, line, self.table.room(limits.fields_max.min(FIELDS_CAP)))
        } else {
            Taken { request: None, count: 0, line }
        };
        self.read(input, bytes, taken, limits)
    }

    /// Reads the head after what the kernel has `taken`.
    #[inline(never)]
    fn read(
        &mut self,
        input: &[u8],
        bytes: &[u8],
        mut taken: Taken,
        limits: &HeadLimits,
    ) -> Result<Option<usize>, HeadError> {
        let max = limits.head_bytes_max.min(HEAD_BYTES_CAP);
        let fields_max = limits.fields_max.min(FIELDS_CAP);
        if self.progress == Progress::RequestLine && !self.common_request(taken.request, limits) {
            let Some(next) = self.careful_request(bytes, limits)? else {
                return too_large_or_partial(input, max);
            };
            taken = self.kernel.take(bytes, next, self.table.room(fields_max));
        }
        match lines::read(
            bytes,
            taken,
            self.kernel,
            &mut self.table,
            fields_max,
            &mut self.facts,
            &mut self.partial,
        )? {
            Stop::End(len) => self.complete(len).map(Some),
            Stop::Before(line) => {
                self.progress = Progress::Fields(line);
                too_large_or_partial(input, max)
            }
        }
    }

    /// Takes over a request line of the usual kind. False if there is none.
    #[inline]
    fn common_request(&mut self, request: Option<CommonRequest>, limits: &HeadLimits) -> bool {
        let Some(CommonRequest { is_post, start, question, end }) = request else { return false };
        if end - start > limits.target_bytes_max {
            return false;
        }
        self.method = if is_post { Method::Post } else { Method::Get };
        self.target = Target::origin_form(start, question, end);
        self.facts.version = Version::Http11;
        true
    }

    /// Reads a request line of any kind and tells where the next line starts, if it has arrived to its end.
    #[cold]
    fn careful_request(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let Some(line) = request_line::read(bytes, limits, &mut self.partial)? else { return Ok(None) };
        self.partial = Partial::NONE;
        self.method = line.method;
        self.target = line.target;
        self.facts.version = line.version;
        Ok(Some(line.next))
    }

    /// Says what can only be said once all fields are there. The head is `len` bytes long.
    #[inline]
    fn complete(&mut self, len: usize) -> Result<usize, HeadError> {
        if self.facts.host.is_none() && self.facts.version == Version::Http11 {
            return Err(HeadError::HostMissing);
        }
        self.framing = self.facts.lengths.finish()?;
        self.progress = Progress::Complete(len);
        Ok(len)
    }

    /// The method; [`Method::Get`] until the request line is parsed.
    #[inline]
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The request target as it was sent (RFC 9112 §3.2).
    #[inline]
    #[must_use]
    pub fn target(&self) -> Span {
        self.target.whole
    }

    /// The path, still percent-encoded. Never empty: where the target holds an authority and no path this is
    /// `/`; for asterisk-form it is `*`, for CONNECT the authority.
    #[inline]
    #[must_use]
    pub fn path(&self) -> Span {
        self.target.path
    }

    /// What follows the first `?` of the target, still percent-encoded; may be empty.
    #[inline]
    #[must_use]
    pub fn query(&self) -> Option<Span> {
        (self.target.query.start() != 0).then_some(self.target.query)
    }

    /// Replaces the method, for a server that rewrites requests before it routes them. How the message is framed
    /// was decided by the one that was sent, and stays.
    pub fn set_method(&mut self, method: Method) {
        self.method = method;
    }

    /// Replaces the path by one that stands at `path` in the bytes that the spans point into. The caller has checked it.
    pub fn set_path(&mut self, path: Span) {
        self.target.path = path;
    }

    /// The version.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Version {
        self.facts.version
    }

    /// All field lines in the order they were sent.
    #[inline]
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        self.table.fields()
    }

    /// The first field of this name. [`Name::Other`] finds the first unknown one.
    #[inline]
    #[must_use]
    pub fn find(&self, name: Name) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// All fields of this name, in the order they were sent.
    #[inline]
    pub fn find_all(&self, name: Name) -> impl Iterator<Item = &Field> {
        self.fields().iter().filter(move |field| field.name == name)
    }

    /// All fields whose name spells `name` in any case, known or not. `head` is the input that was parsed.
    pub fn find_bytes<'a>(&'a self, head: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a Field> {
        self.fields().iter().filter(move |field| field.name_span.of(head).eq_ignore_ascii_case(name))
    }

    /// What follows the head (RFC 9112 §6.3). [`BodyFraming::None`] until the head is complete.
    #[inline]
    #[must_use]
    pub fn framing(&self) -> BodyFraming {
        self.framing
    }

    /// True if the client lets the connection serve another request afterwards (RFC 9112 §9.3).
    #[inline]
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.facts.connection.keep_alive(self.facts.version)
    }

    /// True if the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    /// False in HTTP/1.0 and where no body follows.
    #[inline]
    #[must_use]
    pub fn expect_continue(&self) -> bool {
        self.facts.connection.expects_continue()
            && !matches!(self.framing, BodyFraming::None | BodyFraming::Length(0))
    }

    /// True if the client offers to switch protocols: `Upgrade` and `Connection: upgrade` (RFC 9110 §7.8).
    /// False in HTTP/1.0.
    #[inline]
    #[must_use]
    pub fn upgrade(&self) -> bool {
        self.facts.connection.offers_upgrade(self.facts.version)
    }

    /// The authority the request is for: that of the target if it holds one, else the `Host` field's
    /// (RFC 9112 §3.3). `None` only in HTTP/1.0.
    #[inline]
    #[must_use]
    pub fn host(&self) -> Option<Span> {
        if self.target.authority.is_empty() { self.facts.host } else { Some(self.target.authority) }
    }
}
