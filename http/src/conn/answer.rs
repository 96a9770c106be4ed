//! From a handler's [`Response`] to bytes in the output.

use corelane_http_proto::conn::{self, BodyPlan, RespondError, ResponseBody};

use super::output::Output;
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
    /// Writes an answer of the usual kind to the output, with its body, and ends the request. False, and nothing is done,
    /// if it is none: then [`Conn::answer`] takes it.
    ///
    /// The date in either is the one that [`Shared::refresh_date`](super::Shared::refresh_date) has looked up last.
    #[inline]
    pub(super) fn answer_at_once(&mut self, response: &Response) -> Result<bool, Gone> {
        let Some(body) = response.body().full().filter(|body| Output::is_short(body)) else {
            return Ok(false);
        };
        if response.closes_connection() || self.ticket.is_draining() {
            return Ok(false);
        }
        let status = response.status().as_u16();
        let Some(start) = self.machine.respond_whole(status, body.len() as u64) else { return Ok(false) };
        self.disarm();
        self.output.head(&start, response.headers(), &self.shared.date.borrow(), body)?;
        Ok(true)
    }

    /// Writes an answer to the output, as far as it is at hand. `feed` is the connection's end of the request's body.
    #[inline(never)]
    pub(super) fn answer(&mut self, mut response: Response, feed: Option<&Feed>) -> Result<Answered, Gone> {
        if let Some(error) = response.body().refusal() {
            response = error.into_response();
        }
        if response.closes_connection() || self.ticket.is_draining() {
            self.machine.close_after_response();
        }
        if let Some(feed) = feed {
            self.settle(feed)?;
        }
        let plan = match self.machine.respond(response.status().as_u16(), body_length(&response)) {
            Ok(plan) => plan,
            Err(error) => {
                let plan;
                (response, plan) = self.instead(&response, error)?;
                plan
            }
        };
        self.output.head(&plan.start, response.headers(), &self.shared.date.borrow(), b"")?;
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

    /// What becomes of a request's body that has not been read to its end, before the answer's head is made.
    fn settle(&mut self, feed: &Feed) -> Result<(), Gone> {
        if feed.is_abandoned() {
            // Told now, so that the head says so if the connection cannot be kept.
            self.machine.abandon_body();
        } else if let Ok(Some(interim)) = self.machine.want_body(self.input.bytes()) {
            // Somebody still holds the body: the response's own body reads it, or a task does.
            self.output.copy(interim)?;
        }
        Ok(())
    }

    /// The answer in the place of one that the machine refuses: a mistake of the handler, such as 101 to a request that
    /// asked for no upgrade.
    #[cold]
    fn instead(
        &mut self,
        refused: &Response,
        error: RespondError,
    ) -> Result<(Response, conn::Response), Gone> {
        tracing::error!(%error, status = refused.status().as_u16(), "a handler's response was refused");
        let response = Problem::internal().into_response();
        let plan = self.machine.respond(response.status().as_u16(), body_length(&response));
        Ok((response, plan.map_err(|_| Gone::Peer)?))
    }
}

#[inline]
fn body_length(response: &Response) -> ResponseBody {
    match response.body().len() {
        Some(bytes) => ResponseBody::Exact(bytes),
        None => ResponseBody::Unknown,
    }
}
