//! Status lines, rendered at compile time (RFC 9112 §4; reason phrases from the IANA registry).

/// Room of one rendered line. The longest reason, that of 431, makes a line of 46 bytes.
pub(super) const LINE_BYTES_MAX: usize = 48;

/// First and last code with a line: RFC 9110 §15 calls every other number invalid.
const FIRST: u16 = 100;
const LAST: u16 = 599;

/// A status line with CRLF.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct StatusLine {
    /// The line, then padding.
    text: [u8; LINE_BYTES_MAX],
    /// Bytes of `text` that count. Invariant: `len <= LINE_BYTES_MAX`.
    len: usize,
}

/// One line per code, a cache line each: no search, and the codes not in use are never touched.
static LINES: [StatusLine; (LAST - FIRST + 1) as usize] = render_all();

/// The line of `code` with its CRLF, or none if it is outside 100 to 599.
#[inline]
pub(super) fn line(code: u16) -> Option<&'static [u8]> {
    let line = LINES.get(usize::from(code.checked_sub(FIRST)?))?;
    Some(&line.text[..line.len])
}

/// The registered reason phrase of a status code, or the empty string for a code that has none.
///
/// 306 and 418 are registered as unused and therefore have none.
///
/// ```
/// use corelane_http_proto::encode::reason;
///
/// assert_eq!(reason(404), "Not Found");
/// assert_eq!(reason(299), "");
/// ```
#[must_use]
pub const fn reason(code: u16) -> &'static str {
    match code {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        104 => "Upload Resumption Supported",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    }
}

const fn render_all() -> [StatusLine; (LAST - FIRST + 1) as usize] {
    let mut lines = [StatusLine { text: [0; LINE_BYTES_MAX], len: 0 }; (LAST - FIRST + 1) as usize];
    let mut code = FIRST;
    while code <= LAST {
        lines[(code - FIRST) as usize] = render(code);
        code += 1;
    }
    lines
}

/// `HTTP/1.1 200 OK` and CRLF. The space before the reason stays where the reason is empty: RFC 9112 §4 demands it.
const fn render(code: u16) -> StatusLine {
    let mut text = [0; LINE_BYTES_MAX];
    let mut len = put(&mut text, 0, b"HTTP/1.1 ");
    let digits = [digit(code / 100), digit(code / 10), digit(code), b' '];
    len = put(&mut text, len, &digits);
    len = put(&mut text, len, reason(code).as_bytes());
    len = put(&mut text, len, b"\r\n");
    assert!(len <= LINE_BYTES_MAX, "a reason does not fit its line");
    StatusLine { text, len }
}

const fn digit(value: u16) -> u8 {
    b'0' + (value % 10) as u8
}

/// Copies `from` to `text[at..]` and returns where it ends: `copy_from_slice` for const evaluation.
const fn put(text: &mut [u8; LINE_BYTES_MAX], at: usize, from: &[u8]) -> usize {
    let mut index = 0;
    while index < from.len() {
        text[at + index] = from[index];
        index += 1;
    }
    at + index
}
