//! Every type, edges included: what we read and give back is what psql shows.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::SystemTime;

use corelane_storage::postgres::Connection;
use corelane_storage::postgres::types::{
    Array, Bits, Date, FromSqlOwned, Inet, Interval, MacAddr, Multirange, Numeric, PgLsn, Range, Timestamp,
    ToSql,
};
use postgres_types::{FromSql, ToSql as DeriveToSql};

use super::connect;
use crate::support::on_core;
use crate::support::pg_server::PgServer;

/// Expressions with the text that we have made of each, hexadecimal.
#[derive(Default)]
struct Compared {
    expressions: Vec<String>,
    ours: Vec<String>,
}

impl Compared {
    /// Reads each expression as a `T`, and has the server show what it gets when that is given back.
    async fn each<T: FromSqlOwned + ToSql>(
        &mut self,
        connection: &Connection,
        type_: &str,
        literals: &[&str],
    ) {
        for literal in literals {
            let expression = format!("{literal}::{type_}");
            let row = connection.query_one(&format!("SELECT {expression}"), &[]).await.unwrap();
            let value: Option<T> =
                row.try_get(0).unwrap_or_else(|error| panic!("{expression}: {error} ({error:?})"));
            assert_eq!(value.is_none(), *literal == "NULL", "{expression}");
            let shown = connection.query_one(&format!("SELECT ($1::{type_})::text"), &[&value]).await;
            let shown = shown.unwrap_or_else(|error| panic!("{expression}: {error} ({error:?})"));
            self.ours.push(match shown.get::<Option<&str>>(0) {
                Some(text) => text.bytes().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").unwrap();
                    hex
                }),
                None => "null".to_owned(),
            });
            self.expressions.push(expression);
        }
    }

    fn with_psql(self, server: &PgServer) {
        let script = self.expressions.iter().fold(String::new(), |mut script, expression| {
            writeln!(
                script,
                "SELECT coalesce(encode(convert_to(({expression})::text, 'UTF8'), 'hex'), 'null');"
            )
            .unwrap();
            script
        });
        let psql = server.psql(&script);
        let theirs: Vec<&str> = psql.lines().collect();
        assert_eq!(theirs.len(), self.ours.len());
        for ((expression, ours), theirs) in self.expressions.iter().zip(&self.ours).zip(theirs) {
            let text = |hex: &str| if hex.len() > 400 { hex[..400].to_owned() } else { hex.to_owned() };
            assert!(ours == theirs, "{expression}: {} and not {}", text(ours), text(theirs));
        }
    }
}

#[test]
fn values_are_those_that_psql_shows() {
    let server = PgServer::start();
    server.psql(
        "create extension hstore; create extension citext;
         create type mood as enum ('sad', 'ok', 'very happy');
         create domain positive as int4 check (value > 0);
         create type inner_type as (mood mood, amounts numeric[]);
         create type outer_type as (id positive, name text, inside inner_type, others inner_type[]);
         create type floatrange as range (subtype = float8)",
    );
    on_core(async {
        let connection = connect(&server).await;
        let mut compared = Compared::default();
        scalars(&mut compared, &connection).await;
        numbers(&mut compared, &connection).await;
        times(&mut compared, &connection).await;
        containers(&mut compared, &connection).await;
        own_types(&mut compared, &connection).await;
        features(&mut compared, &connection).await;
        compared.with_psql(&server);
    });
}

async fn scalars(compared: &mut Compared, connection: &Connection) {
    compared.each::<bool>(connection, "bool", &["true", "false", "NULL"]).await;
    compared.each::<i8>(connection, "\"char\"", &["'a'", "'~'"]).await;
    let texts = [
        "''",
        "'plain'",
        "'ü€🦀'",
        "E'line\\nfeed\\ttab\\\\'",
        "'quote '' \"'",
        "repeat('x', 100000)",
        "NULL",
    ];
    for type_ in ["text", "varchar", "citext"] {
        compared.each::<String>(connection, type_, &texts).await;
    }
    compared.each::<String>(connection, "char(5)", &["'a'", "'abcde'"]).await;
    compared.each::<String>(connection, "name", &["'pg_catalog'"]).await;
    let bytes = ["'\\x'", "'\\x00ff7f80'", "decode(repeat('ab', 70000), 'hex')", "NULL"];
    compared.each::<Vec<u8>>(connection, "bytea", &bytes).await;
    compared
        .each::<Inet>(
            connection,
            "inet",
            &["'10.0.0.1'", "'10.1.2.3/8'", "'::1'", "'fe80::1/64'", "'0.0.0.0/0'"],
        )
        .await;
    compared
        .each::<Inet>(connection, "cidr", &["'10.0.0.0/8'", "'::/0'", "'2001:db8::/32'", "'1.2.3.4/32'"])
        .await;
    compared.each::<std::net::IpAddr>(connection, "inet", &["'127.0.0.1'", "'::ffff:1.2.3.4'"]).await;
    compared.each::<MacAddr>(connection, "macaddr", &["'08:00:2b:01:02:03'", "'ff:ff:ff:ff:ff:ff'"]).await;
    compared.each::<Bits>(connection, "bit(5)", &["B'10110'", "B'00000'"]).await;
    compared.each::<Bits>(connection, "varbit", &["B''", "B'1'", "B'10101010'", "B'111111111'"]).await;
    compared.each::<PgLsn>(connection, "pg_lsn", &["'0/0'", "'FFFFFFFF/FFFFFFFF'"]).await;
}

async fn numbers(compared: &mut Compared, connection: &Connection) {
    compared.each::<i16>(connection, "int2", &["(-32768)", "0", "32767", "NULL"]).await;
    compared.each::<i32>(connection, "int4", &["(-2147483648)", "-1", "2147483647"]).await;
    compared.each::<i64>(connection, "int8", &["(-9223372036854775808)", "9223372036854775807"]).await;
    compared.each::<u32>(connection, "oid", &["0", "4294967295"]).await;
    let floats = ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "0.1", "1e-37", "1e37"];
    compared.each::<f32>(connection, "float4", &floats).await;
    compared.each::<f32>(connection, "float4", &["1e-45", "3.4028235e38"]).await;
    compared.each::<f64>(connection, "float8", &floats).await;
    compared.each::<f64>(connection, "float8", &["5e-324", "1.7976931348623157e308", "'-1.5'"]).await;
    let numerics = [
        "0",
        "0.00",
        "-0.00",
        "1",
        "-1.5",
        "10000",
        "9999.9999",
        "100000000.00000001",
        "0.0001",
        "1e-20",
        "'NaN'",
        "'Infinity'",
        "'-Infinity'",
        "1e131071",
        "-1e131071",
        "1e-16383",
        "123456789012345678901234567890.123456789",
        "1.50000",
        "NULL",
    ];
    compared.each::<Numeric>(connection, "numeric", &numerics).await;
    compared.each::<Numeric>(connection, "numeric(20, 6)", &["1", "12345678901234.123456"]).await;
}

async fn times(compared: &mut Compared, connection: &Connection) {
    let instants = [
        "'1970-01-01'",
        "'2000-01-01 00:00:00.000001'",
        "'1999-12-31 23:59:59.999999'",
        "'1900-02-28 12:00'",
        "'2400-02-29'",
        "NULL",
    ];
    compared.each::<SystemTime>(connection, "timestamptz", &instants).await;
    compared.each::<SystemTime>(connection, "timestamp", &instants).await;
    let infinities = ["'infinity'", "'-infinity'", "'2000-01-01'"];
    compared.each::<Timestamp<SystemTime>>(connection, "timestamptz", &infinities).await;
    let intervals = [
        "'0'",
        "'1 year 2 mons -3 days 04:05:06.789'",
        "'-178000000 years'",
        "'178000000 years'",
        "'-0.000001 s'",
        "'2147483647 days'",
        "'-1 mon +1 day -00:00:01'",
    ];
    compared.each::<Interval>(connection, "interval", &intervals).await;
    // Its own text is the server's ISO 8601.
    connection.batch_execute("SET intervalstyle = iso_8601").await.unwrap();
    for literal in intervals {
        let sql = format!("SELECT {literal}::interval, {literal}::interval::text");
        let row = connection.query_one(&sql, &[]).await.unwrap();
        assert_eq!(row.get::<Interval>(0).to_string(), row.get::<&str>(1), "{literal}");
    }
    connection.batch_execute("RESET intervalstyle").await.unwrap();
}

async fn containers(compared: &mut Compared, connection: &Connection) {
    compared.each::<Vec<i32>>(connection, "int4[]", &["'{}'", "'{1,-2}'", "NULL"]).await;
    compared.each::<Vec<Option<i64>>>(connection, "int8[]", &["'{NULL}'", "'{1,NULL,3}'"]).await;
    let texts = ["'{}'", "'{\"\",a,\"b \\\"c\\\"\",\"NULL\",NULL}'"];
    compared.each::<Vec<Option<String>>>(connection, "text[]", &texts).await;
    let nested = ["'{}'", "'{1,2}'", "'{{1,2},{3,NULL}}'", "'[0:1][-2:-1]={{1,2},{3,4}}'", "'{{{1}},{{2}}}'"];
    compared.each::<Array<Option<i32>>>(connection, "int4[]", &nested).await;
    compared.each::<Vec<Numeric>>(connection, "numeric[]", &["'{1.50,NaN}'"]).await;
    let ranges = ["'empty'", "'(,)'", "'[1,10)'", "'(1,10]'", "'[5,)'", "'(,5)'", "NULL"];
    compared.each::<Range<i32>>(connection, "int4range", &ranges).await;
    compared.each::<Range<i64>>(connection, "int8range", &ranges).await;
    compared.each::<Range<Numeric>>(connection, "numrange", &["'(1.5,2.50]'", "'[1,1]'"]).await;
    compared.each::<Range<SystemTime>>(connection, "tstzrange", &["'[2000-01-01,2001-01-01)'"]).await;
    compared.each::<Range<f64>>(connection, "floatrange", &["'[0.5,1)'"]).await;
    compared
        .each::<Multirange<i32>>(connection, "int4multirange", &["'{}'", "'{[1,3),[5,)}'", "'{(,)}'"])
        .await;
    compared.each::<Multirange<f64>>(connection, "floatmultirange", &["'{[0,1),(2,3)}'"]).await;
    let stores = ["''", "'a=>1'", "'a=>1, b=>NULL, \"c d\"=>\"e \\\"f\\\"\"'"];
    compared.each::<HashMap<String, Option<String>>>(connection, "hstore", &stores).await;
}

#[derive(Debug, FromSql, DeriveToSql)]
#[postgres(name = "mood", rename_all = "lowercase")]
enum Mood {
    Sad,
    Ok,
    #[postgres(name = "very happy")]
    VeryHappy,
}

#[derive(Debug, FromSql, DeriveToSql)]
#[postgres(name = "positive")]
struct Positive(i32);

#[derive(Debug, FromSql, DeriveToSql)]
#[postgres(name = "inner_type")]
struct Inner {
    mood: Option<Mood>,
    amounts: Vec<Option<Numeric>>,
}

#[derive(Debug, FromSql, DeriveToSql)]
#[postgres(name = "outer_type")]
struct Outer {
    id: Positive,
    name: Option<String>,
    inside: Option<Inner>,
    others: Option<Vec<Inner>>,
}

async fn own_types(compared: &mut Compared, connection: &Connection) {
    compared.each::<Mood>(connection, "mood", &["'sad'", "'ok'", "'very happy'", "NULL"]).await;
    compared.each::<Vec<Mood>>(connection, "mood[]", &["'{}'", "'{ok,\"very happy\"}'"]).await;
    compared.each::<Positive>(connection, "positive", &["1", "2147483647"]).await;
    let inner = "ROW('ok', '{1.5,NULL}')";
    compared.each::<Inner>(connection, "inner_type", &[inner, "ROW(NULL, '{}')"]).await;
    let full = format!("ROW(7, 'a \"b\", c', {inner}::inner_type, ARRAY[{inner}::inner_type])");
    compared.each::<Outer>(connection, "outer_type", &[&full, "ROW(1, NULL, NULL, NULL)"]).await;
    let wrong = connection.query_one("SELECT 'ok'::mood", &[]).await.unwrap();
    let error = wrong.try_get::<i32>(0).unwrap_err();
    assert!(error.is_conversion() && error.to_string().contains("mood"), "the type has its name: {error}");
}

async fn features(compared: &mut Compared, connection: &Connection) {
    #[cfg(feature = "uuid")]
    {
        let uuids = ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-4fff-bfff-ffffffffffff'"];
        compared.each::<uuid::Uuid>(connection, "uuid", &uuids).await;
    }
    #[cfg(feature = "json")]
    {
        let values =
            ["'null'", "'{\"a\":[1,2.5,\"ü\\\\n\",{}],\"b\":18446744073709551615}'", "'\"\"'", "NULL"];
        compared.each::<serde_json::Value>(connection, "jsonb", &values).await;
        compared.each::<serde_json::Value>(connection, "json", &values).await;
    }
    let dates = ["'0001-01-01'", "'1999-12-31'", "'2000-02-29'", "'9999-12-31'", "NULL"];
    let clock = ["'00:00'", "'23:59:59.999999'", "'12:34:56.7'"];
    let stamps =
        ["'0001-01-01 00:00:00.000001'", "'1999-12-31 23:59:59.999999'", "'9998-12-31 23:59:59.999999'"];
    let infinities = ["'infinity'", "'-infinity'", "'2000-01-01'"];
    #[cfg(feature = "time")]
    {
        compared.each::<time::Date>(connection, "date", &dates).await;
        compared.each::<Date<time::Date>>(connection, "date", &infinities).await;
        compared.each::<time::Time>(connection, "time", &clock).await;
        compared.each::<time::PrimitiveDateTime>(connection, "timestamp", &stamps).await;
        compared.each::<time::OffsetDateTime>(connection, "timestamptz", &stamps).await;
    }
    #[cfg(feature = "chrono")]
    {
        compared.each::<chrono::NaiveDate>(connection, "date", &dates).await;
        compared.each::<Date<chrono::NaiveDate>>(connection, "date", &infinities).await;
        compared.each::<chrono::NaiveTime>(connection, "time", &clock).await;
        compared.each::<chrono::NaiveDateTime>(connection, "timestamp", &stamps).await;
        compared.each::<chrono::DateTime<chrono::Utc>>(connection, "timestamptz", &stamps).await;
    }
    #[cfg(feature = "jiff")]
    {
        compared.each::<jiff::civil::Date>(connection, "date", &dates).await;
        compared.each::<Date<jiff::civil::Date>>(connection, "date", &infinities).await;
        compared.each::<jiff::civil::Time>(connection, "time", &clock).await;
        compared.each::<jiff::civil::DateTime>(connection, "timestamp", &stamps).await;
        compared.each::<jiff::Timestamp>(connection, "timestamptz", &stamps).await;
    }
    let _of_features = (compared, connection, dates, clock, stamps, infinities);
}
