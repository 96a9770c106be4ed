//! A caller of the connection machine that keeps a log of all it is told.

use std::collections::VecDeque;

use corelane_http_proto::conn::{
    BodyPlan, ConnError, ConnLimits, Next, ResponseBody, ServerConn, Step, Waiting,
};
use corelane_http_proto::encode::{ConnectionField, Framing};
use corelane_http_proto::head::RequestHead;

/// What the application does with a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) read: Read,
    pub(super) status: u16,
    pub(super) body: ResponseBody,
    pub(super) body_max: Option<u64>,
}

impl Reply {
    /// Reads all of the body, then says `ok`.
    pub(super) const OK: Self =
        Self { read: Read::First, status: 200, body: ResponseBody::Exact(2), body_max: None };
}

/// When the application reads the body of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Never,
    /// Before it answers.
    First,
    /// While it answers, as an echo does.
    Meanwhile,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Request(String),
    Continue,
    Data(Vec<u8>),
    Trailer(String, String),
    End,
    /// Status of an error of the input.
    Refused(u16),
    Answer(u16, Framing, ConnectionField, BodyPlan),
    Next(Next),
    Flush,
    /// The peer has ended its side, and there is nothing to answer.
    Eof,
    /// The input is used up.
    Wanting,
}

/// Plays `pieces` to a connection, and the end of the input behind them if `ends`.
pub(super) fn play(
    pieces: &[&[u8]],
    ends: bool,
    limits: ConnLimits,
    app: impl Fn(&str) -> Reply,
) -> (Vec<Event>, Vec<u8>) {
    let mut player = Player {
        conn: ServerConn::new(limits),
        unread: Vec::new(),
        log: Vec::new(),
        reply: Reply::OK,
        is_over: false,
    };
    let mut head = RequestHead::new();
    let mut pieces = VecDeque::from_iter(pieces);
    while !player.is_over {
        let step = player.conn.handle_input(&player.unread, &mut head);
        let Ok(Step::NeedMore { consumed }) = step else {
            player.act(step, &head, &app);
            continue;
        };
        player.unread.drain(..consumed);
        if let Some(piece) = pieces.pop_front() {
            player.unread.extend_from_slice(piece);
        } else if ends {
            match player.conn.handle_eof() {
                Ok(()) => player.log.push(Event::Eof),
                Err(error) => player.refuse(error.status()),
            }
            break;
        } else {
            player.log.push(Event::Wanting);
            break;
        }
    }
    (player.log, player.unread)
}

struct Player {
    conn: ServerConn,
    unread: Vec<u8>,
    log: Vec<Event>,
    reply: Reply,
    is_over: bool,
}

impl Player {
    fn act(&mut self, step: Result<Step, ConnError>, head: &RequestHead, app: &impl Fn(&str) -> Reply) {
        let consumed = match step {
            Ok(Step::Head { consumed, body: _ }) => {
                let target = String::from_utf8(head.target().of(&self.unread).to_vec()).unwrap();
                self.reply = app(&target);
                self.log.push(Event::Request(target));
                self.unread.drain(..consumed);
                self.start();
                return;
            }
            Ok(Step::Data { skip, len }) => {
                let data = &self.unread[skip..skip + len];
                assert!(!data.is_empty());
                match self.log.last_mut() {
                    Some(Event::Data(so_far)) => so_far.extend_from_slice(data),
                    _ => self.log.push(Event::Data(data.to_vec())),
                }
                skip + len
            }
            Ok(Step::Trailer { consumed, name, value }) => {
                let text =
                    |range: core::ops::Range<usize>| String::from_utf8(self.unread[range].to_vec()).unwrap();
                self.log.push(Event::Trailer(text(name), text(value)));
                consumed
            }
            Ok(Step::End { consumed }) => {
                self.unread.drain(..consumed);
                self.log.push(Event::End);
                match self.reply.read {
                    Read::Meanwhile => self.finish(),
                    _ => self.answer(),
                }
                return;
            }
            Ok(Step::Discard { consumed }) => {
                assert!(consumed > 0, "a step without progress would be repeated for ever");
                consumed
            }
            Ok(Step::AwaitFlush) => {
                self.log.push(Event::Flush);
                self.conn.flushed();
                0
            }
            Ok(Step::Over(next)) => {
                self.log.push(Event::Next(next));
                self.is_over = true;
                0
            }
            Err(error) => return self.refuse(error.status()),
            Ok(step @ (Step::AwaitResponse | Step::NeedMore { .. })) => {
                unreachable!("answered at once: {step:?}")
            }
        };
        self.unread.drain(..consumed);
    }

    /// A request has come.
    fn start(&mut self) {
        if let Some(max) = self.reply.body_max
            && let Err(error) = self.conn.limit_body(max)
        {
            return self.refuse(error.status());
        }
        let has_body = self.conn.waiting() == Waiting::Body;
        if !has_body || self.reply.read == Read::Never {
            self.conn.abandon_body();
            return self.answer();
        }
        match self.conn.want_body(&self.unread) {
            Ok(Some(_)) => self.log.push(Event::Continue),
            Ok(None) => {}
            Err(error) => return self.refuse(error.status()),
        }
        if self.reply.read == Read::Meanwhile {
            self.begin(self.reply.status, self.reply.body);
        }
    }

    fn begin(&mut self, status: u16, body: ResponseBody) {
        let response = self.conn.respond(status, body).unwrap();
        let start = response.start;
        self.log.push(Event::Answer(start.status, start.framing, start.connection, response.body));
        if let (BodyPlan::Plain, ResponseBody::Exact(bytes)) = (response.body, body) {
            self.conn.body_sent(bytes).unwrap();
        }
    }

    fn finish(&mut self) {
        let next = self.conn.finish_response();
        self.log.push(Event::Next(next));
        self.is_over = next != Next::Request;
    }

    fn answer(&mut self) {
        self.begin(self.reply.status, self.reply.body);
        self.finish();
    }

    fn refuse(&mut self, status: u16) {
        self.log.push(Event::Refused(status));
        if self.conn.can_respond() {
            self.begin(status, ResponseBody::Exact(0));
        }
        self.finish();
        assert!(self.is_over, "a connection does not survive an error of its input");
    }
}

/// Plays `input` at once, cut in two anywhere, and byte by byte. The logs have to be equal.
#[track_caller]
pub(super) fn play_all_ways(
    input: &[u8],
    ends: bool,
    limits: ConnLimits,
    app: impl Fn(&str) -> Reply,
    why: &str,
) -> Vec<Event> {
    let (whole, _) = play(&[input], ends, limits, &app);
    for cut in 0..=input.len() {
        let (front, back) = input.split_at(cut);
        assert_eq!(play(&[front, back], ends, limits, &app).0, whole, "{why}: cut at {cut}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(play(&bytes, ends, limits, &app).0, whole, "{why}: byte by byte");
    whole
}
