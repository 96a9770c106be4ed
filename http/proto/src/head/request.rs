//! Request heads (RFC 9112 §3).

use super::{Field, HeadError, HeadLimits, Span, Version};
use crate::framing::BodyFraming;
use crate::method::Method;
use crate::name::Name;

/// The head of a request. Reusable: [`clear`](Self::clear) keeps the field table's memory.
#[derive(Clone, Debug)]
pub struct RequestHead {
    fields: Vec<Field>,
    method: Method,
    version: Version,
    target: Span,
    path: Span,
    query: Option<Span>,
    host: Option<Span>,
    framing: BodyFraming,
    keep_alive: bool,
    expect_continue: bool,
    upgrade: bool,
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
        Self {
            fields: Vec::new(),
            method: Method::Get,
            version: Version::Http11,
            target: Span::default(),
            path: Span::default(),
            query: None,
            host: None,
            framing: BodyFraming::None,
            keep_alive: true,
            expect_continue: false,
            upgrade: false,
        }
    }

    /// Forgets the head, so that the next one can be parsed. Keeps the field table's memory.
    pub fn clear(&mut self) {
        self.fields.clear();
    }

    /// Parses the head that starts at `input[0]`.
    ///
    /// `Some(len)`: the head is complete and `len` bytes long, blank line included. `None`: more bytes are
    /// needed; call again with the same bytes and more behind them, it goes on where it stopped.
    ///
    /// # Errors
    ///
    /// The rule that the head breaks. The connection has to close after the answer.
    pub fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let _ = (input, limits);
        Ok(None)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The request target as it was sent (RFC 9112 §3.2).
    #[must_use]
    pub fn target(&self) -> Span {
        self.target
    }

    /// The path, still percent-encoded: never empty. `*` for asterisk-form, the authority for CONNECT.
    #[must_use]
    pub fn path(&self) -> Span {
        self.path
    }

    /// What follows the first `?` of the target, still percent-encoded; may be empty.
    #[must_use]
    pub fn query(&self) -> Option<Span> {
        self.query
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// All field lines in the order they were sent.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The first field of this name.
    #[must_use]
    pub fn find(&self, name: Name) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// All fields of this name, in the order they were sent.
    pub fn find_all(&self, name: Name) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.name == name)
    }

    /// All fields whose name spells `name` in any case, known or not. `head` is the input that was parsed.
    pub fn find_bytes<'a>(&'a self, head: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.name_span.of(head).eq_ignore_ascii_case(name))
    }

    /// What follows the head (RFC 9112 §6.3).
    #[must_use]
    pub fn framing(&self) -> BodyFraming {
        self.framing
    }

    /// True if the connection may serve another request afterwards (RFC 9112 §9.3).
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// True if the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    /// False in HTTP/1.0 and where no body follows.
    #[must_use]
    pub fn expect_continue(&self) -> bool {
        self.expect_continue
    }

    /// True if the client offers to switch protocols: `Upgrade` and `Connection: upgrade` (RFC 9110 §7.8).
    /// False in HTTP/1.0.
    #[must_use]
    pub fn upgrade(&self) -> bool {
        self.upgrade
    }

    /// The authority the request is for: that of the target if it holds one, else the `Host` field's
    /// (RFC 9112 §3.3). `None` only in HTTP/1.0.
    #[must_use]
    pub fn host(&self) -> Option<Span> {
        self.host
    }
}
