//! Two ends of a simulated link: random requests, random cuts, and answers that have to match.

use std::collections::VecDeque;

use corelane_http_proto::chunked::{self, ChunkLimits, Decoder, LAST_CHUNK, TrailerWriter, chunk_into};
use corelane_http_proto::conn::{BodyPlan, ConnLimits, Next, ResponseBody, ServerConn, Step};
use corelane_http_proto::date::DateCache;
use corelane_http_proto::encode::{CONTINUE, ConnectionField, Framing, RequestStart};
use corelane_http_proto::head::RequestHead;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    body: Vec<u8>,
    /// Sizes of the chunks, if the body is chunked; otherwise it has a length.
    chunks: Option<Vec<usize>>,
    has_trailer: bool,
    expects: bool,
    is_last: bool,
    /// The server does not read the body.
    ignored: bool,
    /// The server answers in chunks.
    streamed: bool,
}

impl Request {
    fn target(&self) -> String {
        format!(
            "/{}{}",
            if self.ignored { "ignored" } else { "echo" },
            if self.streamed { "?streamed" } else { "" }
        )
    }

    fn wire(&self) -> Vec<u8> {
        let target = self.target();
        let start = RequestStart {
            method: self.method.as_bytes(),
            target: target.as_bytes(),
            host: b"h",
            framing: match &self.chunks {
                Some(_) => Framing::Chunked,
                None if self.body.is_empty() => Framing::Omit,
                None => Framing::Length(self.body.len() as u64),
            },
            connection: if self.is_last { ConnectionField::Close } else { ConnectionField::Omit },
        };
        let mut wire = Vec::new();
        let mut fields = start.encode(&mut wire).unwrap();
        if self.expects {
            fields.field(b"expect", b"100-continue").unwrap();
        }
        fields.finish();
        let Some(sizes) = &self.chunks else {
            wire.extend_from_slice(&self.body);
            return wire;
        };
        let mut rest = &self.body[..];
        for &size in sizes.iter().chain([&usize::MAX]) {
            let (data, behind) = rest.split_at(size.min(rest.len()));
            chunk_into(&mut wire, data).unwrap();
            rest = behind;
        }
        if self.has_trailer {
            let mut trailers = TrailerWriter::new(&mut wire).unwrap();
            trailers.field(b"x-sum", b"1").unwrap();
            trailers.finish();
        } else {
            wire.extend_from_slice(LAST_CHUNK);
        }
        wire
    }

    /// Body of the answer.
    fn want(&self) -> Vec<u8> {
        match (self.method, self.ignored) {
            ("HEAD", _) => Vec::new(),
            (_, true) => b"ignored".to_vec(),
            (_, false) => [self.method.as_bytes(), b" ", &self.body].concat(),
        }
    }
}

struct Server {
    conn: ServerConn,
    head: RequestHead,
    date: DateCache,
    unread: Vec<u8>,
    sent: Vec<u8>,
    /// Method, and body so far, of the request at hand.
    method: String,
    body: Vec<u8>,
    streamed: bool,
    end: Option<Next>,
}

impl Server {
    fn receive(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
        while self.end.is_none() {
            let consumed = match self.conn.handle_input(&self.unread, &mut self.head).unwrap() {
                Step::NeedMore { consumed } => {
                    self.unread.drain(..consumed);
                    return;
                }
                Step::Head { consumed, .. } => self.start(consumed),
                Step::Data { skip, len } => {
                    self.body.extend_from_slice(&self.unread[skip..skip + len]);
                    skip + len
                }
                Step::End { consumed } => {
                    self.answer_echo();
                    consumed
                }
                Step::AwaitFlush => {
                    self.conn.flushed();
                    0
                }
                Step::Over(next) => {
                    self.end = Some(next);
                    0
                }
                Step::Trailer { consumed, .. } | Step::Discard { consumed } => consumed,
                Step::AwaitResponse => unreachable!("each request is answered at once"),
            };
            self.unread.drain(..consumed);
        }
    }

    fn start(&mut self, consumed: usize) -> usize {
        self.method = self.head.method().as_str(&self.unread).to_owned();
        self.body.clear();
        self.streamed = self.head.query().is_some();
        if self.head.path().of(&self.unread) == b"/ignored" {
            self.conn.abandon_body();
            self.answer(b"ignored");
        } else if self.conn.waiting() == corelane_http_proto::conn::Waiting::Body {
            if let Some(interim) = self.conn.want_body(&self.unread[consumed..]).unwrap() {
                self.sent.extend_from_slice(interim);
            }
        } else {
            self.answer_echo();
        }
        consumed
    }

    fn answer_echo(&mut self) {
        let body = [self.method.as_bytes(), b" ", &self.body].concat();
        self.answer(&body);
    }

    fn answer(&mut self, body: &[u8]) {
        let length =
            if self.streamed { ResponseBody::Unknown } else { ResponseBody::Exact(body.len() as u64) };
        let response = self.conn.respond(200, length).unwrap();
        response.start.encode(&mut self.sent, Some(&self.date)).unwrap().finish();
        match response.body {
            BodyPlan::Skip => {}
            BodyPlan::Plain => {
                self.sent.extend_from_slice(body);
                self.conn.body_sent(body.len() as u64).unwrap();
            }
            BodyPlan::Chunked => {
                for data in body.chunks(7) {
                    chunk_into(&mut self.sent, data).unwrap();
                }
                self.sent.extend_from_slice(LAST_CHUNK);
            }
        }
        match self.conn.finish_response() {
            Next::Request => {}
            next => self.end = Some(next),
        }
    }
}

/// Reads one answer with parsers that are not under test here, and returns its body and whether `close` was said.
fn read_answer(input: &mut &[u8], is_head: bool) -> (Vec<u8>, bool) {
    while let Some(rest) = input.strip_prefix(CONTINUE) {
        *input = rest;
    }
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut fields);
    let len = head.parse(input).unwrap().unwrap();
    *input = &input[len..];
    assert_eq!(head.code, Some(200));
    let find = |name: &str| head.headers.iter().find(|field| field.name == name).map(|field| field.value);
    assert!(find("date").is_some());
    let closes = find("connection") == Some(b"close");
    if is_head {
        return (Vec::new(), closes);
    }
    if let Some(length) = find("content-length") {
        let length: usize = std::str::from_utf8(length).unwrap().parse().unwrap();
        let (body, rest) = input.split_at(length);
        *input = rest;
        return (body.to_vec(), closes);
    }
    assert_eq!(find("transfer-encoding"), Some(&b"chunked"[..]));
    let mut decoder = Decoder::new(ChunkLimits::default());
    let mut body = Vec::new();
    loop {
        match decoder.decode(input).unwrap() {
            chunked::Step::Data { skip, len } => {
                body.extend_from_slice(&input[skip..skip + len]);
                *input = &input[skip + len..];
            }
            chunked::Step::End { consumed } => {
                *input = &input[consumed..];
                return (body, closes);
            }
            step => panic!("an answer is complete: {step:?}"),
        }
    }
}

fn request() -> impl Strategy<Value = Request> {
    (
        prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "REPORT"]),
        prop::collection::vec(any::<u8>(), 0..60),
        prop::option::of(prop::collection::vec(1_usize..20, 0..4)),
        any::<[bool; 3]>(),
        prop::sample::select(vec![true, false, false, false, false, false]),
        prop::sample::select(vec![true, false, false]),
    )
        .prop_map(|(method, body, chunks, [has_trailer, expects, streamed], is_last, ignored)| Request {
            method,
            body,
            chunks,
            has_trailer,
            // The client here does not wait, so an ignored body has to be one that is drained.
            expects: expects && !ignored,
            is_last,
            ignored,
            streamed,
        })
}

proptest! {
    /// Each request gets the answer to itself, in order, up to the first that says `close`, however the link cuts.
    #[test]
    fn every_request_gets_its_own_answer(
        requests in prop::collection::vec(request(), 1..8),
        sizes in prop::collection::vec(1_usize..200, 1..8),
    ) {
        let wire: Vec<u8> = requests.iter().flat_map(Request::wire).collect();
        let mut server = Server {
            conn: ServerConn::new(ConnLimits::default()),
            head: RequestHead::new(),
            date: DateCache::new(0),
            unread: Vec::new(),
            sent: Vec::new(),
            method: String::new(),
            body: Vec::new(),
            streamed: false,
            end: None,
        };
        let mut rest = &wire[..];
        let mut sizes = VecDeque::from(sizes);
        while !rest.is_empty() && server.end.is_none() {
            sizes.rotate_left(1);
            let (piece, behind) = rest.split_at(sizes[0].min(rest.len()));
            server.receive(piece);
            rest = behind;
        }

        let mut answers = &server.sent[..];
        let mut closed = false;
        for request in &requests {
            if closed {
                break;
            }
            let (body, closes) = read_answer(&mut answers, request.method == "HEAD");
            prop_assert_eq!(body, request.want());
            prop_assert_eq!(closes, request.is_last);
            closed = closes;
        }
        prop_assert!(answers.is_empty(), "no more answers than requests");
        prop_assert_eq!(server.end.is_some(), closed);
    }
}
