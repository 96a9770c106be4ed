//! Requests on shared connections, by others than a [`Call`](super::Call).

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use super::error::RedisError;
use super::mux::{Request, SlotId};
use super::node::Node;
use super::proto::Value;

pub(super) type Outcome = Result<Value, RedisError>;

/// Sends all of them in this turn and waits for every outcome, in the same order.
///
/// # Cancellation
/// May be dropped at any time: what was sent may be executed, and its replies are thrown away.
pub(super) async fn all(requests: Vec<(Node, Request)>, deadline: Instant) -> Vec<Outcome> {
    let mut flights: Vec<Flight> =
        requests.into_iter().map(|(node, request)| Flight { node, request, state: State::Ready }).collect();
    poll_fn(|cx| {
        let mut is_done = true;
        for flight in &mut flights {
            is_done &= flight.poll(deadline, cx);
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    flights.into_iter().map(Flight::into_outcome).collect()
}

/// As [`all`], for one.
pub(super) async fn one(node: Node, request: Request, deadline: Instant) -> Outcome {
    let mut flight = Flight { node, request, state: State::Ready };
    poll_fn(|cx| if flight.poll(deadline, cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    flight.into_outcome()
}

struct Flight {
    node: Node,
    request: Request,
    state: State,
}

enum State {
    Ready,
    Sent(SlotId),
    Done(Outcome),
    Taken,
}

impl Flight {
    /// True once there is an outcome.
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        let outcome = match self.state {
            State::Done(_) | State::Taken => return true,
            State::Ready => match self.node.submit(&self.request, deadline, cx) {
                Ok(slot) => {
                    self.state = State::Sent(slot);
                    return false;
                }
                Err(error) => Err(error),
            },
            State::Sent(slot) => match self.node.poll_slot(slot, cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => return false,
            },
        };
        self.state = State::Done(outcome);
        true
    }

    fn into_outcome(mut self) -> Outcome {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Done(outcome) => outcome,
            _ => unreachable!("taken when all are done"),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let State::Sent(slot) = self.state {
            self.node.give_up(slot);
        }
    }
}
