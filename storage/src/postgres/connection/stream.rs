//! Rows that come as they are taken.
//!
//! The rows come through a portal, so many at a time, and the next are asked for when the last of those before were
//! received. The other way, to receive no more until there is room, needs fewer messages; but a stream that is dropped would
//! have to receive the rest of its rows first, however many, or its connection to be closed. Here it is a `Sync`.

use std::rc::Rc;

use bytes::BytesMut;
use corelane_runtime::time;
use postgres_types::ToSql;

use super::channel::Channel;
use super::{Connection, deadline_of, prepare};
use crate::postgres::encode::{self, SYNC};
use crate::postgres::error::PgError;
use crate::postgres::row::Row;
use crate::postgres::rows::{IntoRows, Rows};
use crate::postgres::statement::{Column, Statement};
use crate::postgres::wire::{Event, OnDrop};

/// Rows of the first fetch.
const FETCH_FIRST: i32 = 128;

/// Most rows of one fetch.
const FETCH_MAX: i32 = 16 * 1024;

/// Bytes that a fetch should have.
const FETCH_BYTES: usize = 128 * 1024;

/// The rows of a statement, fetched as they are taken.
///
/// ```no_run
/// # use corelane_storage::postgres::{Connection, PgError};
/// # async fn example(connection: Connection) -> Result<(), PgError> {
/// let mut rows = connection.stream("SELECT id, body FROM events ORDER BY id", &[]).await?;
/// while let Some(row) = rows.next().await? {
///     println!("{}: {}", row.get::<i64>("id"), row.get::<&str>("body"));
/// }
/// # Ok(())
/// # }
/// ```
///
/// Dropped before its end it leaves the connection in step: what was fetched and not taken is thrown away.
#[derive(Debug)]
pub struct RowStream {
    /// `None` at the end.
    channel: Option<Channel>,
    statement: Rc<Statement>,
    /// Rows that were received and not taken.
    here: Option<IntoRows>,
    /// Rows of a fetch: goes by how large those before were.
    fetch: i32,
    /// The end was asked for.
    is_synced: bool,
    /// The server's error, while the end of the call is awaited.
    error: Option<PgError>,
}

pub(super) async fn open(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
) -> Result<RowStream, PgError> {
    let deadline = deadline_of(connection.patience(), time::now());
    let statement = prepare::statement(connection, sql, deadline).await?;
    let mut out = BytesMut::new();
    let mode = connection.inner.options.statements;
    encode::open_portal(mode, sql, &statement, params, &mut out)?;
    encode::fetch(FETCH_FIRST, &mut out);
    let mut channel = connection.channel().await?;
    channel.push(&out)?;
    channel.on_drop(OnDrop::Send(SYNC));
    Ok(RowStream {
        channel: Some(channel),
        statement,
        here: None,
        fetch: FETCH_FIRST,
        is_synced: false,
        error: None,
    })
}

impl RowStream {
    /// The columns of its rows.
    pub fn columns(&self) -> &[Column] {
        &self.statement.columns
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// The server's error, which ends the stream, or the end of the connection. There is no deadline: rows may take as long
    /// as they need; wrap it in [`timeout`](corelane_runtime::time::timeout) where they may not.
    ///
    /// # Cancellation
    /// May be dropped at any time: no row is lost.
    pub async fn next(&mut self) -> Result<Option<Row>, PgError> {
        loop {
            if let Some(row) = self.here.as_mut().and_then(Iterator::next) {
                return Ok(Some(row));
            }
            let Some(channel) = &mut self.channel else { return Ok(None) };
            match channel.next().await {
                Ok(Event::Rows(data, count)) => {
                    let size = (data.len() / count.max(1)).max(1);
                    let fit = i32::try_from(FETCH_BYTES / size).unwrap_or(FETCH_MAX);
                    // Grows step by step: the first rows may be the small ones.
                    self.fetch = fit.clamp(1, FETCH_MAX.min(self.fetch * 4));
                    let columns = Rc::clone(&self.statement.columns);
                    self.here = Some(Rows::from_parts(&data, columns, count, 0).into_iter());
                    if channel.is_suspended_next() {
                        // The server works on the next while these are being taken.
                        let _suspended = channel.next().await?;
                        ask(channel, self.fetch)?;
                    }
                }
                Ok(Event::Suspended) => ask(channel, self.fetch)?,
                Ok(Event::Complete(_)) => self.sync()?,
                Ok(Event::Error(error)) => {
                    self.error = Some(error);
                    self.sync()?;
                }
                Ok(Event::Ready(_)) => {
                    self.channel = None;
                    return self.error.take().map_or(Ok(None), Err);
                }
                Ok(_) => {}
                Err(error) => {
                    self.channel = None;
                    return Err(error);
                }
            }
        }
    }

    /// Ends the call. An error of that end itself comes when this was done already.
    fn sync(&mut self) -> Result<(), PgError> {
        if let Some(channel) = &mut self.channel
            && !std::mem::replace(&mut self.is_synced, true)
        {
            channel.on_drop(OnDrop::Send(&[]));
            channel.push(SYNC)?;
        }
        Ok(())
    }
}

fn ask(channel: &mut Channel, rows: i32) -> Result<(), PgError> {
    let mut out = BytesMut::new();
    encode::fetch(rows, &mut out);
    channel.push(&out)
}
