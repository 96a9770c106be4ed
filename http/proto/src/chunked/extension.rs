//! The grammar of chunk extensions (RFC 9112 §7.1.1), checked and otherwise ignored.
//!
//! ```text
//! chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
//! ```
//!
//! RFC 9112 lets a recipient ignore extensions it does not know, and most skip to the line end without a look.
//! We check them, because a quoted string that one parser honours and another does not is a way
//! to hide a line end. White space before the first `;` is refused by the size, as it is by LIMITS.

use super::ChunkError;
use crate::class::{is_text_byte, is_token_byte};

/// Where in an extension the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// Behind `;`, before the name.
    Start,
    Name,
    /// White space behind a name.
    NameEnd,
    /// Behind `=`, before the value.
    ValueStart,
    Token,
    Quoted,
    /// Behind a backslash in a quoted string.
    Escaped,
    /// Behind the closing quote.
    QuotedEnd,
    /// White space behind a value.
    ValueEnd,
}

/// What a byte means for the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The extensions go on.
    Within(Extension),
    /// This was the CR of the line end.
    LineEnd,
}

impl Extension {
    /// The state after `byte`.
    pub(super) fn next(self, byte: u8) -> Result<Next, ChunkError> {
        use Extension::*;
        let next = match (self, byte) {
            (Quoted | Escaped, b'\n' | b'\r') => return Err(ChunkError::BareLineEnd),
            (_, b'\n') => return Err(ChunkError::BareLineEnd),
            (Name | Token | QuotedEnd, b'\r') => return Ok(Next::LineEnd),

            (Start | ValueStart, b' ' | b'\t') => self,
            (Name | NameEnd, b' ' | b'\t') => NameEnd,
            (Token | QuotedEnd | ValueEnd, b' ' | b'\t') => ValueEnd,

            (Name | NameEnd | Token | QuotedEnd | ValueEnd, b';') => Start,
            (Name | NameEnd, b'=') => ValueStart,

            (Start | Name, _) if is_token_byte(byte) => Name,
            (ValueStart | Token, _) if is_token_byte(byte) => Token,

            (ValueStart, b'"') => Quoted,
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) if is_text_byte(byte) => Quoted,

            _ => return Err(ChunkError::ExtensionMalformed),
        };
        Ok(Next::Within(next))
    }
}
