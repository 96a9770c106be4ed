//! `Cache-Control` of responses, typed (RFC 9111 §5.2.2, RFC 5861, RFC 8246).

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::ResponsePart;
use crate::response::{HeaderError, Response};

/// How long, and by whom, a response may be stored. A [`ResponsePart`], so it goes in front of what is returned.
///
/// It begins with one of [`no_store`](Self::no_store), [`no_cache`](Self::no_cache), [`private`](Self::private) and
/// [`public`](Self::public), and is narrowed from there. Times are rounded down to seconds, and those over 2^31 seconds
/// (68 years) are sent as that, which RFC 9111 §1.2.2 has caches take for infinite.
///
/// ```
/// use std::time::Duration;
/// use corelane_http::response::CacheControl;
///
/// const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
///
/// async fn logo() -> (CacheControl, &'static [u8]) {
///     (CacheControl::public().max_age(YEAR).immutable(), b"...")
/// }
/// # let _ = corelane_http::app::App::new().get("/logo", logo);
/// assert_eq!(CacheControl::public().max_age(YEAR).immutable().to_string(), "public, max-age=31536000, immutable");
/// assert_eq!(
///     CacheControl::private().max_age(Duration::from_secs(60)).must_revalidate().to_string(),
///     "private, max-age=60, must-revalidate",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheControl {
    scope: Scope,
    /// Seconds of `max-age`, `s-maxage`, `stale-while-revalidate`, `stale-if-error`.
    seconds: [Option<u32>; 4],
    /// One bit for each of [`FLAGS`].
    flags: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    NoStore,
    NoCache,
    Private,
    Public,
}

/// Names of the directives with seconds, in the order of the field.
const TIMES: [&str; 4] = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];

/// Names of the directives without a value, by bit.
const FLAGS: [&str; 6] =
    ["immutable", "must-revalidate", "proxy-revalidate", "no-transform", "must-understand", "no-cache"];

impl CacheControl {
    const fn of(scope: Scope) -> CacheControl {
        CacheControl { scope, seconds: [None; 4], flags: 0 }
    }

    /// Nobody may keep it: for what is secret.
    pub const fn no_store() -> CacheControl {
        CacheControl::of(Scope::NoStore)
    }

    /// It may be kept, and has to be asked for again before each use: with a validator such as an `ETag` that costs a
    /// 304 without a body.
    pub const fn no_cache() -> CacheControl {
        CacheControl::of(Scope::NoCache)
    }

    /// Only the client itself may keep it, no cache between.
    pub const fn private() -> CacheControl {
        CacheControl::of(Scope::Private)
    }

    /// Anybody may keep it, also if the request had credentials.
    pub const fn public() -> CacheControl {
        CacheControl::of(Scope::Public)
    }

    fn time(mut self, which: usize, time: Duration) -> CacheControl {
        const FOREVER: u32 = 1 << 31;
        self.seconds[which] = Some(u32::try_from(time.as_secs()).unwrap_or(FOREVER).min(FOREVER));
        self
    }

    const fn flag(mut self, which: u8) -> CacheControl {
        self.flags |= 1 << which;
        self
    }

    /// How long it is fresh (`max-age`).
    #[must_use]
    pub fn max_age(self, time: Duration) -> CacheControl {
        self.time(0, time)
    }

    /// The same for caches that serve many (`s-maxage`).
    #[must_use]
    pub fn shared_max_age(self, time: Duration) -> CacheControl {
        self.time(1, time)
    }

    /// How long after that a stale one may be used while a new one is fetched (RFC 5861 §3).
    #[must_use]
    pub fn stale_while_revalidate(self, time: Duration) -> CacheControl {
        self.time(2, time)
    }

    /// How long after that a stale one may be used if no new one can be had (RFC 5861 §4).
    #[must_use]
    pub fn stale_if_error(self, time: Duration) -> CacheControl {
        self.time(3, time)
    }

    /// It never changes while it is fresh, so a reload need not ask (RFC 8246): for names with a hash of the content.
    #[must_use]
    pub const fn immutable(self) -> CacheControl {
        self.flag(0)
    }

    /// Once stale it may not be used without asking.
    #[must_use]
    pub const fn must_revalidate(self) -> CacheControl {
        self.flag(1)
    }

    /// The same for caches that serve many.
    #[must_use]
    pub const fn proxy_revalidate(self) -> CacheControl {
        self.flag(2)
    }

    /// Nobody on the way may change the content, by compressing it for instance.
    #[must_use]
    pub const fn no_transform(self) -> CacheControl {
        self.flag(3)
    }

    /// Only a cache that knows the status' rules may keep it; others go by `no-store`, which stands beside it
    /// (RFC 9111 §5.2.2.3).
    #[must_use]
    pub const fn must_understand(self) -> CacheControl {
        self.flag(4)
    }

    /// Adds `no-cache` to what it began with: `private, no-cache`.
    #[must_use]
    pub const fn revalidated(self) -> CacheControl {
        self.flag(5)
    }
}

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scope {
            Scope::NoStore => "no-store",
            Scope::NoCache => "no-cache",
            Scope::Private => "private",
            Scope::Public => "public",
        })?;
        for (name, seconds) in TIMES.iter().zip(self.seconds) {
            if let Some(seconds) = seconds {
                write!(f, ", {name}={seconds}")?;
            }
        }
        for (bit, name) in FLAGS.iter().enumerate() {
            let repeated = *name == "no-cache" && self.scope == Scope::NoCache;
            if self.flags & (1 << bit) != 0 && !repeated {
                f.write_str(", ")?;
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

impl ResponsePart for CacheControl {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        let mut value = line::Line::default();
        let written = write!(value, "{self}");
        debug_assert!(written.is_ok(), "every combination fits");
        response.headers_mut().insert("cache-control", value.as_bytes())
    }
}

/// Text on the stack: one field value needs no heap.
mod line {
    use std::fmt;

    /// All directives together have 193 bytes.
    const BYTES: usize = 256;

    pub(super) struct Line {
        bytes: [u8; BYTES],
        len: usize,
    }

    impl Default for Line {
        fn default() -> Line {
            Line { bytes: [0; BYTES], len: 0 }
        }
    }

    impl Line {
        pub(super) fn as_bytes(&self) -> &[u8] {
            &self.bytes[..self.len]
        }
    }

    impl fmt::Write for Line {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
            room.copy_from_slice(text.as_bytes());
            self.len += text.len();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn directives_come_in_one_order_and_once() {
        for (why, control, want) in [
            ("alone", CacheControl::no_store(), "no-store"),
            ("not twice", CacheControl::no_cache().revalidated(), "no-cache"),
            ("beside", CacheControl::private().revalidated(), "private, no-cache"),
            (
                "the later time stands",
                CacheControl::public().max_age(DAY).max_age(DAY * 2),
                "public, max-age=172800",
            ),
            (
                "under a second",
                CacheControl::public().max_age(Duration::from_millis(999)),
                "public, max-age=0",
            ),
            ("no end", CacheControl::public().max_age(Duration::MAX), "public, max-age=2147483648"),
            (
                "with no-store beside it",
                CacheControl::no_store().must_understand(),
                "no-store, must-understand",
            ),
        ] {
            assert_eq!(control.to_string(), want, "{why}");
        }
    }

    #[test]
    fn everything_at_once_fits_the_field() {
        let all = CacheControl::private()
            .max_age(Duration::MAX)
            .shared_max_age(Duration::MAX)
            .stale_while_revalidate(Duration::MAX)
            .stale_if_error(Duration::MAX)
            .immutable()
            .must_revalidate()
            .proxy_revalidate()
            .no_transform()
            .must_understand()
            .revalidated();
        let mut response = Response::new("");
        all.apply(&mut response).unwrap();
        assert_eq!(response.headers().get("cache-control"), Some(&*all.to_string()));
        assert!(all.to_string().ends_with("must-understand, no-cache"));
    }
}
