//! The search for delimiters in bytes that come in pieces.

use std::ops::Range;

use memchr::memmem::Finder;

use super::boundary::Boundary;

/// Looks for `CR LF -- boundary`.
///
/// CR stands at its beginning and nowhere else in it. So when a match breaks off, no other can have begun inside of
/// it, and what was matched is known without having been stored.
#[derive(Clone, Debug)]
pub(super) struct Search {
    finder: Finder<'static>,
    /// Bytes of the delimiter that the input so far ends with.
    matched: usize,
    /// How many of those did not stand in what is searched: its beginning counts as the beginning of a line.
    lent: usize,
}

/// What was found, each with how many bytes of the input it takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This range of the input is content.
    Content(Range<usize>, usize),
    /// These bytes of the delimiter are content, from input before this.
    Held(Range<usize>),
    Delimiter(usize),
    More(usize),
}

impl Search {
    pub(super) fn new(boundary: &Boundary) -> Search {
        let delimiter = format!("\r\n--{}", boundary.as_str());
        let mut search = Search { finder: Finder::new(&delimiter).into_owned(), matched: 0, lent: 0 };
        search.begin_at_line();
        search
    }

    /// The delimiter.
    pub(super) fn delimiter(&self) -> &[u8] {
        self.finder.needle()
    }

    /// Begins a search whose first byte begins a line.
    pub(super) fn begin_at_line(&mut self) {
        self.matched = 2;
        self.lent = 2;
    }

    pub(super) fn find(&mut self, input: &[u8]) -> Found {
        if self.matched > 0 {
            let rest = &self.finder.needle()[self.matched..];
            let same = rest.iter().zip(input).take_while(|(a, b)| a == b).count();
            if same == rest.len() {
                self.matched = 0;
                return Found::Delimiter(same);
            }
            if same == input.len() {
                self.matched += same;
                return Found::More(same);
            }
            let held = self.lent..self.matched;
            (self.matched, self.lent) = (0, 0);
            if !held.is_empty() {
                return Found::Held(held);
            }
        }
        match self.finder.find(input) {
            Some(0) => Found::Delimiter(self.finder.needle().len()),
            Some(at) => Found::Content(0..at, at),
            None => {
                let last = input.len().saturating_sub(self.finder.needle().len() - 1);
                let begun = memchr::memrchr(b'\r', &input[last..])
                    .map(|at| last + at)
                    .filter(|at| self.finder.needle().starts_with(&input[*at..]));
                let end = begun.unwrap_or(input.len());
                (self.matched, self.lent) = (input.len() - end, 0);
                if end == 0 { Found::More(input.len()) } else { Found::Content(0..end, input.len()) }
            }
        }
    }
}
