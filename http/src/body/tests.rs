use std::pin::pin;
use std::task::Waker;

use super::*;

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Reads a whole body that is fed `pieces`, one for each demand. Gives the result and how many were fed.
fn fed(declared: Option<u64>, limit: u64, pieces: &[&'static str]) -> (Result<Vec<u8>, BodyError>, usize) {
    let (feed, mut body) = Body::pulled(declared);
    body.limit_to(limit);
    let mut whole = pin!(body.collect());
    let mut given = 0;
    loop {
        if let Poll::Ready(result) = whole.as_mut().poll(&mut cx()) {
            return (result.map(|chunk| chunk.to_vec()), given);
        }
        assert!(feed.is_wanted(), "the reader waits without asking");
        match pieces.get(given) {
            Some(piece) => {
                feed.give(Chunk::from(*piece));
                given += 1;
            }
            None => feed.end(),
        }
    }
}

#[test]
fn the_limit_is_the_last_length_that_is_taken() {
    for (why, declared, limit, pieces, want, given) in [
        ("empty", None, 4, &[][..], Some(""), 0),
        ("one piece", Some(4), 4, &["abcd"], Some("abcd"), 1),
        ("pieces", Some(4), 4, &["ab", "c", "d"], Some("abcd"), 3),
        ("pieces, length not known", None, 4, &["ab", "cd"], Some("abcd"), 2),
        ("empty pieces do not end it", None, 4, &["ab", "", "c"], Some("abc"), 3),
        ("declared too long: nothing is asked for", Some(5), 4, &["abcde"], None, 0),
        ("too long at once", None, 4, &["abcde"], None, 1),
        ("too long after some, and no more is asked for", None, 4, &["ab", "cde", "f"], None, 2),
        ("nothing is allowed", None, 0, &["a"], None, 1),
        ("nothing is allowed and nothing sent", Some(0), 0, &[], Some(""), 0),
    ] {
        let (result, fed) = fed(declared, limit, pieces);
        assert_eq!(fed, given, "{why}");
        match (result, want) {
            (Ok(whole), Some(want)) => assert_eq!(whole, want.as_bytes(), "{why}"),
            (Err(error), None) => assert!(error.is_too_large() && error.limit() == Some(limit), "{why}"),
            (result, _) => panic!("{why}: {result:?}"),
        }
    }
}

#[test]
fn what_is_known_of_the_length_shrinks_with_each_chunk() {
    let (feed, mut body) = Body::pulled(Some(5));
    assert_eq!(body.len(), Some(5));
    assert!(body.poll_chunk(&mut cx()).is_pending());
    feed.give(Chunk::from(b"abc"));
    assert!(body.poll_chunk(&mut cx()).is_ready());
    assert_eq!(body.len(), Some(2));
    assert_eq!(Body::pulled(None).1.len(), None);
}

#[test]
fn an_error_of_the_connection_reaches_the_reader_once() {
    let (feed, mut body) = Body::pulled(None);
    assert!(body.poll_chunk(&mut cx()).is_pending());
    feed.fail(BodyError::malformed());
    match body.poll_chunk(&mut cx()) {
        Poll::Ready(Some(Err(error))) => {
            assert_eq!((error.status().as_u16(), error.is_peer_fault()), (400, true))
        }
        other => panic!("no error: {other:?}"),
    }
    assert!(matches!(body.poll_chunk(&mut cx()), Poll::Ready(None)));
}

#[test]
fn a_dropped_read_takes_nothing() {
    let (feed, mut body) = Body::pulled(None);
    assert!(pin!(body.chunk()).poll(&mut cx()).is_pending());
    feed.give(Chunk::from(b"kept"));
    match pin!(body.chunk()).poll(&mut cx()) {
        Poll::Ready(Some(Ok(chunk))) => assert_eq!(&chunk[..], b"kept"),
        other => panic!("lost: {other:?}"),
    };
}

#[test]
fn what_is_left_of_a_taken_body_says_so() {
    let mut body = Body::taken();
    assert!(matches!(body.poll_chunk(&mut cx()), Poll::Ready(Some(Err(error))) if error.is_taken()));
}

#[test]
fn a_body_at_hand_is_given_without_a_copy() {
    let text: &'static [u8] = b"static";
    let mut body = Body::from(text);
    let Some(Chunk::Static(given)) = body.take_full() else { panic!("not at hand") };
    assert!(std::ptr::eq(given, text));
    assert!(body.is_empty());
    assert!(Body::empty().take_full().is_none());
    let mut stream = Body::stream(Body::from(text));
    assert!(stream.take_full().is_none() && stream.len().is_none());
}
