//! From bytes to parts.

use std::ops::Range;

use super::boundary::Boundary;
use super::delimiter::{Found, Search};
use super::error::{Kind, LimitKind, MultipartError};
use super::part::PartHead;
use super::{EPILOGUE_BYTES_MAX, Limits, PADDING_BYTES_MAX, PREAMBLE_BYTES_MAX};

/// Reads one body. See the [module](super).
#[derive(Debug)]
pub struct Parser {
    search: Search,
    limits: Limits,
    state: State,
    /// The head of a part, while it is not complete. Invariant: at most [`Limits::head_bytes_max`].
    head: Vec<u8>,
    parts: u32,
    /// Bytes of the preamble, the part, or the epilogue so far.
    seen: u64,
    /// What `seen` may become, and what it is then.
    most: (LimitKind, u64),
    /// Bytes of fields so far.
    fields_seen: u64,
    /// True in a part that has a file name.
    is_file: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Delimited(Line, usize),
    Head,
    Data,
    Epilogue,
    /// What went wrong is said again at each call.
    Failed(MultipartError),
}

/// Where in the rest of a delimiter's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Behind the boundary.
    Begin,
    /// Behind a `-`.
    Dash,
    /// In spaces.
    Padding,
    /// Behind CR.
    Cr,
    /// Behind `--`, or in spaces behind it.
    Closed,
    /// Behind CR behind `--`.
    ClosedCr,
}

/// What [`Parser::handle_input`] found, and how much of the input that takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Step<'p> {
    /// Bytes not to be given again.
    pub consumed: usize,
    /// What was found.
    pub event: Event<'p>,
}

/// Something found in a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'p> {
    /// Nothing in what was given. All of it is consumed.
    NeedMore,
    /// A part begins.
    Part(PartHead),
    /// This range of the input is data of the part. Never empty.
    Data(Range<usize>),
    /// Data of the part that was in input before this, where it looked like the beginning of a delimiter. Never empty.
    Held(&'p [u8]),
    /// The part is complete.
    PartEnd,
}

impl Parser {
    /// A parser for a body with this boundary.
    pub fn new(boundary: &Boundary, limits: Limits) -> Parser {
        Parser {
            search: Search::new(boundary),
            limits,
            state: State::Preamble,
            head: Vec::new(),
            parts: 0,
            seen: 0,
            most: (LimitKind::PreambleBytes, PREAMBLE_BYTES_MAX),
            fields_seen: 0,
            is_file: false,
        }
    }

    /// Takes the next bytes of the body. Call it until all is consumed; what is not consumed has to be given again.
    ///
    /// # Errors
    /// See [`MultipartError`]. Nothing after it is read; each later call gives it again.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Step<'_>, MultipartError> {
        let mut at = 0;
        let event = loop {
            let rest = &input[at..];
            let stepped = match self.state {
                State::Failed(error) => return Err(error),
                State::Preamble => self.preamble(rest),
                State::Delimited(line, padding) => {
                    self.delimited(rest, line, padding).map(|taken| (taken, None))
                }
                State::Head => self.head(rest),
                State::Data => self.data(rest),
                State::Epilogue => self.count(rest.len() as u64).map(|()| (rest.len(), None)),
            };
            let (taken, found) = stepped.inspect_err(|error| self.state = State::Failed(*error))?;
            let begin = at;
            at += taken;
            match found {
                Some(In::Part(head)) => break Event::Part(head),
                Some(In::Data(range)) => break Event::Data(begin + range.start..begin + range.end),
                Some(In::Held(range)) => break Event::Held(&self.search.delimiter()[range]),
                Some(In::PartEnd) => break Event::PartEnd,
                None if at == input.len() => break Event::NeedMore,
                None => {}
            }
        };
        Ok(Step { consumed: at, event })
    }

    /// Tells that the body has ended.
    ///
    /// # Errors
    /// The last delimiter is missing ([`MultipartError::is_truncated`]), or what was wrong before.
    pub fn handle_end(&mut self) -> Result<(), MultipartError> {
        let error = match self.state {
            State::Failed(error) => return Err(error),
            State::Epilogue | State::Delimited(Line::Closed, _) => return Ok(()),
            State::Preamble => Kind::NoDelimiter.into(),
            State::Delimited(..) | State::Head | State::Data => MultipartError::from(Kind::Truncated),
        };
        self.state = State::Failed(error);
        Err(error)
    }

    /// Parts that have begun.
    pub fn parts(&self) -> u32 {
        self.parts
    }

    fn preamble(&mut self, input: &[u8]) -> Taken {
        match self.search.find(input) {
            Found::Content(range, taken) => self.count(range.len() as u64).map(|()| (taken, None)),
            Found::Held(range) => self.count(range.len() as u64).map(|()| (0, None)),
            Found::More(taken) => Ok((taken, None)),
            Found::Delimiter(taken) => {
                self.state = State::Delimited(Line::Begin, 0);
                Ok((taken, None))
            }
        }
    }

    /// The rest of a delimiter's line. Stops at the end of the line, and of the input.
    fn delimited(
        &mut self,
        input: &[u8],
        mut line: Line,
        mut padding: usize,
    ) -> Result<usize, MultipartError> {
        for (at, byte) in input.iter().enumerate() {
            line = match (line, byte) {
                (Line::Begin, b'-') => Line::Dash,
                (Line::Dash, b'-') => Line::Closed,
                (Line::Begin | Line::Padding | Line::Closed, b' ' | b'\t') => {
                    padding += 1;
                    if padding > PADDING_BYTES_MAX {
                        let max = PADDING_BYTES_MAX as u64;
                        return Err(MultipartError::limit_passed(LimitKind::PaddingBytes, max));
                    }
                    if line == Line::Closed { line } else { Line::Padding }
                }
                (Line::Begin | Line::Padding, b'\r') => Line::Cr,
                (Line::Closed, b'\r') => Line::ClosedCr,
                (Line::Cr, b'\n') => {
                    self.begin_part()?;
                    return Ok(at + 1);
                }
                (Line::ClosedCr, b'\n') => {
                    (self.seen, self.most) = (0, (LimitKind::EpilogueBytes, EPILOGUE_BYTES_MAX));
                    self.state = State::Epilogue;
                    return Ok(at + 1);
                }
                _ => return Err(Kind::AfterDelimiter.into()),
            };
        }
        self.state = State::Delimited(line, padding);
        Ok(input.len())
    }

    fn begin_part(&mut self) -> Result<(), MultipartError> {
        if self.parts == self.limits.parts_max {
            return Err(MultipartError::limit_passed(LimitKind::Parts, self.limits.parts_max.into()));
        }
        self.parts += 1;
        self.head.clear();
        self.state = State::Head;
        Ok(())
    }

    /// Gathers the head, line by line.
    fn head(&mut self, input: &[u8]) -> Taken {
        let mut at = 0;
        while at < input.len() {
            let end = memchr::memchr(b'\n', &input[at..]).map_or(input.len(), |len| at + len + 1);
            if self.head.len() + (end - at) > self.limits.head_bytes_max {
                let max = self.limits.head_bytes_max as u64;
                return Err(MultipartError::limit_passed(LimitKind::HeadBytes, max));
            }
            self.head.extend_from_slice(&input[at..end]);
            at = end;
            if !self.head.ends_with(b"\n") {
                break;
            }
            if !self.head.ends_with(b"\r\n") {
                return Err(Kind::BareLineEnd.into());
            }
            if self.head.len() == 2 || self.head.ends_with(b"\r\n\r\n") {
                return self.begin_data().map(|head| (at, Some(In::Part(head))));
            }
        }
        Ok((at, None))
    }

    fn begin_data(&mut self) -> Result<PartHead, MultipartError> {
        let head = PartHead::parse(std::mem::take(&mut self.head), self.limits.head_fields_max)?;
        self.is_file = head.file_name().is_some();
        self.seen = 0;
        self.most = if self.is_file {
            (LimitKind::FileBytes, self.limits.file_bytes_max)
        } else {
            (LimitKind::FieldBytes, self.limits.field_bytes_max)
        };
        // The line end that the empty line has is also that of a delimiter which follows at once.
        self.search.begin_at_line();
        self.state = State::Data;
        Ok(head)
    }

    fn data(&mut self, input: &[u8]) -> Taken {
        match self.search.find(input) {
            Found::Content(range, taken) => {
                self.count_data(range.len() as u64)?;
                Ok((taken, Some(In::Data(range))))
            }
            Found::Held(range) => {
                self.count_data(range.len() as u64)?;
                Ok((0, Some(In::Held(range))))
            }
            Found::More(taken) => Ok((taken, None)),
            Found::Delimiter(taken) => {
                self.state = State::Delimited(Line::Begin, 0);
                Ok((taken, Some(In::PartEnd)))
            }
        }
    }

    fn count_data(&mut self, len: u64) -> Result<(), MultipartError> {
        self.count(len)?;
        if !self.is_file {
            self.fields_seen = self.fields_seen.saturating_add(len);
            let max = self.limits.fields_bytes_max;
            if self.fields_seen > max {
                return Err(MultipartError::limit_passed(LimitKind::FieldsBytes, max));
            }
        }
        Ok(())
    }

    fn count(&mut self, len: u64) -> Result<(), MultipartError> {
        self.seen = self.seen.saturating_add(len);
        let (limit, max) = self.most;
        if self.seen > max { Err(MultipartError::limit_passed(limit, max)) } else { Ok(()) }
    }
}

/// How many bytes were taken, and what was found in them.
type Taken = Result<(usize, Option<In>), MultipartError>;

/// An event whose ranges are those of what a step was given.
enum In {
    Part(PartHead),
    Data(Range<usize>),
    /// Of the delimiter.
    Held(Range<usize>),
    PartEnd,
}
