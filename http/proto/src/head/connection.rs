//! What a head says about the connection: `Connection`, `Expect`, `Upgrade`.

use super::{HeadError, Version};
use crate::framing::trim;

/// The connection options a head named so far, as bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection(u8);

const CLOSE: u8 = 1;
const KEEP_ALIVE: u8 = 2;
const UPGRADE_OPTION: u8 = 4;
const UPGRADE_FIELD: u8 = 8;
const CONTINUE: u8 = 16;

impl Connection {
    /// Nothing named.
    pub(super) const NONE: Self = Self(0);

    /// Takes in the value of a `Connection` line (RFC 9110 §7.6.1). Options we do not know name fields for
    /// proxies to remove; they are no concern of an origin server.
    #[inline(always)]
    pub(super) fn options(&mut self, value: &[u8]) {
        self.0 |= match option(value) {
            0 => value.split(|&byte| byte == b',').fold(0, |bits, item| bits | option(trim(item))),
            single => single,
        };
    }

    /// Takes in the value of an `Expect` line (RFC 9110 §10.1.1), which HTTP/1.0 does not know.
    pub(super) fn expect(&mut self, value: &[u8], version: Version) -> Result<(), HeadError> {
        if version == Version::Http10 {
            return Ok(());
        }
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(HeadError::ExpectationUnknown);
        }
        self.0 |= CONTINUE;
        Ok(())
    }

    /// Takes in an `Upgrade` line; its value is for whoever accepts the offer.
    pub(super) fn upgrade(&mut self) {
        self.0 |= UPGRADE_FIELD;
    }

    /// RFC 9112 §9.3: `close` wins; otherwise HTTP/1.1 persists, and HTTP/1.0 if it says `keep-alive`.
    #[inline]
    pub(super) fn keep_alive(self, version: Version) -> bool {
        let asked = version == Version::Http11 || self.0 & KEEP_ALIVE != 0;
        asked && self.0 & CLOSE == 0
    }

    /// RFC 9110 §7.8: both the option and the field, and not from HTTP/1.0.
    #[inline]
    pub(super) fn offers_upgrade(self, version: Version) -> bool {
        let both = UPGRADE_OPTION | UPGRADE_FIELD;
        version == Version::Http11 && self.0 & both == both
    }

    #[inline]
    pub(super) fn expects_continue(self) -> bool {
        self.0 & CONTINUE != 0
    }
}

/// The bit of one connection option; zero for others.
#[inline(always)]
fn option(item: &[u8]) -> u8 {
    match item.len() {
        5 if item.eq_ignore_ascii_case(b"close") => CLOSE,
        7 if item.eq_ignore_ascii_case(b"upgrade") => UPGRADE_OPTION,
        10 if item.eq_ignore_ascii_case(b"keep-alive") => KEEP_ALIVE,
        _ => 0,
    }
}
