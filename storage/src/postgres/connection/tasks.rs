//! What runs as long as a connection lives.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use corelane_runtime::buf::Lease;
use corelane_runtime::net::{RecvHalf, SendHalf};
use corelane_runtime::{spawn, time};

use super::Inner;
use crate::postgres::error::Cause;
use crate::postgres::proto::Decoder;
use crate::postgres::wire::Due;

/// Receives and tells answers until the connection ends, then tells everybody that it has.
pub(super) async fn read(inner: Rc<Inner>, receiver: RecvHalf, decoder: Decoder, unread: Option<Lease>) {
    let cause = match receive(&inner, receiver, decoder, unread).await {
        Ok(never) => match never {},
        Err(cause) => cause,
    };
    let cause = inner.with(|wire| {
        wire.shut_down();
        wire.on_lost(cause)
    });
    // Types and statements of a connection that is no more are of no use either.
    inner.cache.borrow_mut().clear();
    if !matches!(cause, Cause::Closed) {
        tracing::debug!(process_id = inner.process_id, cause = %cause, "a connection to postgresql ended");
    }
}

async fn receive(
    inner: &Inner,
    mut receiver: RecvHalf,
    mut decoder: Decoder,
    mut unread: Option<Lease>,
) -> Result<std::convert::Infallible, Cause> {
    loop {
        let lease = match unread.take() {
            Some(lease) => lease,
            None => receiver.recv().await.map_err(Cause::io)?,
        };
        if lease.is_empty() {
            return Err(Cause::Eof);
        }
        let heard = inner.with(|wire| {
            let now = time::now();
            wire.stats.bytes_in += lease.len() as u64;
            let mut input = &lease[..];
            while let Some(message) = decoder.decode(&mut input).map_err(Cause::Protocol)? {
                wire.on_message(message, now)?;
            }
            wire.on_received();
            Ok(std::mem::take(&mut wire.heard))
        })?;
        drop(lease);
        if !heard.is_empty() {
            inner.tell(heard);
        }
        poll_fn(|cx| inner.wire.borrow_mut().poll_readable(cx)).await;
    }
}

/// Sends what callers have issued, once a turn, until the connection ends.
pub(super) async fn write(inner: Rc<Inner>, mut sender: SendHalf) {
    while let Some(mut chunks) = poll_fn(|cx| inner.wire.borrow_mut().poll_output(cx)).await {
        let last = if chunks.len() == 1 { chunks.pop() } else { None };
        let sent = match last {
            Some(chunk) => sender.send(chunk).await,
            None => sender.send_vectored(chunks).await,
        };
        match sent {
            Ok(()) => inner.with(|wire| wire.on_sent()),
            Err(error) => return inner.with(|wire| wire.on_write_failed(Cause::io(error))),
        }
    }
    inner.wire.borrow().shut_down();
}

/// Looks after deadlines: one timer for all calls, armed for the earliest. As long as callers have the same patience
/// that is a look every few seconds, whatever the load.
pub(super) async fn keep_time(inner: Rc<Inner>) {
    let mut sleep = time::sleep(Duration::ZERO);
    let mut armed = None;
    poll_fn(|cx| {
        loop {
            let due = inner.with(|wire| wire.poll_timer(cx));
            let at = match due {
                Due::Over => return Poll::Ready(()),
                Due::At(None) => return Poll::Pending,
                Due::At(Some(at)) => at,
                Due::Cancel => {
                    drop(spawn(cancel(Rc::clone(&inner))));
                    continue;
                }
            };
            if armed != Some(at) {
                sleep.reset(at);
                armed = Some(at);
            }
            if Pin::new(&mut sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
            inner.with(|wire| wire.expire(time::now()));
            armed = None;
        }
    })
    .await;
}

/// Sends a request to cancel. If that fails the statement goes on, and the connection is closed when its grace is over.
async fn cancel(inner: Rc<Inner>) {
    let sent = time::timeout(inner.options.cancel_grace, inner.cancel.cancel()).await;
    if let Ok(Err(error)) = sent {
        tracing::debug!(process_id = inner.process_id, %error, "a statement cannot be cancelled");
    }
}
