//! Bodies of requests: limits, 100 (Continue), and those that nobody reads.

use corelane_http_proto::conn::{ConnLimits, Next, ResponseBody, ServerConn, Step};
use corelane_http_proto::encode::{CONTINUE, ConnectionField};
use corelane_http_proto::head::RequestHead;

use super::driver::{Event, Read, Reply, play, play_all_ways};

/// Each log entry that decides a body's fate, in short.
fn marks(log: &[Event]) -> Vec<String> {
    log.iter()
        .map(|event| match event {
            Event::Request(target) => target.clone(),
            Event::Continue => "continue".into(),
            Event::Data(data) => format!("data {}", data.len()),
            Event::Trailer(name, _) => format!("trailer {name}"),
            Event::End => "end".into(),
            Event::Refused(status) => format!("refused {status}"),
            Event::Answer(status, _, ConnectionField::Close, _) => format!("{status} close"),
            Event::Answer(status, ..) => status.to_string(),
            Event::Next(next) => format!("{next:?}"),
            Event::Flush => "flush".into(),
            Event::Eof => "eof".into(),
            Event::Wanting => "wanting".into(),
        })
        .collect()
}

#[test]
fn a_body_nobody_reads_is_drained_or_ends_the_connection() {
    let limits = ConnLimits { drain_bytes_max: 32, ..ConnLimits::default() };
    let length = |bytes: usize| {
        let body = "x".repeat(bytes);
        format!(
            "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: {bytes}\r\n\r\n{body}GET /b HTTP/1.1\r\nhost: h\r\n\r\n"
        )
    };
    let chunked = |chunks: &str| {
        format!(
            "POST /a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{chunks}GET /b HTTP/1.1\r\nhost: h\r\n\r\n"
        )
    };
    let goes_on: &[&str] = &["/a", "200", "Request", "/b", "200", "Request", "wanting"];
    let closes: &[&str] = &["/a", "200 close", "Linger"];
    let closes_late: &[&str] = &["/a", "200", "Request", "Linger"];
    for (why, input, want) in [
        ("within the budget", length(32), goes_on),
        ("known to exceed it: the answer says so", length(33), closes),
        ("chunks within the budget", chunked("5\r\nhello\r\n0\r\n\r\n"), goes_on),
        ("trailers are drained too", chunked("1\r\nx\r\n0\r\na: b\r\n\r\n"), goes_on),
        (
            "chunks that turn out too long",
            chunked(&format!("40\r\n{}\r\n0\r\n\r\n", "x".repeat(64))),
            closes_late,
        ),
        ("framing counts", chunked(&format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(5))), closes_late),
        ("broken chunks get no second answer", chunked("+5\r\nhello\r\n0\r\n\r\n"), closes_late),
        (
            "a request within a body is data",
            length(0)
                .replace(
                    "content-length: 0\r\n\r\n",
                    "content-length: 28\r\n\r\nGET /evil HTTP/1.1\r\nhost: h\r\n",
                )
                .replace("/evil", "/e"),
            goes_on,
        ),
    ] {
        let app = |_: &str| Reply { read: Read::Never, ..Reply::OK };
        let log = play_all_ways(input.as_bytes(), false, limits, app, why);
        assert_eq!(marks(&log), want, "{why}");
    }
}

#[test]
fn a_body_that_turns_out_too_long_before_the_answer_is_told_in_the_answer() {
    let mut conn = ServerConn::new(ConnLimits { drain_bytes_max: 4, ..ConnLimits::default() });
    let mut head = RequestHead::new();
    let input = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    conn.handle_input(input, &mut head).unwrap();
    conn.abandon_body();
    assert_eq!(conn.handle_input(b"5\r\nhello", &mut head), Ok(Step::AwaitResponse));
    let response = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(response.start.connection, ConnectionField::Close);
    assert_eq!(conn.finish_response(), Next::Linger);
}

#[test]
fn rfc9112_9_6_a_body_still_under_way_is_let_run_out_even_if_the_client_announced_the_end() {
    let mut conn = ServerConn::new(ConnLimits::default());
    let mut head = RequestHead::new();
    let input = b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 5\r\n\r\n";
    conn.handle_input(input, &mut head).unwrap();
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(conn.finish_response(), Next::Linger);
    assert_eq!(conn.handle_eof(), Ok(()));
    assert_eq!(conn.handle_input(b"", &mut head), Ok(Step::Over(Next::Close)), "until it ends its side");
}

#[test]
fn a_body_read_in_part_is_drained_from_there() {
    let limits = ConnLimits { drain_bytes_max: 4, ..ConnLimits::default() };
    for (left, next) in [(4, Next::Request), (5, Next::Linger)] {
        let mut conn = ServerConn::new(limits);
        let mut head = RequestHead::new();
        let input = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n";
        conn.handle_input(input, &mut head).unwrap();
        let data = vec![b'x'; 10 - left];
        assert_eq!(conn.handle_input(&data, &mut head), Ok(Step::Data { skip: 0, len: 10 - left }));
        let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
        assert_eq!(conn.finish_response(), next, "{left} bytes are left for a budget of 4");
    }
}

#[test]
fn a_body_read_to_its_last_byte_needs_no_draining() {
    let mut conn = ServerConn::new(ConnLimits { drain_bytes_max: 0, ..ConnLimits::default() });
    let mut head = RequestHead::new();
    conn.handle_input(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n", &mut head).unwrap();
    conn.handle_input(b"x", &mut head).unwrap();
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(
        conn.finish_response(),
        Next::Request,
        "though the step that tells of the end was not fetched"
    );
    let step = conn.handle_input(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", &mut head);
    assert!(matches!(step, Ok(Step::Head { .. })), "{step:?}");
}

#[test]
fn a_body_may_be_as_long_as_its_limit_and_no_longer() {
    let limits = ConnLimits { body_bytes_max: 4, ..ConnLimits::default() };
    let length = |bytes: usize| {
        let body = "x".repeat(bytes);
        format!("POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: {bytes}\r\n\r\n{body}")
    };
    let chunked = |sizes: &[usize]| {
        let chunks: String =
            sizes.iter().map(|&size| format!("{size}\r\n{}\r\n", "x".repeat(size))).collect();
        format!("POST /a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    };
    let accepted = |data: &str| ["/a", data, "end", "200", "Request", "wanting"].map(String::from).to_vec();
    let refused = |data: &[&str]| {
        let log = [&["/a"], data, &["refused 413", "413 close", "Linger"]].concat();
        log.into_iter().map(String::from).collect::<Vec<_>>()
    };
    for (why, input, body_max, want) in [
        ("at the default", length(4), None, accepted("data 4")),
        ("over the default", length(5), None, refused(&[])),
        ("a route may raise it", length(6), Some(6), accepted("data 6")),
        ("or lower it", length(2), Some(1), refused(&[])),
        ("chunks at the limit", chunked(&[1, 3]), None, accepted("data 4")),
        ("chunks of a route", chunked(&[3, 3]), Some(6), accepted("data 6")),
    ] {
        let app = |_: &str| Reply { body_max, ..Reply::OK };
        let log = play_all_ways(input.as_bytes(), false, limits, app, why);
        assert_eq!(marks(&log), want, "{why}");
    }
    // How much of the chunk that is too much arrives before the refusal depends on the cut.
    let input = chunked(&[3, 2]);
    let log = play(&[input.as_bytes()], false, limits, |_| Reply::OK).0;
    assert_eq!(marks(&log), refused(&["data 3"]));
}

#[test]
fn rfc9110_10_1_1_a_client_that_waits_is_told_to_go_on_when_the_body_is_wanted() {
    const HEAD: &[u8] = b"POST /a HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    const OLD: &[u8] = b"POST /a HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    const CHUNKED: &[u8] =
        b"POST /a HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n";
    const EMPTY: &[u8] = b"POST /a HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n";
    type Pieces<'a> = &'a [&'a [u8]];
    let answered: &[&str] = &["/a", "continue", "data 2", "end", "200", "Request", "wanting"];
    for (why, pieces, read, body_max, want) in [
        ("wanted", &[HEAD, b"ok"] as Pieces, Read::First, None, answered),
        ("chunked", &[CHUNKED, b"2\r\nok\r\n0\r\n\r\n"], Read::First, None, answered),
        (
            "the body is there already",
            &[&[HEAD, b"ok"].concat()],
            Read::First,
            None,
            &["/a", "data 2", "end", "200", "Request", "wanting"],
        ),
        (
            "an echo is told before it answers",
            &[HEAD, b"ok"],
            Read::Meanwhile,
            None,
            &["/a", "continue", "200", "data 2", "end", "Request", "wanting"],
        ),
        (
            "not wanted: the final answer comes instead, and closes",
            &[HEAD, b"ok"],
            Read::Never,
            None,
            &["/a", "200 close", "Linger"],
        ),
        (
            "too large: 413 before any of it is sent",
            &[HEAD],
            Read::First,
            Some(1),
            &["/a", "refused 413", "413 close", "Linger"],
        ),
        (
            "1.0 does not know it",
            &[OLD, b"ok"],
            Read::First,
            None,
            &["/a", "data 2", "end", "200 close", "Close"],
        ),
        ("no body, no wait", &[EMPTY], Read::First, None, &["/a", "200", "Request", "wanting"]),
    ] {
        let app = |_: &str| Reply { read, body_max, ..Reply::OK };
        let log = play(pieces, false, ConnLimits::default(), app).0;
        assert_eq!(marks(&log), want, "{why}");
    }
}

#[test]
fn the_interim_answer_is_given_once() {
    let mut conn = ServerConn::new(ConnLimits::default());
    let input = b"POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    conn.handle_input(input, &mut RequestHead::new()).unwrap();
    assert_eq!(conn.want_body(b""), Ok(Some(CONTINUE)));
    assert_eq!(conn.want_body(b""), Ok(None));
}

#[test]
fn a_final_answer_while_the_client_waits_closes() {
    let mut conn = ServerConn::new(ConnLimits::default());
    let mut head = RequestHead::new();
    let input = b"POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    conn.handle_input(input, &mut head).unwrap();
    let response = conn.respond(401, ResponseBody::Exact(0)).unwrap();
    assert_eq!(
        response.start.connection,
        ConnectionField::Close,
        "though the application has not given the body up"
    );
    assert_eq!(conn.handle_input(b"ok", &mut head), Ok(Step::AwaitResponse), "nothing of it is read");
    assert_eq!(conn.finish_response(), Next::Linger);
}

#[test]
fn an_echo_keeps_its_connection() {
    let input = b"POST /a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nhost: h\r\n\r\n";
    let app = |_: &str| Reply { read: Read::Meanwhile, body: ResponseBody::Unknown, ..Reply::OK };
    let log = play_all_ways(input, false, ConnLimits::default(), app, "echo");
    assert_eq!(marks(&log), ["/a", "200", "data 3", "end", "Request", "/b", "200", "Request", "wanting"]);
}
