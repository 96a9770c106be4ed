//! Field names that the framework knows, as one byte each.
//!
//! A known name is compared once, while the head is parsed; afterwards asking for a field is a
//! comparison of bytes. Names are matched without regard to case (RFC 9110 §5.1).
//!
//! Lookup is a perfect hash computed at compile time: each length has a multiplier of its own that sends
//! all names of that length to different slots, so one comparison decides.
//!
//! ```
//! use corelane_http_proto::name::Name;
//!
//! assert_eq!(Name::from_bytes(b"Content-Type"), Name::ContentType);
//! assert_eq!(Name::from_bytes(b"X-Colour"), Name::Other);
//! assert_eq!(Name::ContentType.as_str(), "content-type");
//! ```

/// Longest known name, in bytes: what one vector holds.
pub(crate) const NAME_BYTES_MAX: usize = 32;

macro_rules! names {
    ($($variant:ident = $text:literal,)*) => {
        /// A field name: one that the framework knows, or [`Name::Other`].
        ///
        /// The list holds what RFC 9110 to 9112, CORS, Fetch metadata, WebSocket and common proxies use.
        /// It may grow: a name that is `Other` today may get a variant, so look up rarer names with
        /// [`RequestHead::find_bytes`](crate::head::RequestHead::find_bytes), which covers both.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// A name without a variant of its own.
            Other,
        }

        /// Every known name and its spelling, in the order of their numbers.
        const KNOWN: &[(Name, &str)] = &[$((Name::$variant, $text),)*];
    };
}

// The first six are those the parser acts upon: see `Name::is_parsed`.
names! {
    Host = "host",
    ContentLength = "content-length",
    TransferEncoding = "transfer-encoding",
    Connection = "connection",
    Expect = "expect",
    Upgrade = "upgrade",
    Accept = "accept",
    AcceptCharset = "accept-charset",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    AcceptRanges = "accept-ranges",
    AccessControlAllowCredentials = "access-control-allow-credentials",
    AccessControlAllowHeaders = "access-control-allow-headers",
    AccessControlAllowMethods = "access-control-allow-methods",
    AccessControlAllowOrigin = "access-control-allow-origin",
    AccessControlExposeHeaders = "access-control-expose-headers",
    AccessControlMaxAge = "access-control-max-age",
    AccessControlRequestHeaders = "access-control-request-headers",
    AccessControlRequestMethod = "access-control-request-method",
    Age = "age",
    Allow = "allow",
    AltSvc = "alt-svc",
    Authorization = "authorization",
    CacheControl = "cache-control",
    ContentDisposition = "content-disposition",
    ContentEncoding = "content-encoding",
    ContentLanguage = "content-language",
    ContentLocation = "content-location",
    ContentRange = "content-range",
    ContentSecurityPolicy = "content-security-policy",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Dnt = "dnt",
    EarlyData = "early-data",
    Etag = "etag",
    Expires = "expires",
    Forwarded = "forwarded",
    From = "from",
    IdempotencyKey = "idempotency-key",
    IfMatch = "if-match",
    IfModifiedSince = "if-modified-since",
    IfNoneMatch = "if-none-match",
    IfRange = "if-range",
    IfUnmodifiedSince = "if-unmodified-since",
    KeepAlive = "keep-alive",
    LastEventId = "last-event-id",
    LastModified = "last-modified",
    Link = "link",
    Location = "location",
    MaxForwards = "max-forwards",
    Origin = "origin",
    Pragma = "pragma",
    Prefer = "prefer",
    Priority = "priority",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    Range = "range",
    Referer = "referer",
    ReferrerPolicy = "referrer-policy",
    RetryAfter = "retry-after",
    SecChUa = "sec-ch-ua",
    SecChUaMobile = "sec-ch-ua-mobile",
    SecChUaPlatform = "sec-ch-ua-platform",
    SecFetchDest = "sec-fetch-dest",
    SecFetchMode = "sec-fetch-mode",
    SecFetchSite = "sec-fetch-site",
    SecFetchUser = "sec-fetch-user",
    SecGpc = "sec-gpc",
    SecWebsocketAccept = "sec-websocket-accept",
    SecWebsocketExtensions = "sec-websocket-extensions",
    SecWebsocketKey = "sec-websocket-key",
    SecWebsocketProtocol = "sec-websocket-protocol",
    SecWebsocketVersion = "sec-websocket-version",
    Server = "server",
    ServerTiming = "server-timing",
    SetCookie = "set-cookie",
    StrictTransportSecurity = "strict-transport-security",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    Trailer = "trailer",
    UpgradeInsecureRequests = "upgrade-insecure-requests",
    UserAgent = "user-agent",
    Vary = "vary",
    Via = "via",
    WwwAuthenticate = "www-authenticate",
    XApiKey = "x-api-key",
    XContentTypeOptions = "x-content-type-options",
    XCorrelationId = "x-correlation-id",
    XCsrfToken = "x-csrf-token",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedProto = "x-forwarded-proto",
    XFrameOptions = "x-frame-options",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
    XRequestedWith = "x-requested-with",
}

const _: () = assert!(KNOWN.len() == Name::Other as usize, "numbers are indices into KNOWN");

impl Name {
    /// How many names are known; [`Name::Other`] is not counted.
    pub const COUNT: usize = KNOWN.len();

    /// The name in lower case; empty for [`Name::Other`].
    #[inline]
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        if (self as usize) < KNOWN.len() { KNOWN[self as usize].1 } else { "" }
    }

    /// The known name that `bytes` spell in any case, else [`Name::Other`].
    #[inline]
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
            // Three bytes have neither; what stands around them in a head makes up for it.
            return match bytes {
                &[a, b, c] => Self::check(bytes, key([a, b, c, b':'], [b'\n', a, b, c])),
                _ => Self::Other,
            };
        };
        Self::check(bytes, key(*first, *last))
    }

    #[inline]
    fn check(bytes: &[u8], key: u64) -> Self {
        match candidate(key, bytes.len()) {
            Some((name, spelling)) if is_spelled(bytes, &spelling[NAME_BYTES_MAX..]) => name,
            _ => Self::Other,
        }
    }

    /// True for the names whose value decides about framing or the connection, so that the parser reads it.
    #[inline(always)]
    pub(crate) const fn is_parsed(self) -> bool {
        (self as u8) <= Self::Upgrade as u8
    }
}

/// A spelling in lower case behind zeros, and more zeros behind it: a vector may be loaded so that the name
/// starts at any of its lanes.
pub(crate) type Spelling = [u8; 2 * NAME_BYTES_MAX];

/// What tells apart all known names of one length: the first and the last four bytes, in lower case.
///
/// In a head, a name of three bytes has an LF before it and a colon behind, so that the parser may load four
/// bytes for it too.
///
/// Setting bit 5 lowers letters and leaves digits and `-` as they are; what else it changes is no part of a
/// known name, so the comparison that follows is not misled.
#[inline(always)]
pub(crate) const fn key(first: [u8; 4], last: [u8; 4]) -> u64 {
    let (first, last) = (u32::from_le_bytes(first), u32::from_le_bytes(last));
    (first as u64 | (last as u64) << 32) | 0x2020_2020_2020_2020
}

/// The only known name of length `len` that can have this key.
#[inline(always)]
pub(crate) fn candidate(key: u64, len: usize) -> Option<(Name, &'static Spelling)> {
    let slot = slot(key, *TABLE.multipliers.get(len)?);
    let (name, known_len) = TABLE.names[slot];
    (usize::from(known_len) == len).then(|| (name, &TABLE.spellings[name as usize]))
}

/// True if `bytes`, three or more, start with as much of `spelling` as they are long, in any case.
///
/// Words of eight bytes from the front, and one that ends where the name ends and may overlap another.
#[inline]
fn is_spelled(bytes: &[u8], spelling: &[u8]) -> bool {
    let is_same = |(byte, known): (&u8, &u8)| byte.to_ascii_lowercase() == *known;
    let spelling = &spelling[..bytes.len()];
    let (Some(last), Some(known_last)) = (bytes.last_chunk(), spelling.last_chunk()) else {
        return bytes.iter().zip(spelling).all(is_same);
    };
    let (words, _) = bytes.as_chunks();
    let (known_words, _) = spelling.as_chunks();
    let is_same_word = |word: &[u8; 8], known: &[u8; 8]| {
        let (word, known) = (u64::from_le_bytes(*word), u64::from_le_bytes(*known));
        // Of what stands in known names, letters and only they have bit 6. They may differ in bit 5.
        (word ^ known) & !((known & 0x4040_4040_4040_4040) >> 1) == 0
    };
    words.iter().zip(known_words).all(|(word, known)| is_same_word(word, known))
        && is_same_word(last, known_last)
}

#[inline(always)]
const fn slot(key: u64, multiplier: u64) -> usize {
    (key.wrapping_mul(multiplier) >> 56) as usize
}

struct Table {
    /// By length: what sends each name of that length to a slot of its own.
    multipliers: [u64; NAME_BYTES_MAX + 1],
    /// By slot: the name and its length in bytes; `Other` and zero where no name is.
    names: [(Name, u8); 256],
    /// By name.
    spellings: [Spelling; KNOWN.len() + 1],
}

static TABLE: Table = Table::build();

impl Table {
    #[expect(clippy::cast_possible_truncation, reason = "lengths are at most 32")]
    const fn build() -> Self {
        let mut table = Self {
            multipliers: [0; NAME_BYTES_MAX + 1],
            names: [(Name::Other, 0); 256],
            spellings: [[0; 2 * NAME_BYTES_MAX]; KNOWN.len() + 1],
        };
        let mut len = 0;
        while len <= NAME_BYTES_MAX {
            // Odd multipliers from a Weyl sequence; a few hundred tries suffice for the fullest length.
            let mut multiplier = 0x9e37_79b9_7f4a_7c15_u64;
            while !table.fits(len, multiplier) {
                multiplier = multiplier.wrapping_add(0x3c6e_f372_fe94_f82a);
            }
            table.multipliers[len] = multiplier;
            let mut index = 0;
            while index < KNOWN.len() {
                let (name, text) = KNOWN[index];
                if text.len() == len {
                    table.names[slot(key_of(text), multiplier)] = (name, len as u8);
                    let mut at = 0;
                    while at < len {
                        table.spellings[index][NAME_BYTES_MAX + at] = text.as_bytes()[at];
                        at += 1;
                    }
                }
                index += 1;
            }
            len += 1;
        }
        table
    }

    /// True if `multiplier` sends the names of length `len` to free slots, no two to the same.
    const fn fits(&self, len: usize, multiplier: u64) -> bool {
        let mut taken = [false; 256];
        let mut index = 0;
        while index < KNOWN.len() {
            let text = KNOWN[index].1;
            if text.len() == len {
                let slot = slot(key_of(text), multiplier);
                if taken[slot] || self.names[slot].1 != 0 {
                    return false;
                }
                taken[slot] = true;
            }
            index += 1;
        }
        true
    }
}

/// The key of a known name.
const fn key_of(text: &str) -> u64 {
    let bytes = text.as_bytes();
    match (bytes.first_chunk(), bytes.last_chunk(), bytes) {
        (Some(first), Some(last), _) => key(*first, *last),
        (_, _, &[a, b, c]) => key([a, b, c, b':'], [b'\n', a, b, c]),
        _ => panic!("known names have three bytes or more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for &(name, text) in KNOWN {
            assert_eq!(name.as_str(), text);
            assert_eq!(Name::from_bytes(text.as_bytes()), name, "{text}");
            assert_eq!(Name::from_bytes(text.to_uppercase().as_bytes()), name, "{text}");
        }
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_another_name() {
        for &(name, text) in KNOWN {
            for at in 0..text.len() {
                for byte in 0..=255 {
                    let mut bytes = text.as_bytes().to_vec();
                    bytes[at] = byte;
                    let want = KNOWN.iter().find(|(_, other)| other.as_bytes().eq_ignore_ascii_case(&bytes));
                    let want = want.map_or(Name::Other, |&(found, _)| found);
                    assert_eq!(
                        Name::from_bytes(&bytes),
                        want,
                        "{text} with {byte:#04x} at {at} against {name:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn lengths_outside_the_table_are_other() {
        for len in [0, 1, 2, 33, 400] {
            assert_eq!(Name::from_bytes(&vec![b'a'; len]), Name::Other, "{len}");
        }
        assert_eq!(Name::Other.as_str(), "");
    }
}
