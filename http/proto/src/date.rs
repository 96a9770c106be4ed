//! The `date` field: IMF-fixdate text from seconds since the Unix epoch (RFC 9110 §5.6.7, §6.6.1).
//!
//! Nothing here reads a clock. The server asks its runtime for the second once per loop turn and
//! hands it to a [`DateCache`], which renders again only when the second has changed.
//!
//! ```
//! use corelane_http_proto::date::{DateCache, imf_fixdate};
//!
//! assert_eq!(&imf_fixdate(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
//!
//! let mut date = DateCache::new(784_111_777);
//! assert!(!date.refresh(784_111_777), "same second: nothing to do");
//! assert!(date.refresh(784_111_778));
//! assert_eq!(date.as_str(), "Sun, 06 Nov 1994 08:49:38 GMT");
//! assert_eq!(date.line(), b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
//! ```

use crate::encode::CONTENT_LENGTH;

/// Length of an IMF-fixdate, in bytes. The form has fixed width, which is why it can be cached in place.
pub const DATE_BYTES: usize = 29;

/// Length of a whole `date` field line with its CRLF, in bytes.
pub const DATE_LINE_BYTES: usize = NAME.len() + DATE_BYTES + CRLF.len();

/// The last second that a four-digit year can express: 9999-12-31 23:59:59 UTC, in seconds since the epoch.
pub const UNIX_SECONDS_MAX: u64 = 253_402_300_799;

/// The status line that begins nearly every response, kept in front of the date, as the name of the length is
/// behind it, so that all three are one copy.
const OK_LINE: &[u8; 17] = b"HTTP/1.1 200 OK\r\n";
const NAME: &[u8; 6] = b"date: ";
const CRLF: &[u8; 2] = b"\r\n";

/// Bytes of [`DateCache::ok_date_and_length`].
pub(crate) const OK_DATE_LENGTH_BYTES: usize = OK_LINE.len() + DATE_LINE_BYTES + CONTENT_LENGTH.len();

const DAY_NAMES: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTH_NAMES: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Renders seconds since the Unix epoch as an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// A time after [`UNIX_SECONDS_MAX`] is rendered as that last second: a year of five digits has no
/// form in RFC 9110 §5.6.7, and a server whose clock is wrong shall still answer.
#[must_use]
pub fn imf_fixdate(unix_seconds: u64) -> [u8; DATE_BYTES] {
    let unix_seconds = unix_seconds.min(UNIX_SECONDS_MAX);
    let days = unix_seconds / 86_400;
    let second_of_day = unix_seconds % 86_400;
    let (year, month, day) = civil_from_days(days);

    let mut text = *b"???, ?? ??? ???? ??:??:?? GMT";
    text[..3].copy_from_slice(DAY_NAMES[(days % 7) as usize]);
    two_digits(&mut text, 5, day);
    text[8..11].copy_from_slice(MONTH_NAMES[((month - 1) % 12) as usize]);
    two_digits(&mut text, 12, year / 100);
    two_digits(&mut text, 14, year % 100);
    two_digits(&mut text, 17, second_of_day / 3_600);
    two_digits(&mut text, 20, second_of_day / 60 % 60);
    two_digits(&mut text, 23, second_of_day % 60);
    text
}

/// Writes `value`, which is under 100, as two decimal digits at `at`.
fn two_digits(text: &mut [u8; DATE_BYTES], at: usize, value: u64) {
    debug_assert!(value < 100, "two digits hold at most 99");
    text[at] = b'0' + (value / 10 % 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

/// Year, month (1 to 12) and day (1 to 31) in the proleptic Gregorian calendar, by Howard Hinnant's
/// `civil_from_days`: years are counted from 1 March, so that the leap day comes last, in eras of 400 years.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// The current `date` field line, rendered once a second.
///
/// One of these lives on each core. It is told the time and never asks for it.
#[derive(Clone, Debug)]
pub struct DateCache {
    /// The second that `text` shows.
    unix_seconds: u64,
    /// Status line of a 200, the date line, `content-length: `. Invariant: always complete and valid.
    text: [u8; OK_DATE_LENGTH_BYTES],
}

impl DateCache {
    /// A cache that shows `unix_seconds`, in seconds since the Unix epoch.
    #[must_use]
    pub fn new(unix_seconds: u64) -> Self {
        let mut text = [0; OK_DATE_LENGTH_BYTES];
        let mut at = 0;
        for part in [&OK_LINE[..], NAME, &[b' '; DATE_BYTES], CRLF, CONTENT_LENGTH] {
            text[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let mut cache = Self { unix_seconds, text };
        cache.render(unix_seconds);
        cache
    }

    /// Shows `unix_seconds` from now on. True if the text changed, so that copies of it are stale.
    ///
    /// A clock that was set back is followed: the field says what the server's clock says.
    #[inline]
    pub fn refresh(&mut self, unix_seconds: u64) -> bool {
        let changed = unix_seconds != self.unix_seconds;
        if changed {
            self.render(unix_seconds);
        }
        changed
    }

    #[cold]
    fn render(&mut self, unix_seconds: u64) {
        self.unix_seconds = unix_seconds;
        self.text[OK_LINE.len() + NAME.len()..][..DATE_BYTES].copy_from_slice(&imf_fixdate(unix_seconds));
    }

    /// The second shown, in seconds since the Unix epoch.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.unix_seconds
    }

    /// The date alone, without the field name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let date = &self.text[OK_LINE.len() + NAME.len()..][..DATE_BYTES];
        core::str::from_utf8(date).expect("names and digits are ASCII")
    }

    /// The whole field line: `date: …` and CRLF.
    #[inline]
    #[must_use]
    pub fn line(&self) -> &[u8; DATE_LINE_BYTES] {
        self.text[OK_LINE.len()..].first_chunk().expect("the line is shorter than what is left of the text")
    }

    /// The status line of a 200, the date line behind it, and the name of the length behind that, ready to copy.
    #[inline]
    pub(crate) fn ok_date_and_length(&self) -> &[u8; OK_DATE_LENGTH_BYTES] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_edges_are_rendered() {
        for (why, seconds, want) in [
            ("the epoch", 0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("RFC 9110 §5.6.7, its example", 784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("last second of a year", 946_684_799, "Fri, 31 Dec 1999 23:59:59 GMT"),
            ("2000 is a leap year: divisible by 400", 951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            ("the day after that leap day", 951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (
                "2100 is none: 28 February is followed by March",
                4_107_542_400,
                "Mon, 01 Mar 2100 00:00:00 GMT",
            ),
            ("a second after 32 signed bits end", 2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
            ("the last second with four digits", UNIX_SECONDS_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            ("beyond: the last one stays", UNIX_SECONDS_MAX + 1, "Fri, 31 Dec 9999 23:59:59 GMT"),
            ("no overflow at the end of the type", u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(core::str::from_utf8(&imf_fixdate(seconds)), Ok(want), "{why}");
        }
    }

    #[test]
    fn the_status_line_in_front_survives_a_refresh() {
        let mut cache = DateCache::new(0);
        assert!(cache.refresh(86_399));
        assert_eq!(
            cache.ok_date_and_length(),
            b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 23:59:59 GMT\r\ncontent-length: ",
            "one copy has to yield a complete beginning of a head"
        );
        assert!(cache.refresh(0), "a clock set back is followed");
        assert_eq!(cache.as_str(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
