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

/// Reads field lines and the blank line, after `taken` is what the kernel took into the table's room.
#[inline(always)]
pub(super) fn read(
    bytes: &[u8],
    mut taken: Taken,
    kernel: Kernel,
    table: &mut Table,
    fields_max: usize,
    facts: &mut impl Gather,
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
        let Some((field, next)) = read_line(bytes, taken.line)? else { return Ok(Stop::Before(taken.line)) };
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
/// not arrived to its end. A complete blank line is not for this function.
///
/// Checks go from left to right and each looks no further than the byte it is about, so that an input
/// cut anywhere gives the same error.
#[cold]
fn read_line(bytes: &[u8], at: usize) -> Result<Option<(Field, usize)>, HeadError> {
    let colon = token_end(bytes, at);
    match &bytes[colon..] {
        [] => return Ok(None),
        [b'\r'] if colon == at => return Ok(None),
        [b'\r', ..] if colon == at => return Err(HeadError::BareCr),
        [b':', ..] if colon > at => {}
        [b'\n', ..] => return Err(HeadError::BareLf),
        [b' ' | b'\t', ..] if colon == at => return Err(HeadError::ObsoleteFold),
        [b' ' | b'\t', ..] => return Err(HeadError::SpaceBeforeColon),
        _ => return Err(HeadError::FieldNameInvalid),
    }
    let end = control_from(bytes, colon + 1);
    match &bytes[end..] {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => return Ok(None),
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
