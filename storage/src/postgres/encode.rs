//! Statements as bytes.

use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};
use postgres_types::{Format, ToSql, Type};

use super::error::{Kind, ParameterError, PgError};
use super::options::StatementMode;
use super::statement::Statement;

/// Every value in the binary format.
const BINARY: i16 = 1;

/// The message `Sync`, after which the server answers that it is ready.
pub(super) const SYNC: &[u8] = b"S\0\0\0\x04";

/// The message `Flush`, upon which the server sends what it has.
pub(super) const FLUSH: &[u8] = b"H\0\0\0\x04";

/// The message `Terminate`: the polite end.
pub(super) const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// Asks for a statement's parameters and columns, under `name`.
pub(super) fn prepare(name: &str, sql: &str, out: &mut BytesMut) -> Result<(), PgError> {
    frontend::parse(name, sql, None, out)
        .and_then(|()| frontend::describe(b'S', name, out))
        .map_err(|_| PgError::new(Kind::Misuse(UNSENDABLE)))?;
    out.extend_from_slice(SYNC);
    Ok(())
}

/// A statement of the simple protocol.
pub(super) fn simple(sql: &str, out: &mut BytesMut) -> Result<(), PgError> {
    frontend::query(sql, out).map_err(|_| PgError::new(Kind::Misuse(UNSENDABLE)))
}

/// Gives up a prepared statement.
pub(super) fn close(name: &str, out: &mut BytesMut) {
    // Names are made here: short and without zero bytes.
    let _fits = frontend::close(b'S', name, out);
    out.extend_from_slice(SYNC);
}

/// Binds and executes a statement. A `Sync` has to follow, if not at once.
pub(super) fn execute(
    mode: StatementMode,
    sql: &str,
    statement: &Statement,
    params: &[&dyn ToSql],
    out: &mut BytesMut,
) -> Result<(), PgError> {
    open_portal(mode, sql, statement, params, out)?;
    if mode == StatementMode::Unnamed {
        // Who knows which server this goes to: the columns come along.
        out.extend_from_slice(b"D\0\0\0\x06P\0");
    }
    // The unnamed portal, all rows.
    out.extend_from_slice(b"E\0\0\0\x09\0\0\0\0\0");
    Ok(())
}

/// Binds a statement to the unnamed portal, and prepares it before if it has no name.
#[inline]
pub(super) fn open_portal(
    mode: StatementMode,
    sql: &str,
    statement: &Statement,
    params: &[&dyn ToSql],
    out: &mut BytesMut,
) -> Result<(), PgError> {
    if mode == StatementMode::Unnamed {
        let oids = statement.params.iter().map(Type::oid);
        frontend::parse("", sql, oids, out).map_err(|_| PgError::new(Kind::Misuse(UNSENDABLE)))?;
    }
    bind(statement, params, out)
}

/// Executes the unnamed portal for at most so many rows, and wants to see them at once.
pub(super) fn fetch(rows: i32, out: &mut BytesMut) {
    out.extend_from_slice(b"E\0\0\0\x09\0");
    out.extend_from_slice(&rows.to_be_bytes());
    out.extend_from_slice(FLUSH);
}

/// Binds a statement to the unnamed portal.
#[inline]
fn bind(statement: &Statement, params: &[&dyn ToSql], out: &mut BytesMut) -> Result<(), PgError> {
    let types = &statement.params;
    if types.len() != params.len() {
        return Err(PgError::new(Kind::ParameterCount { given: params.len(), wanted: types.len() }));
    }
    let is_binary =
        |(param, type_): (&&dyn ToSql, &Type)| matches!(param.encode_format(type_), Format::Binary);
    let mut at = 0;
    let serialize = |(param, type_): (&&dyn ToSql, &Type), out: &mut BytesMut| {
        at += 1;
        param.to_sql_checked(type_, out).map(|null| match null {
            postgres_types::IsNull::Yes => IsNull::Yes,
            postgres_types::IsNull::No => IsNull::No,
        })
    };
    let pairs = || params.iter().zip(types.iter());
    let bound = if pairs().all(is_binary) {
        // One for all.
        frontend::bind("", &statement.name, Some(BINARY), pairs(), serialize, Some(BINARY), out)
    } else {
        let formats = pairs().map(|pair| i16::from(is_binary(pair)));
        frontend::bind("", &statement.name, formats, pairs(), serialize, Some(BINARY), out)
    };
    bound.map_err(|error| match error {
        BindError::Conversion(source) => {
            let wanted = types.get(at - 1).map(|type_| type_.name().to_owned()).unwrap_or_default();
            PgError::new(Kind::Parameter(Arc::new(ParameterError { number: at, wanted, source })))
        }
        BindError::Serialization(_) => PgError::new(Kind::Misuse(UNSENDABLE)),
    })
}

/// Why the library refuses to write a message.
const UNSENDABLE: &str =
    "a statement holds a zero byte, or it or a parameter is larger than the 2 GiB of a message";
