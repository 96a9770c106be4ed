//! Statements become known: once per connection, however many ask for the same at once.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use corelane_runtime::{spawn, time};
use postgres_types::Type;

use super::{Connection, call};
use crate::postgres::cache::{Coming, Found};
use crate::postgres::client::session;
use crate::postgres::error::{Kind, PgError};
use crate::postgres::options::StatementMode;
use crate::postgres::statement::{Column, Statement};
use crate::postgres::types;
use crate::postgres::wire::Reply;

/// Types of their own that a connection remembers.
const TYPES_MAX: usize = 1024;

/// Finds a statement, or prepares it.
pub(super) async fn statement(
    connection: &Connection,
    sql: &str,
    deadline: Option<Instant>,
) -> Result<Rc<Statement>, PgError> {
    let began = time::now();
    let found = connection.inner.cache.borrow_mut().find(sql);
    let coming = match found {
        Found::Ready(statement) => return Ok(statement),
        Found::Coming(coming) => coming,
        Found::Nothing => {
            let coming = connection.inner.cache.borrow_mut().expect(sql);
            // A task of its own: whoever asked first may go away while others wait for it.
            drop(spawn(prepare(connection.clone(), sql.into(), Rc::clone(&coming), deadline)));
            coming
        }
    };
    let arrived = poll_fn(|cx| match &*coming.outcome.borrow() {
        Some(outcome) => Poll::Ready(outcome.clone()),
        None => {
            let mut wakers = coming.wakers.borrow_mut();
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
            Poll::Pending
        }
    });
    let Some(deadline) = deadline else { return arrived.await };
    let after = deadline.saturating_duration_since(began);
    match time::timeout(deadline.saturating_duration_since(time::now()), arrived).await {
        Ok(outcome) => outcome,
        // Whatever was sent was no more than its preparation.
        Err(_) => Err(PgError::new(Kind::Deadline { after, sent: false })),
    }
}

async fn prepare(connection: Connection, sql: Rc<str>, coming: Rc<Coming>, deadline: Option<Instant>) {
    let outcome = describe(&connection, &sql, deadline).await.map(Rc::new);
    let evicted = connection.inner.cache.borrow_mut().arrive(&sql, &coming, &outcome);
    *coming.outcome.borrow_mut() = Some(outcome);
    if let Some(evicted) = evicted {
        connection.inner.wire.borrow_mut().stats.cache_evictions += 1;
        connection.inner.close_statement(&evicted);
    }
    let wakers = std::mem::take(&mut *coming.wakers.borrow_mut());
    for waker in wakers {
        waker.wake();
    }
}

async fn describe(
    connection: &Connection,
    sql: &str,
    deadline: Option<Instant>,
) -> Result<Statement, PgError> {
    let inner = &connection.inner;
    let name = match inner.options.statements {
        StatementMode::Named => inner.cache.borrow_mut().next_name(),
        StatementMode::Unnamed => Box::default(),
    };
    inner.wire.borrow_mut().stats.prepares += 1;
    if !inner.may_touch.get() && session::touches(sql) {
        inner.may_touch.set(true);
    }
    let Reply::Prepared { params: oids, mut columns } = call::describe(inner, &name, sql, deadline).await?
    else {
        unreachable!("a call's answer is of its kind")
    };
    let mut params = Vec::with_capacity(oids.len());
    for oid in oids {
        params.push(type_of(connection, oid).await?);
    }
    for column in &mut columns {
        column.type_ = type_of(connection, column.type_.oid()).await?;
    }
    let columns: Rc<[Column]> = columns.into();
    Ok(Statement { name, params: params.into(), columns })
}

/// A type by its number: built in, known from before, or looked up in the server's catalogue.
async fn type_of(connection: &Connection, oid: u32) -> Result<Type, PgError> {
    if let Some(built_in) = Type::from_oid(oid) {
        return Ok(built_in);
    }
    let known = connection.inner.types.borrow().iter().find(|known| known.oid() == oid).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    // It asks by statements of built-in types, so that it does not come back here.
    let found = types::resolve(connection, oid).await?;
    let mut types = connection.inner.types.borrow_mut();
    if types.len() < TYPES_MAX {
        types.push(found.clone());
    }
    Ok(found)
}
