//! Heads: tables named after the sections of RFC 9110 and 9112, each row with its reason.
//!
//! Every row is parsed whole, cut in two at each byte, and dripped byte by byte, by every kernel of this
//! machine; the outcome has to be the same.

mod connection;
mod differential;
mod field_lines;
mod framing;
mod host;
mod limits;
mod request_line;
mod response;
mod target;

use std::fmt::Debug;

use corelane_http_proto::head::{BodyFraming, HeadError, HeadLimits, RequestHead, ResponseHead, Version};
use corelane_http_proto::scan::Kernel;

/// All that a request head tells, with its spans read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    len: usize,
    method: String,
    target: String,
    path: String,
    query: Option<String>,
    version: Version,
    host: Option<String>,
    framing: BodyFraming,
    keep_alive: bool,
    expect_continue: bool,
    upgrade: bool,
    fields: Vec<(String, String, String)>,
}

/// A parser and what it tells of a complete head.
trait Parser: Clone {
    type Told: Clone + Debug + PartialEq;

    fn with_kernel(kernel: Kernel) -> Self;
    fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError>;
    fn tell(&self, len: usize, input: &[u8]) -> Self::Told;
}

impl Parser for RequestHead {
    type Told = Request;

    fn with_kernel(kernel: Kernel) -> Self {
        Self::with_kernel(kernel)
    }

    fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        self.parse(input, limits)
    }

    fn tell(&self, len: usize, input: &[u8]) -> Request {
        let text = |span: corelane_http_proto::head::Span| span.str_of(input).unwrap().to_owned();
        Request {
            len,
            method: self.method().as_str(input).to_owned(),
            target: text(self.target()),
            path: text(self.path()),
            query: self.query().map(text),
            version: self.version(),
            host: self.host().map(text),
            framing: self.framing(),
            keep_alive: self.keep_alive(),
            expect_continue: self.expect_continue(),
            upgrade: self.upgrade(),
            fields: fields(self.fields(), input),
        }
    }
}

impl Parser for ResponseHead {
    type Told = String;

    fn with_kernel(kernel: Kernel) -> Self {
        Self::with_kernel(kernel)
    }

    fn parse(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        self.parse(input, limits)
    }

    fn tell(&self, len: usize, input: &[u8]) -> String {
        let reason = self.reason().of(input).escape_ascii();
        let framing = self.framing(corelane_http_proto::head::Method::Get);
        format!(
            "{len} {:?} {} '{reason}' {framing:?} keep_alive={} {:?}",
            self.version(),
            self.status(),
            self.keep_alive(),
            fields(self.fields(), input)
        )
    }
}

fn fields(fields: &[corelane_http_proto::head::Field], input: &[u8]) -> Vec<(String, String, String)> {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    fields
        .iter()
        .map(|field| {
            (format!("{:?}", field.name), text(field.name_span.of(input)), text(field.value.of(input)))
        })
        .collect()
}

type Outcome<P> = Result<Option<<P as Parser>::Told>, HeadError>;

/// Parses `input` in every way and tells the outcome they agree on.
fn parse_all_ways<P: Parser>(why: &str, input: &[u8], limits: &HeadLimits) -> Outcome<P> {
    let tell = |parser: &P, parsed: Result<Option<usize>, HeadError>| {
        parsed.map(|len| len.map(|len| parser.tell(len, input)))
    };
    let mut portable = P::with_kernel(Kernel::portable());
    let parsed = portable.parse(input, limits);
    let want: Outcome<P> = tell(&portable, parsed);

    for kernel in [Kernel::portable(), Kernel::detect()] {
        let fresh = P::with_kernel(kernel);
        let mut dripped = fresh.clone();
        let mut dripped_outcome = Ok(None);
        for cut in 0..=input.len() {
            let mut parser = fresh.clone();
            let first = parser.parse(&input[..cut], limits);
            match (&first, &want) {
                (Ok(None), _) => {}
                // An error may show early, but it has to be the one.
                (Err(early), _) => assert_eq!(Err(*early), want.clone().map(|_| ()), "{why}: cut at {cut}"),
                (Ok(Some(len)), _) => assert!(*len <= cut, "{why}: longer than the input, cut at {cut}"),
            }
            if first.is_ok() {
                let second = parser.parse(input, limits);
                assert_eq!(tell(&parser, second), want, "{why}: {} cut at {cut}", kernel.name());
            }
            if dripped_outcome == Ok(None) {
                dripped_outcome = dripped.parse(&input[..cut], limits);
            }
        }
        assert_eq!(tell(&dripped, dripped_outcome), want, "{why}: {} dripped", kernel.name());
    }
    want
}

/// A request that every way of parsing accepts.
fn request(why: &str, input: &[u8]) -> Request {
    match parse_all_ways::<RequestHead>(why, input, &HeadLimits::default()) {
        Ok(Some(request)) => request,
        other => panic!("{why}: {other:?}"),
    }
}

/// The error that every way of parsing ends with, if any.
fn request_error(why: &str, input: &[u8]) -> Option<HeadError> {
    parse_all_ways::<RequestHead>(why, input, &HeadLimits::default()).err()
}
