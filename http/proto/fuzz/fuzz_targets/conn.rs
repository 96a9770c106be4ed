//! A peer that sends any bytes and an application that does anything at any time: the machine
//! neither panics, nor stands still, nor answers twice, nor goes on after it is over.

#![no_main]

use corelane_http_proto::conn::{BodyPlan, ConnLimits, Next, ResponseBody, ServerConn, Step};
use corelane_http_proto::encode::{CONTINUE, Framing};
use corelane_http_proto::head::RequestHead;
use libfuzzer_sys::fuzz_target;

struct Run<'a> {
    conn: ServerConn,
    head: RequestHead,
    input: &'a [u8],
    start: usize,
    received: usize,
    /// A request was read, and its answer is not finished.
    at_hand: bool,
    over: Option<Next>,
    failed: bool,
}

impl Run<'_> {
    /// Reads until the machine wants something other than to be called again.
    fn read(&mut self) {
        loop {
            let unread = &self.input[self.start..self.received];
            let step = self.conn.handle_input(unread, &mut self.head);
            if let Some(next) = self.over {
                assert_eq!(step, Ok(Step::Over(next)), "over is over");
            }
            let consumed = match step {
                Ok(Step::NeedMore { consumed }) => {
                    self.start += consumed;
                    assert!(self.start <= self.received);
                    return;
                }
                Ok(Step::Head { consumed, .. }) => {
                    assert!(!self.failed);
                    assert!(!self.at_hand, "one at a time");
                    assert!(self.conn.can_respond());
                    self.at_hand = true;
                    consumed
                }
                Ok(Step::Data { skip, len }) => {
                    assert_ne!(len, 0);
                    skip + len
                }
                Ok(Step::Trailer { consumed, name, value }) => {
                    let _ = (&unread[name], &unread[value]);
                    consumed
                }
                Ok(Step::End { consumed }) => {
                    self.start += consumed;
                    continue;
                }
                Ok(Step::Discard { consumed }) => consumed,
                Ok(Step::AwaitFlush) => {
                    self.conn.flushed();
                    continue;
                }
                Ok(Step::AwaitResponse) => return,
                Ok(Step::Over(next)) => {
                    assert_ne!(next, Next::Request);
                    self.over = Some(next);
                    return;
                }
                Err(error) => {
                    assert!((400..=599).contains(&error.status()));
                    self.failed = true;
                    return;
                }
            };
            assert!(0 < consumed && consumed <= unread.len(), "each event makes progress");
            self.start += consumed;
        }
    }

    fn respond(&mut self, status: u16, body: ResponseBody) {
        let could = self.conn.can_respond();
        let Ok(response) = self.conn.respond(status, body) else {
            assert_eq!(self.conn.can_respond(), could, "an answer refused changes nothing");
            return;
        };
        assert!(could && !self.conn.can_respond());
        if matches!(status, 101 | 204 | 304) {
            assert_eq!((response.start.framing, response.body), (Framing::Omit, BodyPlan::Skip));
        }
        let mut out = Vec::new();
        let fields = response.start.encode(&mut out, None).expect("the status was checked");
        fields.finish();
    }

    /// The short cut: where it is taken, the answer is over.
    fn respond_whole(&mut self) {
        let could = self.conn.can_respond();
        let is_taken = self.conn.respond_whole(200, 3).is_some();
        assert_eq!(self.conn.can_respond(), could && !is_taken, "an answer not taken changes nothing");
        if is_taken {
            assert!(could && self.at_hand && !self.failed && self.over.is_none());
            self.at_hand = false;
        }
    }

    fn finish(&mut self, is_abort: bool) {
        let next = if is_abort { self.conn.abort_response() } else { self.conn.finish_response() };
        if self.failed {
            assert_ne!(next, Next::Request, "an error ends the connection");
        }
        if let Some(over) = self.over {
            assert_eq!(next, over);
        }
        if next != Next::Request {
            self.over = Some(next);
        }
        assert!(!self.conn.can_respond());
        self.at_hand = false;
    }
}

// The first byte says how many of the rest are actions; what is behind them is what the peer sends.
fuzz_target!(|bytes: &[u8]| {
    let Some((&count, rest)) = bytes.split_first() else {
        return;
    };
    let (actions, input) = rest.split_at(rest.len().min(usize::from(count)));
    let limits =
        ConnLimits { body_bytes_max: 64, drain_bytes_max: 16, pipeline_max: 2, ..ConnLimits::default() };
    let mut run = Run {
        conn: ServerConn::new(limits),
        head: RequestHead::new(),
        input,
        start: 0,
        received: 0,
        at_hand: false,
        over: None,
        failed: false,
    };
    for &action in actions {
        let argument = usize::from(action >> 4);
        match action & 15 {
            0 | 1 => run.received = input.len().min(run.received + 1 + argument * argument * 4),
            2 | 3 => run.read(),
            4 => run.respond([200, 404, 204, 304, 205, 101, 100, 600][argument & 7], ResponseBody::Exact(3)),
            5 => run.respond(200, ResponseBody::Unknown),
            6 if argument < 8 => run.respond(200, ResponseBody::Exact(0)),
            6 => run.respond_whole(),
            7 => drop(run.conn.body_sent(argument as u64)),
            8 | 9 => run.finish(false),
            10 => run.conn.abandon_body(),
            11 => match run.conn.want_body(&input[run.start..run.received]) {
                Ok(interim) => assert!(interim.is_none_or(|interim| interim == CONTINUE)),
                Err(_) => run.failed = true,
            },
            12 => run.failed |= run.conn.limit_body(argument as u64 * 8).is_err(),
            13 if argument < 8 => run.conn.close_after_response(),
            13 => run.conn.refuse(),
            14 if run.received == input.len() => {
                run.failed |= run.conn.handle_eof().is_err();
                if run.over == Some(Next::Linger) {
                    run.over = Some(Next::Close);
                }
            }
            14 => run.failed |= run.conn.handle_timeout().is_err(),
            _ => run.finish(argument > 8),
        }
        let _ = run.conn.waiting();
    }
});
