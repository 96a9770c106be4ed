//! The state machine alone: random callers, a server that answers in order, time moved by hand.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::redis::config::{Config, Topology};
use crate::redis::proto::{Decoder, Reply};

/// splitmix64: the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn mux(now: Instant, change: impl FnOnce(&mut Config)) -> Mux {
    let mut config = Config::new(Vec::new(), Topology::Single);
    change(&mut config);
    Mux::new(Rc::new(config), now)
}

fn ask(mark: i64) -> Request {
    Request::One(Command::new("ECHO").arg(mark))
}

/// What a server that echoes has been sent and has not answered.
#[derive(Default)]
struct Server {
    decoder: Decoder,
    marks: VecDeque<i64>,
}

impl Server {
    fn receive(&mut self, mux: &mut Mux, epoch: u64, cx: &mut Context<'_>, now: Instant) {
        if let Poll::Ready(Some(chunks)) = mux.poll_output(epoch, cx) {
            for chunk in &chunks {
                let mut input = &chunk[..];
                // A command is an array of strings, which the decoder of replies reads as well.
                while let Some(Reply::Value(value)) = self.decoder.decode(&mut input).unwrap() {
                    let (_, mark): (String, i64) = crate::redis::FromReply::from_reply(value).unwrap();
                    self.marks.push_back(mark);
                }
            }
            mux.on_sent(epoch, now);
        }
    }
}

#[test]
fn no_order_of_events_shifts_an_answer() {
    let mut cx = Context::from_waker(Waker::noop());
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut now = Instant::now();
        let mut mux = mux(now, |config| {
            config.in_flight_max = 5;
            config.waiting_max = 20;
        });
        let mut server = Server::default();
        let mut epoch = mux.on_up(None, now);
        let mut callers: HashMap<SlotId, i64> = HashMap::new();
        let mut next_mark = 0;
        let mut outcomes = [0; 4];
        for _ in 0..400 {
            match random.below(10) {
                0..3 => {
                    next_mark += 1;
                    let deadline = now + Duration::from_millis(1 + random.below(40));
                    match mux.submit(&ask(next_mark), now, deadline, &mut cx) {
                        Ok(slot) => assert!(
                            callers.insert(slot, next_mark).is_none(),
                            "seed {seed}: a slot given twice"
                        ),
                        Err(error) => assert!(error.is_unavailable(), "seed {seed}: {error:?}"),
                    }
                }
                3 | 4 => server.receive(&mut mux, epoch, &mut cx, now),
                5 | 6 => {
                    for _ in 0..random.below(4) {
                        let Some(mark) = server.marks.pop_front() else { break };
                        mux.on_reply(Value::Int(mark), now).unwrap();
                    }
                    mux.on_received(now);
                }
                7 => {
                    now += Duration::from_millis(random.below(20));
                    mux.expire(now);
                }
                8 => {
                    let gone: Vec<SlotId> =
                        callers.keys().copied().filter(|_| random.below(4) == 0).collect();
                    for slot in gone {
                        callers.remove(&slot);
                        mux.give_up(slot);
                    }
                }
                _ if random.below(6) == 0 => {
                    let cause = mux.on_lost(Cause::Eof);
                    if random.below(2) == 0 {
                        mux.on_away(&cause);
                    }
                    server = Server::default();
                    epoch = mux.on_up(None, now);
                }
                _ => {}
            }
            callers.retain(|&slot, &mut mark| match mux.poll_slot(slot, &mut cx) {
                Poll::Pending => true,
                Poll::Ready(outcome) => {
                    let kind = match outcome {
                        Ok(value) => {
                            assert_eq!(value, Value::Int(mark), "seed {seed}: somebody else's answer");
                            0
                        }
                        Err(error) if error.is_deadline() => 1,
                        Err(error) if error.is_connection_lost() => 2,
                        Err(error) => {
                            assert!(error.is_unavailable(), "seed {seed}: {error:?}");
                            3
                        }
                    };
                    outcomes[kind] += 1;
                    false
                }
            });
            let depth = mux.depth();
            assert!(depth.in_flight <= 5 && depth.waiting <= 20, "seed {seed}: {depth:?}");
            mux.wakes.clear();
        }
        // All that is left is answered or told; then nothing may be kept.
        for slot in callers.into_keys() {
            mux.give_up(slot);
        }
        mux.on_lost(Cause::Eof);
        mux.on_away(&Cause::Eof);
        assert_eq!(mux.slots.len(), 0, "seed {seed}: slots leak");
        assert!(outcomes[0] > 0, "seed {seed}: nothing was answered");
    }
}

#[test]
fn only_what_the_writer_took_may_have_been_executed() {
    let mut cx = Context::from_waker(Waker::noop());
    let now = Instant::now();
    let mut mux = mux(now, |_| {});
    let epoch = mux.on_up(None, now);
    let later = now + Duration::from_secs(1);
    let sent = mux.submit(&ask(1), now, later, &mut cx).unwrap();
    assert!(matches!(mux.poll_output(epoch, &mut cx), Poll::Ready(Some(_))));
    let unsent = mux.submit(&ask(2), now, later, &mut cx).unwrap();
    mux.on_lost(Cause::io(io::ErrorKind::ConnectionReset.into()));
    for (slot, executed) in [(sent, true), (unsent, false)] {
        let Poll::Ready(Err(error)) = mux.poll_slot(slot, &mut cx) else { panic!("told at once") };
        assert_eq!(error.is_maybe_executed(), executed);
    }
}

#[test]
fn an_answer_before_the_question_was_sent_is_refused() {
    let mut cx = Context::from_waker(Waker::noop());
    let now = Instant::now();
    let mut mux = mux(now, |_| {});
    mux.on_up(None, now);
    assert!(matches!(mux.on_reply(Value::Null, now), Err(Cause::Unasked)));
    mux.submit(&ask(1), now, now, &mut cx).unwrap();
    assert!(matches!(mux.on_reply(Value::Null, now), Err(Cause::Unasked)), "it is still here");
}

#[test]
fn a_silent_server_is_given_up_only_while_it_owes_something() {
    let mut cx = Context::from_waker(Waker::noop());
    let now = Instant::now();
    let silence = Duration::from_secs(10);
    let mut mux = mux(now, |config| config.silence_max = silence);
    mux.on_up(None, now);
    mux.expire(now + silence * 10);
    assert!(matches!(mux.on_lost(Cause::Eof), Cause::Eof), "it owed nothing");
    let epoch = mux.on_up(None, now);
    mux.submit(&ask(1), now, now + silence * 3, &mut cx).unwrap();
    assert!(matches!(mux.poll_output(epoch, &mut cx), Poll::Ready(Some(_))));
    assert_eq!(
        mux.expire(now + silence / 2),
        Some(now + silence),
        "looks again when the silence is too long"
    );
    mux.expire(now + silence);
    assert!(matches!(mux.on_lost(Cause::Eof), Cause::Silent(_)));
}

#[test]
fn those_who_left_the_queue_do_not_fill_it() {
    let mut cx = Context::from_waker(Waker::noop());
    let now = Instant::now();
    let mut mux = mux(now, |config| config.waiting_max = 100);
    for mark in 0..100_000 {
        let slot = mux.submit(&ask(mark), now, now, &mut cx).unwrap();
        mux.give_up(slot);
        assert!(mux.queue.len() < 300, "{} entries for nobody", mux.queue.len());
    }
    assert_eq!(mux.depth().waiting, 0);
}
