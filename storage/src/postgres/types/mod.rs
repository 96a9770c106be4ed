//! Rust's types as PostgreSQL's, and back.
//!
//! [`ToSql`] and [`FromSql`] are those of the crate `postgres-types`, so that types made for it work here. What is there:
//!
//! | PostgreSQL | Rust |
//! | --- | --- |
//! | `bool`, `"char"`, `int2`, `int4`, `int8`, `oid`, `float4`, `float8` | `bool`, `i8`, `i16`, `i32`, `i64`, `u32`, `f32`, `f64` |
//! | `text`, `varchar`, `char(n)`, `name`, `citext` | `String`, `&str`, `Cow<str>`, `Box<str>` |
//! | `bytea` | `Vec<u8>`, `&[u8]` |
//! | `numeric` | [`Numeric`]: exact, with `NaN` and the infinities |
//! | `timestamp`, `timestamptz` | `SystemTime`; with the features `time`, `chrono`, `jiff` the types of these crates, also for `date` and `time`; [`Timestamp`] and [`Date`] around them for the infinities |
//! | `interval` | [`Interval`] |
//! | `uuid`, `json` and `jsonb` | `uuid::Uuid` (feature `uuid`), `serde_json::Value` and [`Json`] (feature `json`) |
//! | `inet`, `cidr`, `macaddr` | [`Inet`] (and `IpAddr` for `inet`), [`MacAddr`] |
//! | `bit`, `varbit` | [`Bits`] |
//! | arrays | `Vec<T>`, `&[T]`, `[T; N]` of one dimension, [`Array`] of any |
//! | ranges, multiranges | [`Range`], [`Multirange`] |
//! | `hstore` | `HashMap<String, Option<String>>` |
//! | enums, composites, domains | by `#[derive(ToSql, FromSql)]` |
//! | null | `Option<T>` |
//!
//! A value of another type is read as text, if the statement says `::text`, and given as text if it says `$1::text::thetype`.
//!
//! The derives are those of `postgres-types` too and name that crate: a program that uses them has `postgres-types = "0.2"` among its
//! dependencies.
//!
//! ```
//! use corelane_storage::postgres::types::{Numeric, Range, ToSql, Type};
//!
//! let price: Numeric = "1234567890.0001".parse()?;
//! assert_eq!(price.to_string(), "1234567890.0001");
//! assert!(<Range<i32> as ToSql>::accepts(&Type::INT4_RANGE));
//! # Ok::<(), corelane_storage::postgres::types::NumericError>(())
//! ```

mod array;
mod bits;
mod inet;
mod interval;
mod numeric;
mod range;
mod resolve;

#[cfg(feature = "json")]
pub use postgres_types::Json;
pub use postgres_types::{Date, FromSql, FromSqlOwned, IsNull, Kind, Oid, PgLsn, Timestamp, ToSql, Type};

pub use self::array::{Array, Dimension};
pub use self::bits::{Bits, BitsError};
pub use self::inet::{Inet, MacAddr};
pub use self::interval::Interval;
pub use self::numeric::{Numeric, NumericError};
pub use self::range::{Multirange, Range};
pub(super) use self::resolve::resolve;

/// What a conversion fails with, as `postgres-types` has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
