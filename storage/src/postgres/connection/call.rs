//! Calls: a statement, a batch, statements of the simple protocol.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use corelane_runtime::time;
use postgres_types::ToSql;
use smallvec::smallvec;

use super::{Connection, Inner, deadline_of, prepare};
use crate::postgres::batch::Batch;
use crate::postgres::cache::Found;
use crate::postgres::client::session;
use crate::postgres::encode::{self, SYNC};
use crate::postgres::error::PgError;
use crate::postgres::rows::{BatchRows, Rows, Run, Runs};
use crate::postgres::statement::Statement;
use crate::postgres::wire::{Ask, Failure, Reply, Retry, SlotId};

/// Most that the buffer for statements keeps allocated, in bytes.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

/// The outcome of a call that was issued. Dropped before it is there, the call is given up.
struct Answer<'a> {
    inner: &'a Inner,
    slot: Option<SlotId>,
}

impl Future for Answer<'_> {
    type Output = Result<Reply, Failure>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(slot) = self.slot else { unreachable!("an answer is not polled after it was given") };
        let outcome = self.inner.wire.borrow_mut().poll_slot(slot, cx);
        if outcome.is_ready() {
            self.slot = None;
        }
        outcome
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.inner.with(|wire| wire.give_up(slot));
        }
    }
}

/// Writes a call and issues it.
#[inline]
fn issue<'a>(
    inner: &'a Inner,
    ask: Ask,
    deadline: Option<Instant>,
    encode: impl FnOnce(&mut BytesMut) -> Result<(), PgError>,
) -> Result<Answer<'a>, PgError> {
    let mut out = inner.scratch.take();
    let issued =
        encode(&mut out).and_then(|()| inner.with(|wire| wire.submit(ask, &out, time::now(), deadline)));
    if out.capacity() <= SCRATCH_BYTES_MAX {
        out.clear();
        inner.scratch.set(out);
    }
    issued.map(|slot| Answer { inner, slot: Some(slot) })
}

/// A statement that is ready to be executed.
#[inline]
async fn ready(
    connection: &Connection,
    sql: &str,
    deadline: Option<Instant>,
) -> Result<Rc<Statement>, PgError> {
    let found = connection.inner.cache.borrow_mut().find(sql);
    match found {
        Found::Ready(statement) => {
            connection.inner.wire.borrow_mut().stats.cache_hits += 1;
            Ok(statement)
        }
        _ => prepare::statement(connection, sql, deadline).await,
    }
}

/// Executes one statement.
pub(super) async fn single(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
    patience: Option<Duration>,
) -> Result<Rows, PgError> {
    let inner = &*connection.inner;
    let deadline = deadline_of(patience, time::now());
    let mut again = Again::default();
    loop {
        let statement = ready(connection, sql, deadline).await?;
        let runs: Runs = smallvec![Run { statement: Rc::clone(&statement), times: 1 }];
        let answer = issue(inner, Ask::Execute(runs), deadline, |out| {
            encode::execute(inner.options.statements, sql, &statement, params, out)?;
            out.extend_from_slice(SYNC);
            Ok(())
        })?;
        match answer.await {
            Ok(reply) => return Ok(reply.into_rows().into_single()),
            Err(failure) => again.or(inner, failure, [(sql, &statement)])?,
        }
    }
}

/// Executes a batch.
pub(super) async fn batch(
    connection: &Connection,
    batch: &Batch<'_>,
    patience: Option<Duration>,
) -> Result<BatchRows, PgError> {
    let inner = &*connection.inner;
    let deadline = deadline_of(patience, time::now());
    let mut again = Again::default();
    loop {
        let mut runs = Runs::new();
        // The text of each run.
        let mut texts: smallvec::SmallVec<[&str; 4]> = smallvec![];
        for (sql, _) in batch.iter() {
            match (texts.last(), runs.last_mut()) {
                (Some(last), Some(run)) if *last == sql => run.times += 1,
                _ => {
                    let statement = ready(connection, sql, deadline).await?;
                    runs.push(Run { statement, times: 1 });
                    texts.push(sql);
                }
            }
        }
        let statements: Runs = runs.clone();
        let answer = issue(inner, Ask::Execute(runs), deadline, |out| {
            let each =
                statements.iter().flat_map(|run| std::iter::repeat_n(&run.statement, run.times as usize));
            for ((sql, params), statement) in batch.iter().zip(each) {
                encode::execute(inner.options.statements, sql, statement, params, out)?;
            }
            out.extend_from_slice(SYNC);
            Ok(())
        })?;
        match answer.await {
            Ok(reply) => return Ok(reply.into_rows()),
            Err(failure) => {
                let known = texts.iter().copied().zip(statements.iter().map(|run| &run.statement));
                again.or(inner, failure, known)?;
            }
        }
    }
}

/// Executes statements of the simple protocol.
pub(super) async fn simple(
    connection: &Connection,
    sql: &str,
    keep: bool,
    patience: Option<Duration>,
) -> Result<Vec<Rows>, PgError> {
    let inner = &*connection.inner;
    let deadline = deadline_of(patience, time::now());
    if session::touches(sql) {
        inner.is_touched.set(true);
        if session::forgets(sql) {
            inner.cache.borrow_mut().clear();
        }
    }
    let mut again = Again::default();
    loop {
        let answer = issue(inner, Ask::Simple { keep }, deadline, |out| encode::simple(sql, out))?;
        match answer.await {
            Ok(Reply::Simple(results)) => return Ok(results),
            Ok(_) => unreachable!("a call's answer is of its kind"),
            Err(failure) => again.or(inner, failure, [])?,
        }
    }
}

/// Asks for a statement's description.
pub(super) async fn describe(
    inner: &Inner,
    name: &str,
    sql: &str,
    deadline: Option<Instant>,
) -> Result<Reply, PgError> {
    let mut again = Again::default();
    loop {
        let answer = issue(inner, Ask::Prepare, deadline, |out| encode::prepare(name, sql, out))?;
        match answer.await {
            Ok(reply) => return Ok(reply),
            Err(failure) => again.or(inner, failure, [])?,
        }
    }
}

/// Whether a call was issued a second time already, by reason.
#[derive(Default)]
struct Again {
    stale: bool,
    interrupted: bool,
}

impl Again {
    /// Nothing if the call may be issued again; what was stale is forgotten then.
    ///
    /// # Errors
    /// The call's own.
    fn or<'s>(
        &mut self,
        inner: &Inner,
        failure: Failure,
        statements: impl IntoIterator<Item = (&'s str, &'s Rc<Statement>)>,
    ) -> Result<(), PgError> {
        let Failure { error, retry, is_idle } = failure;
        let was_before = match retry {
            None => return Err(error),
            Some(Retry::Stale) => {
                // Which one it is the server does not say.
                for (sql, statement) in statements {
                    let known = inner.cache.borrow_mut().forget(sql, statement);
                    if known && error.sqlstate() != Some("26000") {
                        inner.close_statement(statement);
                    }
                }
                std::mem::replace(&mut self.stale, true)
            }
            Some(Retry::Interrupted) => std::mem::replace(&mut self.interrupted, true),
        };
        if was_before || !is_idle {
            return Err(error);
        }
        inner.wire.borrow_mut().stats.retries += 1;
        Ok(())
    }
}
