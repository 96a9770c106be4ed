//! What the server's catalogue says of types that are not built in.

use std::future::Future;
use std::pin::Pin;

use postgres_types::{Field, Kind, Oid, Type};

use crate::postgres::error::{Kind as ErrorKind, PgError};
use crate::postgres::{Connection, Row};

/// How deep a type may be nested: a composite of arrays of composites, and so on.
const DEPTH_MAX: u32 = 16;

/// Types that one lookup may lead to.
const TYPES_MAX: usize = 1024;

const TYPE: &str = "\
    SELECT t.typname::text, n.nspname::text, t.typtype::text, t.typcategory::text, \
           t.typelem, t.typbasetype, t.typrelid, r.rngsubtype \
    FROM pg_catalog.pg_type t \
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
    LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid \
    WHERE t.oid = $1";

const LABELS: &str =
    "SELECT enumlabel::text FROM pg_catalog.pg_enum WHERE enumtypid = $1 ORDER BY enumsortorder";

const FIELDS: &str = "\
    SELECT attname::text, atttypid FROM pg_catalog.pg_attribute \
    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

const MULTIRANGE: &str = "SELECT rngsubtype FROM pg_catalog.pg_range WHERE rngmultitypid = $1";

/// Looks a type up: enums with their labels, composites with their fields, domains, arrays and ranges with what they are of. One that
/// is not in the catalogue, or whose kind is not known, is [`Kind::Simple`].
///
/// # Errors
/// Those of the statements, or if the type is nested beyond all reason.
pub(in crate::postgres) async fn resolve(connection: &Connection, oid: Oid) -> Result<Type, PgError> {
    Resolver { connection, found: Vec::new() }.find(oid, 0).await
}

struct Resolver<'a> {
    connection: &'a Connection,
    found: Vec<Type>,
}

impl Resolver<'_> {
    fn find(&mut self, oid: Oid, depth: u32) -> Pin<Box<dyn Future<Output = Result<Type, PgError>> + '_>> {
        Box::pin(async move {
            if let Some(built_in) = Type::from_oid(oid) {
                return Ok(built_in);
            }
            if let Some(found) = self.found.iter().find(|found| found.oid() == oid) {
                return Ok(found.clone());
            }
            if depth == DEPTH_MAX || self.found.len() == TYPES_MAX {
                let what =
                    "a type is nested deeper than 16 levels, or of more than 1024 types: read it as text";
                return Err(PgError::new(ErrorKind::Misuse(what)));
            }
            let type_ = match self.connection.query_opt(TYPE, &[&oid]).await? {
                Some(row) => {
                    let kind = self.kind(oid, &row, depth + 1).await?;
                    Type::new(row.try_get(0)?, oid, kind, row.try_get(1)?)
                }
                None => Type::new(format!("type {oid}"), oid, Kind::Simple, String::new()),
            };
            self.found.push(type_.clone());
            Ok(type_)
        })
    }

    async fn kind(&mut self, oid: Oid, row: &Row, depth: u32) -> Result<Kind, PgError> {
        let (type_, category): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
        let (member, base): (Oid, Oid) = (row.try_get(4)?, row.try_get(5)?);
        Ok(match type_ {
            "e" => {
                let labels = self.connection.query_all(LABELS, &[&oid]).await?;
                Kind::Enum(labels.iter().map(|label| label.try_get(0)).collect::<Result<_, _>>()?)
            }
            "c" => {
                let relation: Oid = row.try_get(6)?;
                let mut fields = Vec::new();
                for field in &self.connection.query_all(FIELDS, &[&relation]).await? {
                    let type_ = self.find(field.try_get(1)?, depth).await?;
                    fields.push(Field::new(field.try_get(0)?, type_));
                }
                Kind::Composite(fields)
            }
            "d" => Kind::Domain(self.find(base, depth).await?),
            "p" => Kind::Pseudo,
            "r" => match row.try_get::<Option<Oid>>(7)? {
                Some(bounds) => Kind::Range(self.find(bounds, depth).await?),
                None => Kind::Simple,
            },
            "m" => {
                let bounds = self.connection.query_one(MULTIRANGE, &[&oid]).await?.try_get(0)?;
                Kind::Multirange(self.find(bounds, depth).await?)
            }
            _ if category == "A" && member != 0 => Kind::Array(self.find(member, depth).await?),
            _ => Kind::Simple,
        })
    }
}
