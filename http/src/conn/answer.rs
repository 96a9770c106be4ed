//! From a handler's [`Response`] to bytes in the output.

use corelane_http_proto::conn::{BodyPlan, ResponseBody};

use super::{Conn, Gone};
use crate::body::{Body, Feed};
use crate::problem::Problem;
use crate::response::{IntoResponse, OnUpgrade, Response};

/// What of an answer is in the output.
pub(super) enum Answered {
    /// All of it; what follows an upgrade, if the handler gave that.
    Whole(Option<OnUpgrade>),
    /// The head; the body comes piece by piece.
    Head(Body, BodyPlan),
}

impl Conn {
    /// Writes an answer to the output, as far as it is at hand. `feed` is the connection's end of the request's body.
    pub(super) fn answer(&mut self, mut response: Response, feed: Option<&Feed>) -> Result<Answered, Gone> {
        if let Some(error) = response.body().refusal() {
            response = error.into_response();
        }
        if response.closes_connection() || self.ticket.is_draining() {
            self.machine.close_after_response();
        }
        match feed {
            // Told before the head is made, which says so if the connection cannot be kept.
            Some(feed) if feed.is_abandoned() => self.machine.abandon_body(),
            // Somebody still holds the request's body: the response's own body reads it, or a task does.
            Some(_) => {
                if let Ok(Some(interim)) = self.machine.want_body(self.input.bytes()) {
                    self.output.copy(interim)?;
                }
            }
            None => {}
        }
        let plan = match self.machine.respond(response.status().as_u16(), body_length(&response)) {
            Ok(plan) => plan,
            Err(error) => {
                // A mistake of the handler, such as 101 to a request that asked for no upgrade.
                tracing::error!(%error, status = response.status().as_u16(), "a handler's response was refused");
                response = Problem::internal().into_response();
                let plan = self.machine.respond(response.status().as_u16(), body_length(&response));
                plan.map_err(|_| Gone::Peer)?
            }
        };
        self.shared.refresh_date();
        self.output.head(&plan, response.headers(), &self.shared.date.borrow())?;
        if plan.body == BodyPlan::Skip {
            return Ok(Answered::Whole(response.take_upgrade()));
        }
        let mut body = response.into_body();
        match body.take_full() {
            Some(chunk) => {
                self.machine.body_sent(chunk.len() as u64).map_err(|_| Gone::Peer)?;
                self.output.push(chunk)?;
                Ok(Answered::Whole(None))
            }
            None => Ok(Answered::Head(body, plan.body)),
        }
    }
}

fn body_length(response: &Response) -> ResponseBody {
    match response.body().len() {
        Some(bytes) => ResponseBody::Exact(bytes),
        None => ResponseBody::Unknown,
    }
}
