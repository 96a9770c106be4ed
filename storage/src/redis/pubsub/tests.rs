use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::event::Event;
use super::state::State;
use super::topic::{Family, Topic};
use crate::redis::config::Config;
use crate::redis::error::{Cause, RedisError};
use crate::redis::proto::{ErrorReply, Reply, Value};

fn state(change: impl FnOnce(&mut Config)) -> State {
    let mut config = Config::from_url("redis://localhost").unwrap();
    change(&mut config);
    State::new(Rc::new(config), Instant::now())
}

fn topic(family: Family, name: &'static str) -> Topic {
    Topic { family, name: Bytes::from_static(name.as_bytes()) }
}

fn channels(names: &[&'static str]) -> Vec<Topic> {
    names.iter().map(|name| topic(Family::Channel, name)).collect()
}

fn push(items: &[&'static str]) -> Reply {
    Reply::Push(items.iter().map(|item| Value::from(*item)).collect())
}

fn error(message: &'static str) -> Reply {
    Reply::Value(Value::Error(ErrorReply::new(message)))
}

/// What is written, as words; empty if nothing.
fn output(state: &mut State, epoch: u64) -> String {
    match state.poll_output(epoch, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(out)) => {
            let text = String::from_utf8(out).unwrap();
            let words = text.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty());
            words.collect::<Vec<_>>().join(" ")
        }
        Poll::Ready(None) => "over".to_owned(),
        Poll::Pending => String::new(),
    }
}

fn outcome(state: &mut State, id: usize) -> Poll<Result<(), RedisError>> {
    state.poll_call(id, &mut Context::from_waker(Waker::noop()))
}

fn up(state: &mut State) -> u64 {
    state.on_up(None, Instant::now())
}

/// Events that are here, in short.
fn events(state: &mut State) -> Vec<String> {
    std::iter::from_fn(|| state.try_next())
        .map(|event| match event {
            Event::Message(message) => format!("{:?} {:?}", message.channel, message.payload),
            Event::Missed(missed) => format!("missed {} {}", missed.reconnected, missed.dropped),
            Event::Ended(ended) => format!("ended {:?} {}", ended.name, ended.error.code()),
        })
        .collect()
}

#[test]
fn a_call_ends_when_all_its_topics_are_confirmed() {
    let mut state = state(|_| {});
    let epoch = up(&mut state);
    let id = state.submit(true, &channels(&["a", "b", "a"])).unwrap();
    assert_eq!(output(&mut state, epoch), "SUBSCRIBE a b");
    state.on_reply(push(&["subscribe", "a"])).unwrap();
    assert!(outcome(&mut state, id).is_pending());
    state.on_reply(push(&["message", "a", "1"])).unwrap();
    state.on_reply(push(&["subscribe", "b"])).unwrap();
    assert!(matches!(outcome(&mut state, id), Poll::Ready(Ok(()))));
    let again = state.submit(true, &channels(&["b"])).unwrap();
    assert!(matches!(outcome(&mut state, again), Poll::Ready(Ok(()))), "it is on");
    let none = state.submit(false, &channels(&["nobody"])).unwrap();
    assert!(matches!(outcome(&mut state, none), Poll::Ready(Ok(()))), "it is off");
    assert_eq!(output(&mut state, epoch), "");
    let off = state.submit(false, &channels(&["a"])).unwrap();
    assert_eq!(output(&mut state, epoch), "UNSUBSCRIBE a");
    state.on_reply(push(&["unsubscribe", "a"])).unwrap();
    assert!(matches!(outcome(&mut state, off), Poll::Ready(Ok(()))));
    assert_eq!((state.topics(), events(&mut state)), (1, vec!["b\"a\" b\"1\"".to_owned()]));
}

#[test]
fn kinds_are_kept_apart_and_wishes_that_change_are_sent_once() {
    let mut state = state(|_| {});
    let epoch = up(&mut state);
    let mut topics = channels(&["x"]);
    topics.extend([topic(Family::Pattern, "x"), topic(Family::Shard, "x")]);
    state.submit(true, &topics).unwrap();
    assert_eq!(output(&mut state, epoch), "SUBSCRIBE x PSUBSCRIBE x SSUBSCRIBE x");
    // While that is under way the wish changes twice: nothing more is sent.
    state.submit(false, &channels(&["x"])).unwrap();
    state.submit(true, &channels(&["x"])).unwrap();
    assert_eq!(output(&mut state, epoch), "");
    state.on_reply(push(&["subscribe", "x"])).unwrap();
    state.on_reply(push(&["psubscribe", "x"])).unwrap();
    state.on_reply(push(&["ssubscribe", "x"])).unwrap();
    assert_eq!(output(&mut state, epoch), "");
    // And once: the other command follows the confirmation.
    state.submit(false, &channels(&["x"])).unwrap();
    assert_eq!(output(&mut state, epoch), "UNSUBSCRIBE x");
    state.submit(true, &channels(&["x"])).unwrap();
    assert_eq!(output(&mut state, epoch), "");
    state.on_reply(push(&["unsubscribe", "x"])).unwrap();
    assert_eq!(output(&mut state, epoch), "SUBSCRIBE x");
}

#[test]
fn a_lost_connection_is_told_once_all_is_subscribed_to_again() {
    let mut state = state(|_| {});
    let epoch = up(&mut state);
    state.submit(true, &channels(&["a", "b"])).unwrap();
    output(&mut state, epoch);
    state.on_reply(push(&["subscribe", "a"])).unwrap();
    state.on_reply(push(&["subscribe", "b"])).unwrap();
    state.on_lost(Cause::Eof);
    state.on_away(&Cause::Eof);
    assert!(state.submit(true, &channels(&["c"])).unwrap_err().is_unavailable());
    assert_eq!(output(&mut state, epoch), "over");
    let epoch = up(&mut state);
    let mut words: Vec<String> = output(&mut state, epoch).split(' ').map(str::to_owned).collect();
    words.sort();
    assert_eq!(words, ["SUBSCRIBE", "a", "b"]);
    let order = state.names_under_way();
    state.on_reply(push(&["subscribe", order[0]])).unwrap();
    // It is lost again before the other one is confirmed.
    state.on_lost(Cause::Eof);
    assert_eq!(events(&mut state), [""; 0]);
    let epoch = up(&mut state);
    output(&mut state, epoch);
    for name in state.names_under_way() {
        assert_eq!(events(&mut state), [""; 0]);
        state.on_reply(push(&["subscribe", name])).unwrap();
    }
    assert_eq!(events(&mut state), ["missed true 0"], "once");
}

#[test]
fn one_channel_that_is_refused_costs_the_others_nothing() {
    let mut state = state(|_| {});
    let epoch = up(&mut state);
    let both = state.submit(true, &channels(&["good", "bad"])).unwrap();
    let good = state.submit(true, &channels(&["good"])).unwrap();
    assert_eq!(output(&mut state, epoch), "SUBSCRIBE good bad");
    state.on_reply(error("NOPERM no permission")).unwrap();
    assert_eq!(output(&mut state, epoch), "SUBSCRIBE good SUBSCRIBE bad");
    state.on_reply(push(&["subscribe", "good"])).unwrap();
    state.on_reply(error("NOPERM no permission")).unwrap();
    assert!(matches!(outcome(&mut state, good), Poll::Ready(Ok(()))));
    let Poll::Ready(Err(refused)) = outcome(&mut state, both) else { panic!("it is over") };
    assert_eq!((refused.code(), state.topics()), ("NOPERM", 1));
    // The right to it is taken away while the server is restarted.
    state.on_lost(Cause::Eof);
    let epoch = up(&mut state);
    output(&mut state, epoch);
    state.on_reply(error("NOPERM no permission")).unwrap();
    assert_eq!(events(&mut state), ["ended b\"good\" NOPERM", "missed true 0"]);
    assert_eq!(state.topics(), 0);
}

#[test]
fn a_caller_that_goes_takes_back_what_it_alone_wanted() {
    let mut state = state(|_| {});
    let epoch = up(&mut state);
    let one = state.submit(true, &channels(&["mine", "ours"])).unwrap();
    let two = state.submit(true, &channels(&["ours"])).unwrap();
    output(&mut state, epoch);
    state.give_up(one, &channels(&["mine", "ours"]));
    state.on_reply(push(&["subscribe", "mine"])).unwrap();
    state.on_reply(push(&["subscribe", "ours"])).unwrap();
    assert_eq!(output(&mut state, epoch), "UNSUBSCRIBE mine");
    assert!(matches!(outcome(&mut state, two), Poll::Ready(Ok(()))));
    assert_eq!(state.topics(), 1);
}

#[test]
fn callers_that_come_and_go_while_nothing_is_sent_leave_nothing_behind() {
    let mut state = state(|config| config.topics_max = 10);
    for _ in 0..10_000 {
        let id = state.submit(true, &channels(&["a"])).unwrap();
        state.give_up(id, &channels(&["a"]));
    }
    assert_eq!((state.topics(), state.is_idle()), (0, true));
    let names: Vec<Topic> =
        (0..11).map(|n| Topic { family: Family::Shard, name: format!("{n}").into() }).collect();
    assert!(state.submit(true, &names).unwrap_err().is_overloaded());
    assert_eq!(state.topics(), 0, "all or nothing");
    state.submit(true, &names[1..]).unwrap();
    state.submit(true, &names[1..]).unwrap();
}

#[test]
fn a_shard_channel_that_the_server_ends_is_subscribed_to_again_and_told() {
    let mut state = state(|_| {});
    let epoch = up(&mut state);
    state.submit(true, &[topic(Family::Shard, "s")]).unwrap();
    output(&mut state, epoch);
    state.on_reply(push(&["ssubscribe", "s"])).unwrap();
    state.on_reply(push(&["sunsubscribe", "s"])).unwrap();
    assert_eq!(output(&mut state, epoch), "SSUBSCRIBE s");
    assert_eq!(events(&mut state), [""; 0]);
    state.on_reply(push(&["ssubscribe", "s"])).unwrap();
    assert_eq!(events(&mut state), ["missed true 0"]);
}

#[test]
fn what_answers_nothing_ends_the_connection() {
    for (why, reply, accepted) in [
        ("a confirmation of nothing", push(&["subscribe", "a"]), false),
        ("an end of nothing", push(&["unsubscribe", "a"]), false),
        ("the end of a shard channel may come by itself", push(&["sunsubscribe", "a"]), true),
        ("a pong to nothing", Reply::Value(Value::Status(Bytes::from_static(b"PONG"))), false),
        ("an error to nothing", error("ERR no"), false),
        ("a push that is not known is counted", push(&["invalidate", "a"]), true),
        ("a message without a payload is counted", push(&["message", "a"]), true),
        ("nothing at all is counted", Reply::Push(vec![Value::Null]), true),
    ] {
        let mut state = state(|_| {});
        up(&mut state);
        assert_eq!(state.on_reply(reply).is_ok(), accepted, "{why}");
        assert_eq!(events(&mut state), [""; 0], "{why}");
    }
    let mut state = state(|_| {});
    let epoch = up(&mut state);
    state.submit(true, &channels(&["a"])).unwrap();
    output(&mut state, epoch);
    assert!(state.on_reply(push(&["subscribe", "b"])).is_err(), "another name");
    for pong in [Value::Status(Bytes::from_static(b"PONG")), Value::Array(vec!["pong".into(), "".into()])] {
        let epoch = up(&mut state);
        assert!(state.write_ping(epoch).is_some());
        state.on_reply(push(&["message", "a", "in between"])).unwrap();
        state.on_lost(Cause::Eof);
        let epoch = up(&mut state);
        assert!(state.write_ping(epoch).is_some());
        state.on_reply(Reply::Value(pong)).unwrap();
    }
}
