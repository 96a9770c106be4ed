//! Field lines and the blank line after them (RFC 9112 §5): what requests and responses share.
//!
//! Two readers do the same work. [`read_blocks`] takes lines that are as they should be, from the line ends
//! of whole blocks, and stops before the first line that is not, or is not there yet. [`read_line`] takes one
//! line of any kind, and it alone decides what is an error and which. Machines without vectors use the
//! second reader only.

use super::table::Table;
use super::{Field, HeadError, Span};
use crate::name::Name;
use crate::scan::{BLOCK, Scan, Token, trimmed};

/// What a head does with the fields whose value it acts upon; see [`Name::is_parsed`].
pub(super) trait Gather {
    /// Takes in the field `name` with the value `bytes[value]`.
    fn gather<S: Scan>(&mut self, scan: S, bytes: &[u8], name: Name, value: Span) -> Result<(), HeadError>;
}

/// Reads field lines up to the blank line and tells where the head ends. `Ok(Err(line))`: that has not arrived;
/// `line` is the start of the first line that is not complete.
#[inline(always)]
pub(super) fn read<S: Scan>(
    scan: S,
    bytes: &[u8],
    mut ends: LineEnds,
    table: &mut Table,
    fields_max: usize,
    gather: &mut impl Gather,
) -> Result<Result<usize, usize>, HeadError> {
    loop {
        let mut line = ends.line;
        if S::HAS_BLOCKS {
            let (count, stop) = read_blocks(scan, bytes, &mut ends, table.room(fields_max));
            for field in table.added(count).iter().filter(|field| field.name.is_parsed()) {
                gather.gather(scan, bytes, field.name, field.value)?;
            }
            match stop {
                Stop::End(end) => return Ok(Ok(end)),
                Stop::Before(at) => line = at,
            }
        }
        let Some(field) = read_line(scan, bytes, line)? else { return Ok(Err(line)) };
        match field {
            Line::Blank => return Ok(Ok(line + 2)),
            Line::Field(field, next) => {
                let Some(room) = table.room(fields_max).first_mut() else {
                    return Err(HeadError::TooManyFields);
                };
                *room = field;
                table.added(1);
                if field.name.is_parsed() {
                    gather.gather(scan, bytes, field.name, field.value)?;
                }
                ends = LineEnds::new(next);
            }
        }
    }
}

/// Where the block reader stopped.
enum Stop {
    /// At the blank line; the position is the first byte after it.
    End(usize),
    /// Before the line that starts here.
    Before(usize),
}

/// What one line is.
enum Line {
    /// The blank line after the fields.
    Blank,
    /// A field, and where the next line starts.
    Field(Field, usize),
}

/// The ends of lines in order: positions of LFs, as far as no byte is out of place.
pub(super) struct LineEnds {
    /// Start of the next line.
    pub(super) line: usize,
    /// Start of the block that `lf` is about.
    base: usize,
    /// Line ends of the block that were not handed out yet.
    lf: u64,
    /// Start of the next block, or the input's end if this is the last to be trusted.
    next: usize,
    /// 1 if the last byte of the block is a control byte that an LF has to follow.
    carry: u64,
}

impl LineEnds {
    /// Line ends from the line start `line` on.
    #[inline(always)]
    pub(super) fn new(line: usize) -> Self {
        Self { line, base: line, lf: 0, next: line, carry: 0 }
    }

    /// The next LF. One control byte stands before it, and none between that and the LF before.
    #[inline(always)]
    pub(super) fn next<S: Scan>(&mut self, scan: S, bytes: &[u8]) -> Option<usize> {
        while self.lf == 0 {
            if self.next >= bytes.len() {
                return None;
            }
            let block = scan.block(bytes, self.next);
            // Each LF right after another control byte, and each of those right before an LF.
            let wrong = block.lf ^ (block.other << 1 | self.carry);
            // Line ends below the lowest wrong bit; all of them if none is wrong.
            self.lf = block.lf & wrong.wrapping_sub(1) & !wrong;
            self.base = self.next;
            self.carry = block.other >> (BLOCK - 1);
            self.next = if wrong == 0 { self.base + BLOCK } else { bytes.len() };
        }
        let lf = self.base + self.lf.trailing_zeros() as usize;
        self.lf &= self.lf - 1;
        self.line = lf + 1;
        Some(lf)
    }
}

/// Reads well-formed field lines into `room` and tells how many.
#[inline(always)]
fn read_blocks<S: Scan>(scan: S, bytes: &[u8], ends: &mut LineEnds, room: &mut [Field]) -> (usize, Stop) {
    let mut count = 0;
    loop {
        let start = ends.line;
        let Some(lf) = ends.next(scan, bytes) else { return (count, Stop::Before(start)) };
        let Some(line) = scan.field(bytes, start, lf) else {
            let stop = if bytes[start..=lf] == *b"\r\n" { Stop::End(lf + 1) } else { Stop::Before(start) };
            return (count, stop);
        };
        let Some(field) = room.get_mut(count) else { return (count, Stop::Before(start)) };
        *field = Field {
            name: line.name,
            name_span: Span::between(start, line.colon),
            value: Span::between(line.value_start, line.value_end),
        };
        count += 1;
    }
}

/// Reads the line at `at`, whatever it looks like. `None` if it has not arrived to its end.
///
/// Checks go from left to right and each looks no further than the byte it is about, so that an input
/// cut anywhere gives the same error.
fn read_line<S: Scan>(scan: S, bytes: &[u8], at: usize) -> Result<Option<Line>, HeadError> {
    let colon = scan.class_end::<Token>(bytes, at);
    match &bytes[colon..] {
        [b'\r', b'\n', ..] if colon == at => return Ok(Some(Line::Blank)),
        [] => return Ok(None),
        [b'\r'] if colon == at => return Ok(None),
        [b'\r', ..] if colon == at => return Err(HeadError::BareCr),
        [b':', ..] if colon > at => {}
        [b'\n', ..] => return Err(HeadError::BareLf),
        [b' ' | b'\t', ..] if colon == at => return Err(HeadError::ObsoleteFold),
        [b' ' | b'\t', ..] => return Err(HeadError::SpaceBeforeColon),
        _ => return Err(HeadError::FieldNameInvalid),
    }
    let end = scan.control_from(bytes, colon + 1);
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
    Ok(Some(Line::Field(field, end + 2)))
}
