//! Field lines and the blank line after them (RFC 9112 §5): what requests and responses share.
//!
//! A [`Kernel`] takes lines that are as they should be. What it leaves is read here one line at a time, and here
//! alone is decided what is an error and which.

use super::table::Table;
use super::{Field, HeadError, Span};
use crate::name::Name;
use crate::scan::{Kernel, Taken, control_from, token_end, trimmed};

/// What a head makes of its fields.
pub(super) trait Gather {
    /// Takes in a field whose name [is parsed](Name::is_parsed).
    fn gather(&mut self, bytes: &[u8], field: Field, kernel: Kernel) -> Result<(), HeadError>;
}

/// Where reading stopped.
pub(super) enum Stop {
    /// After the blank line; the head is so long.
    End(usize),
    /// Before the line that starts here, which has not arrived to its end.
    Before(usize),
}

/// What is known of a line that has not arrived to its end, so that none of its bytes is looked at twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    /// Bytes of the line before this position are as they should be. 0: nothing is known.
    pub(super) clean: usize,
    /// Position of the colon, if it is among them; else 0.
    colon: usize,
}

impl Partial {
    /// Nothing is known.
    pub(super) const NONE: Self = Self { clean: 0, colon: 0 };

    /// All bytes before `clean` are known, and the line is no field line or its colon has not come.
    pub(super) const fn up_to(clean: usize) -> Self {
        Self { clean, colon: 0 }
    }
}

/// Reads field lines and the blank line, after `taken` is what the kernel took into the table's room.
#[inline(always)]
pub(super) fn read(
    bytes: &[u8],
    mut taken: Taken,
    kernel: Kernel,
    table: &mut Table,
    fields_max: usize,
    facts: &mut impl Gather,
    partial: &mut Partial,
) -> Result<Stop, HeadError> {
    loop {
        for field in table.added(taken.count) {
            if field.name.is_parsed() {
                facts.gather(bytes, *field, kernel)?;
            }
        }
        if bytes[taken.line..].starts_with(b"\r\n") {
            return Ok(Stop::End(taken.line + 2));
        }
        let Some((field, next)) = read_line(bytes, taken.line, partial)? else {
            return Ok(Stop::Before(taken.line));
        };
        *partial = Partial::NONE;
        if !table.push(field, fields_max) {
            return Err(HeadError::TooManyFields);
        }
        if field.name.is_parsed() {
            facts.gather(bytes, field, kernel)?;
        }
        taken = kernel.take(bytes, next, table.room(fields_max));
    }
}

/// Reads the field line at `at`, whatever it looks like, and tells where the next line starts. `None` if it has
/// not arrived to its end; then `partial` is what to give with the next call. A complete blank line is not for
/// this function.
///
/// Checks go from left to right and each looks no further than the byte it is about, so that an input
/// cut anywhere gives the same error.
#[inline(never)]
fn read_line(bytes: &[u8], at: usize, partial: &mut Partial) -> Result<Option<(Field, usize)>, HeadError> {
    if partial.colon == 0 {
        let colon = token_end(bytes, at.max(partial.clean));
        match &bytes[colon..] {
            [b':', ..] if colon > at => *partial = Partial { clean: colon + 1, colon },
            [] => {
                *partial = Partial::up_to(colon);
                return Ok(None);
            }
            [b'\r'] if colon == at => return Ok(None),
            [b'\r', ..] if colon == at => return Err(HeadError::BareCr),
            [b'\n', ..] => return Err(HeadError::BareLf),
            [b' ' | b'\t', ..] if colon == at => return Err(HeadError::ObsoleteFold),
            [b' ' | b'\t', ..] => return Err(HeadError::SpaceBeforeColon),
            _ => return Err(HeadError::FieldNameInvalid),
        }
    }
    let colon = partial.colon;
    let end = control_from(bytes, partial.clean);
    match &bytes[end..] {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => {
            partial.clean = end;
            return Ok(None);
        }
        [b'\r', ..] => return Err(HeadError::BareCr),
        [b'\n', ..] => return Err(HeadError::BareLf),
        _ => return Err(HeadError::FieldValueInvalid),
    }
    let (value_start, value_end) = trimmed(bytes, colon + 1, end);
    let field = Field {
        name: Name::from_bytes(&bytes[at..colon]),
        name_span: Span::between(at, colon),
        value: Span::between(value_start, value_end),
    };
    Ok(Some((field, end + 2)))
}
