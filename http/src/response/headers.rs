//! Fields of a response, kept in the form they are sent in.

use std::cell::RefCell;
use std::fmt;

use memchr::memchr;

/// Most bytes the fields of one response may take together, line ends included (32 KiB).
///
/// Half of the largest buffer class: a head always fits one buffer, with room for what the protocol adds.
pub const HEADERS_BYTES_MAX: usize = 32 * 1024;

/// Blocks kept by a core for reuse, and the largest capacity worth keeping, in bytes: 128 KiB a core at most.
const KEPT_BLOCKS: usize = 64;
const KEPT_CAPACITY_MAX: usize = 2 * 1024;

thread_local! {
    static BLOCKS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Fields of a response as one block of `name: value` lines, ready to be copied into the head.
///
/// A block that a responder sets as a whole (`content-type` of a string or of JSON) stays a reference to static bytes;
/// the first change copies it to a block that the core recycles. Neither allocates in steady state.
///
/// What could end a line early is refused, so that a value made of what a client sent cannot inject fields.
/// `content-length`, `transfer-encoding` and `connection` are refused too: they follow from the body, and
/// the server writes them.
///
/// ```
/// use corelane_http::response::Headers;
///
/// let mut headers = Headers::new();
/// headers.insert("cache-control", "no-store")?;
/// headers.append("set-cookie", "a=1")?;
/// headers.append("set-cookie", "b=2")?;
/// assert_eq!(headers.get("Cache-Control"), Some("no-store"));
/// assert_eq!(headers.get_all("set-cookie").count(), 2);
///
/// let error = headers.insert("location", "/\r\nset-cookie: admin=1").unwrap_err();
/// assert!(error.is_injection());
/// # Ok::<(), corelane_http::response::HeaderError>(())
/// ```
pub struct Headers {
    block: Block,
}

/// Invariant of both: a sequence of `name: value\r\n`, names in lower case, no control byte but tabs in values.
enum Block {
    Static(&'static [u8]),
    Own(Vec<u8>),
}

impl Headers {
    /// No fields.
    #[inline]
    pub const fn new() -> Headers {
        Headers { block: Block::Static(b"") }
    }

    /// Takes lines that are in wire form already. Debug builds check the first.
    #[inline]
    pub(crate) const fn from_static(block: &'static str) -> Headers {
        debug_assert!(matches!(block.as_bytes(), [.., b'\r', b'\n']), "each line ends with CR LF");
        Headers { block: Block::Static(block.as_bytes()) }
    }

    /// All lines as they go on the wire, each with its CR LF, without the blank line that ends a head.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        match &self.block {
            Block::Static(block) => block,
            Block::Own(block) => block,
        }
    }

    /// True if there are no fields.
    pub fn is_empty(&self) -> bool {
        self.as_wire().is_empty()
    }

    /// Value of the first field of this name (any case); `None` also if it is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Values of every field of this name (any case), in order.
    pub fn get_all<'r, 'n>(&'r self, name: &'n str) -> impl Iterator<Item = &'r [u8]> + use<'r, 'n> {
        Lines(self.as_wire()).filter_map(move |line| value_of(line, name))
    }

    /// True if there is a field of this name (any case).
    pub fn contains(&self, name: &str) -> bool {
        self.get_all(name).next().is_some()
    }

    /// Every field in the order it is sent: name in lower case, value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        Lines(self.as_wire()).filter_map(|line| {
            let colon = memchr(b':', line)?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, &line[colon + SEPARATOR.len()..]))
        })
    }

    /// Sets a field: earlier ones of this name go.
    ///
    /// # Errors
    /// The name is not a token or belongs to the framing, the value holds a control byte (RFC 9110 §5.5), or the
    /// block would grow over [`HEADERS_BYTES_MAX`]. Nothing has changed then.
    pub fn insert(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let value = value.as_ref();
        self.check(name, value)?;
        self.remove(name);
        self.push(name, value);
        Ok(())
    }

    /// Adds a field; earlier ones of this name stay, as `set-cookie` needs.
    ///
    /// # Errors
    /// As [`Headers::insert`].
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let value = value.as_ref();
        self.check(name, value)?;
        self.push(name, value);
        Ok(())
    }

    /// Takes every field of this name (any case) away; returns whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        if !self.contains(name) {
            return false;
        }
        let block = self.own();
        let mut from = 0;
        while let Some(line) = Lines(&block[from..]).next() {
            let bytes = line.len() + CRLF.len();
            if value_of(line, name).is_some() {
                block.drain(from..from + bytes);
            } else {
                from += bytes;
            }
        }
        true
    }

    fn check(&self, name: &str, value: &[u8]) -> Result<(), HeaderError> {
        let line_bytes = name.len() + SEPARATOR.len() + value.len() + CRLF.len();
        let kind = if name.is_empty() || !name.bytes().all(|byte| TOKEN[usize::from(byte)]) {
            Kind::Name
        } else if !is_value(value) {
            Kind::Value
        } else if is_framing(name) {
            Kind::Framing
        } else if self.as_wire().len() + line_bytes > HEADERS_BYTES_MAX {
            Kind::TooLarge
        } else {
            return Ok(());
        };
        Err(HeaderError { kind })
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        let block = self.own();
        let at = block.len();
        block.extend_from_slice(name.as_bytes());
        block[at..].make_ascii_lowercase();
        block.extend_from_slice(SEPARATOR);
        block.extend_from_slice(value.trim_ascii());
        block.extend_from_slice(CRLF);
    }

    /// The block as one that can be changed.
    fn own(&mut self) -> &mut Vec<u8> {
        if let Block::Static(lines) = self.block {
            let mut block = BLOCKS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(256));
            block.extend_from_slice(lines);
            self.block = Block::Own(block);
        }
        match &mut self.block {
            Block::Own(block) => block,
            Block::Static(_) => unreachable!("replaced above"),
        }
    }
}

impl Default for Headers {
    fn default() -> Self {
        Headers::new()
    }
}

impl Drop for Headers {
    #[inline]
    fn drop(&mut self) {
        if let Block::Own(block) = &mut self.block
            && block.capacity() <= KEPT_CAPACITY_MAX
        {
            let mut block = std::mem::take(block);
            block.clear();
            // A core that ends may drop responses after its thread's locals are gone: then the block is freed.
            let _ = BLOCKS.try_with(|blocks| {
                let mut blocks = blocks.borrow_mut();
                if blocks.len() < KEPT_BLOCKS {
                    blocks.push(block);
                }
            });
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

const SEPARATOR: &[u8; 2] = b": ";
const CRLF: &[u8; 2] = b"\r\n";

/// Which bytes may stand in a token (RFC 9110 §5.6.2 `tchar`).
static TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        token[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        token[others[at] as usize] = true;
        at += 1;
    }
    token
};

/// True without control bytes but tabs (RFC 9110 §5.5). Looks at all of it, which the compiler turns into vectors.
fn is_value(value: &[u8]) -> bool {
    !value.iter().fold(false, |bad, byte| bad | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f))
}

/// True for the fields that follow from the body and the connection.
fn is_framing(name: &str) -> bool {
    let framing = match name.len() {
        10 => "connection",
        14 => "content-length",
        17 => "transfer-encoding",
        _ => return false,
    };
    name.eq_ignore_ascii_case(framing)
}

/// The value of a line, if it is a field of this name.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(SEPARATOR)?;
    found.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
}

/// Lines of a block from its beginning, without their CR LF.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // The invariant of the block: no line holds a CR but at its end.
        let end = memchr(b'\r', self.0)?;
        let line = &self.0[..end];
        self.0 = &self.0[end + CRLF.len()..];
        Some(line)
    }
}

/// Why a field was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Value,
    Framing,
    TooLarge,
}

impl HeaderError {
    /// True if the name or the value holds bytes that could change the structure of the message: what an attempt
    /// at response splitting looks like.
    pub fn is_injection(&self) -> bool {
        matches!(self.kind, Kind::Name | Kind::Value)
    }

    /// True if the field is one that the server writes itself.
    pub fn is_framing(&self) -> bool {
        self.kind == Kind::Framing
    }

    /// True if the fields would take more than [`HEADERS_BYTES_MAX`] together.
    pub fn is_too_large(&self) -> bool {
        self.kind == Kind::TooLarge
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Name => "the field name is not a token",
            Kind::Value => "the field value holds a control byte",
            Kind::Framing => "the field follows from the body; the server writes it",
            Kind::TooLarge => "the fields of the response are larger than 32 KiB together",
        })
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests;
