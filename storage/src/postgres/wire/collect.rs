//! What comes for one call, put together. Messages in another order than the protocol's end the connection.

use std::rc::Rc;
use std::sync::Arc;

use postgres_types::Type;
use smallvec::SmallVec;

use super::slot::{Reply, Simple, Work};
use crate::postgres::db_error::DbError;
use crate::postgres::error::{Cause, Kind, PgError};
use crate::postgres::proto::{Columns, Message, RowBody, Status};
use crate::postgres::rows::{BatchRows, Executed, Rows, Runs, push_row};
use crate::postgres::statement::Column;

/// The answers to known statements, as they come.
#[derive(Debug)]
pub(super) struct Collect {
    runs: Runs,
    /// The run that is being answered, and how often its statement was.
    run: usize,
    times: u32,
    next: Next,
    /// Each statement was prepared and described anew.
    is_unnamed: bool,
    /// Rows of all statements.
    pub(super) data: Vec<u8>,
    /// Of the statement that is being answered.
    rows: u32,
    executed: SmallVec<[Executed; 1]>,
    fresh: Vec<Option<Rc<[Column]>>>,
    error: Option<PgError>,
    bytes_max: usize,
}

/// Which message is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Parsed,
    Bound,
    Described,
    Rows,
    /// All that were asked for are answered, or one has failed.
    Ready,
}

impl Collect {
    #[inline]
    pub(super) fn new(runs: Runs, is_unnamed: bool, data: Vec<u8>, bytes_max: usize) -> Collect {
        let next = match (runs.is_empty(), is_unnamed) {
            (true, _) => Next::Ready,
            (false, true) => Next::Parsed,
            (false, false) => Next::Bound,
        };
        let executed = SmallVec::with_capacity(runs.iter().map(|run| run.times as usize).sum());
        Collect {
            runs,
            run: 0,
            times: 0,
            next,
            is_unnamed,
            data,
            rows: 0,
            executed,
            fresh: Vec::new(),
            error: None,
            bytes_max,
        }
    }

    /// How many statements it is about.
    pub(super) fn statements(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.times)).sum()
    }

    #[inline]
    fn columns(&self) -> Option<&Rc<[Column]>> {
        match self.fresh.last() {
            Some(Some(fresh)) if self.fresh.len() > self.executed.len() => Some(fresh),
            _ => self.runs.get(self.run).map(|run| &run.statement.columns),
        }
    }

    #[inline]
    fn on_row(&mut self, row: RowBody<'_>) -> Result<(), Cause> {
        let columns = self.columns().map_or(0, |columns| columns.len());
        if self.next != Next::Rows || columns != row.len() {
            return Err(Cause::Unexpected("a row of other columns than were described"));
        }
        let values = row.values_bytes();
        if self.data.len() + values.len() > self.bytes_max {
            let max = self.bytes_max;
            self.error.get_or_insert_with(|| PgError::new(Kind::TooLarge { max }));
        }
        if self.error.is_none() {
            push_row(&mut self.data, values);
            self.rows += 1;
        }
        Ok(())
    }

    #[inline]
    fn on_complete(&mut self, affected: u64) {
        let end = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        self.executed.push(Executed { end, rows: std::mem::take(&mut self.rows), affected });
        self.times += 1;
        if self.runs.get(self.run).is_none_or(|run| self.times >= run.times) {
            self.run += 1;
            self.times = 0;
        }
        self.next = if self.run >= self.runs.len() {
            Next::Ready
        } else if self.is_unnamed {
            Next::Parsed
        } else {
            Next::Bound
        };
    }

    #[inline]
    fn on_message(&mut self, message: Message<'_>) -> Result<(), Cause> {
        match (message, self.next) {
            (Message::Row(row), _) => return self.on_row(row),
            (Message::BindComplete, Next::Bound) => {
                self.next = if self.is_unnamed { Next::Described } else { Next::Rows };
            }
            (Message::Complete(tag), Next::Rows) => self.on_complete(tag.rows()),
            (Message::EmptyQuery, Next::Rows) => self.on_complete(0),
            (Message::ParseComplete, Next::Parsed) => self.next = Next::Bound,
            (Message::NoData, Next::Described) => self.on_described(Some(Rc::from([]))),
            (Message::RowDescription(columns), Next::Described) => {
                let known = self.runs.get(self.run).map(|run| &run.statement.columns);
                let same = known.is_some_and(|known| is_same(known, columns));
                self.on_described(if same { None } else { Some(described(columns)) });
            }
            (Message::Error(fields), Next::Parsed | Next::Bound | Next::Described | Next::Rows) => {
                // The server skips what is left up to the Sync.
                self.next = Next::Ready;
                self.error = Some(DbError::from_fields(&fields).into());
            }
            // A statement whose end fails: a deferred constraint.
            (Message::Error(fields), Next::Ready) if self.error.is_none() => {
                self.error = Some(DbError::from_fields(&fields).into());
            }
            (Message::CopyIn(_) | Message::CopyOut(_), _) => {
                return Err(Cause::Unexpected("a COPY; it has a call of its own"));
            }
            _ => return Err(Cause::Unexpected("a message out of the order of a statement's answer")),
        }
        Ok(())
    }

    fn on_described(&mut self, fresh: Option<Rc<[Column]>>) {
        // An empty list is the same as none if the statement had none.
        self.fresh.push(fresh);
        self.next = Next::Rows;
    }

    /// The rows, out of a buffer that is used again.
    #[inline]
    fn finish(mut self, buffers: &mut Vec<Vec<u8>>, is_wanted: bool) -> Result<Reply, PgError> {
        let data = if self.data.is_empty() || !is_wanted { None } else { Some(Rc::from(&self.data[..])) };
        self.data.clear();
        keep(buffers, std::mem::take(&mut self.data));
        if let Some(error) = self.error {
            return Err(error);
        }
        let Collect { runs, executed, fresh, .. } = self;
        Ok(Reply::Rows(BatchRows { data, runs, executed, fresh }))
    }
}

/// Most that a buffer may have allocated to be used again, in bytes, and how many there may be.
const KEPT_BYTES_MAX: usize = 64 * 1024;
const KEPT_MAX: usize = 64;

#[inline]
fn keep(buffers: &mut Vec<Vec<u8>>, buffer: Vec<u8>) {
    if buffer.capacity() > 0 && buffer.capacity() <= KEPT_BYTES_MAX && buffers.len() < KEPT_MAX {
        buffers.push(buffer);
    }
}

fn is_same(known: &[Column], columns: Columns<'_>) -> bool {
    let mut known = known.iter();
    for column in columns {
        match known.next() {
            Some(known) if known.type_.oid() == column.type_oid && *known.name == *column.name => {}
            _ => return false,
        }
    }
    known.next().is_none()
}

/// Columns whose types are named if they are built in, and by number else.
pub(super) fn described(columns: Columns<'_>) -> Rc<[Column]> {
    columns
        .map(|column| Column {
            name: column.name.into(),
            type_: type_by_oid(column.type_oid),
            table_oid: column.table_oid,
            table_column: column.table_column,
            type_modifier: column.type_modifier,
            is_text: !column.is_binary,
        })
        .collect()
}

/// A type that is built in, or one that is known by its number alone.
pub(in crate::postgres) fn type_by_oid(oid: u32) -> Type {
    Type::from_oid(oid)
        .unwrap_or_else(|| Type::new(format!("type {oid}"), oid, postgres_types::Kind::Simple, String::new()))
}

impl Simple {
    fn on_message(&mut self, message: Message<'_>, bytes_max: usize) -> Result<(), Cause> {
        match message {
            Message::RowDescription(columns) if self.columns.is_none() => {
                self.columns = Some(described(columns))
            }
            Message::Row(row) => {
                if self.columns.as_ref().is_none_or(|columns| columns.len() != row.len()) {
                    return Err(Cause::Unexpected("a row of other columns than were described"));
                }
                if self.keep && self.has_room(row.values_bytes().len(), bytes_max) {
                    push_row(&mut self.data, row.values_bytes());
                }
                self.rows += 1;
            }
            Message::Complete(tag) => self.on_complete(tag.rows(), bytes_max),
            Message::EmptyQuery => self.on_complete(0, bytes_max),
            Message::Error(fields) => self.error = Some(DbError::from_fields(&fields).into()),
            Message::CopyIn(_) | Message::CopyOut(_) => {
                return Err(Cause::Unexpected("a COPY; it has a call of its own"));
            }
            _ => return Err(Cause::Unexpected("a message out of the order of a simple query's answer")),
        }
        Ok(())
    }

    /// Counts so many bytes, and what is kept beside them.
    fn has_room(&mut self, bytes: usize, bytes_max: usize) -> bool {
        self.bytes += bytes + size_of::<u32>();
        if self.bytes > bytes_max {
            self.error.get_or_insert_with(|| PgError::new(Kind::TooLarge { max: bytes_max }));
        }
        self.error.is_none()
    }

    fn on_complete(&mut self, affected: u64, bytes_max: usize) {
        let columns = self.columns.take().unwrap_or_else(|| Rc::from([]));
        let rows = std::mem::take(&mut self.rows);
        if self.keep && self.has_room(size_of::<Rows>(), bytes_max) {
            self.results.push(Rows::from_parts(&self.data, columns, rows, affected));
        }
        self.data.clear();
    }
}

impl Work {
    /// Takes in a message that is for this call, but for the `ReadyForQuery` that ends it.
    #[inline]
    pub(super) fn on_message(&mut self, message: Message<'_>, bytes_max: usize) -> Result<(), Cause> {
        match self {
            Work::Execute(collect) => collect.on_message(message),
            Work::Simple(simple) => simple.on_message(message, bytes_max),
            Work::Channel(events) => {
                events.on_message(message);
                Ok(())
            }
            Work::Prepare { params, columns, error } => {
                match message {
                    Message::ParseComplete | Message::NoData => {}
                    Message::ParameterDescription(oids) => params.extend(oids),
                    Message::RowDescription(described_columns) => {
                        columns.extend(described(described_columns).iter().cloned().map(|column| {
                            // The description of a statement does not know the format of its values: it is asked for with them.
                            Column { is_text: false, ..column }
                        }));
                    }
                    Message::Error(fields) => *error = Some(DbError::from_fields(&fields).into()),
                    _ => return Err(Cause::Unexpected("a message out of the order of a preparation")),
                }
                Ok(())
            }
            Work::Close => match message {
                Message::CloseComplete | Message::Error(_) => Ok(()),
                _ => Err(Cause::Unexpected("a message out of the order of a close")),
            },
        }
    }

    /// The call's end: what it gives. A channel goes on until it is dropped.
    #[inline]
    pub(super) fn on_ready(
        &mut self,
        status: Status,
        buffers: &mut Vec<Vec<u8>>,
        is_wanted: bool,
    ) -> Result<Option<Result<Reply, PgError>>, Cause> {
        match std::mem::replace(self, Work::Close) {
            Work::Execute(collect) => {
                if collect.next != Next::Ready {
                    return Err(Cause::Unexpected("the end of an answer that was not complete"));
                }
                Ok(Some(collect.finish(buffers, is_wanted)))
            }
            Work::Prepare { params, columns, error } => Ok(Some(match error {
                Some(error) => Err(error),
                None => Ok(Reply::Prepared { params, columns }),
            })),
            Work::Simple(simple) => Ok(Some(match simple.error {
                Some(error) => Err(error),
                None => Ok(Reply::Simple(simple.results)),
            })),
            Work::Close => Ok(Some(Ok(Reply::Closed))),
            Work::Channel(mut events) => {
                events.on_ready(status);
                *self = Work::Channel(events);
                Ok(None)
            }
        }
    }
}

/// True if the server's plan for a statement is of no use any more, or it does not know the statement.
pub(super) fn is_stale(error: &PgError) -> bool {
    let Kind::Server(db) = error.kind() else { return false };
    let db: &Arc<DbError> = db;
    match db.code() {
        // `feature_not_supported` is said about much else; the function's name is not translated.
        "0A000" => {
            db.routine() == Some("RevalidateCachedQuery")
                || db.message() == "cached plan must not change result type"
        }
        "26000" => true,
        _ => false,
    }
}
