//! A statement that gives one row allocates once: the row.

use corelane::runtime;
use corelane::storage::postgres::{Batch, Config, Connection, PgError};

use super::alloc;
use super::pg_server::PgServer;

const CALLS: u64 = 20_000;

/// Statements of the batch, as of the route `/queries?n=20`.
const BATCH: u64 = 20;

/// Allocations of one call, in hundredths, once everything is warm.
async fn allocations<E: std::fmt::Debug>(calls: u64, call: impl AsyncFn(i32) -> Result<(), E>) -> u64 {
    let mut before = 0;
    for n in 0..calls + calls / 10 {
        if n == calls / 10 {
            before = alloc::here();
        }
        call(i32::try_from(n % 1000).unwrap()).await.unwrap();
    }
    (alloc::here() - before) * 100 / calls
}

#[test]
fn a_single_row_allocates_once() {
    let server = PgServer::start();
    let (one, none, batch) = runtime::block_on(async {
        let config = Config::parse(&server.url()).unwrap();
        let connection = Connection::connect(&config).await.unwrap();
        let one = allocations(CALLS, async |n| {
            let row = connection.query_one("SELECT $1::int4 AS n, 'some text' AS text", &[&n]).await?;
            assert_eq!((row.get::<i32>("n"), row.get::<&str>(1)), (n, "some text"));
            Ok::<(), PgError>(())
        });
        let one = one.await;
        let none = allocations(CALLS, async |n| {
            assert_eq!(connection.execute("SELECT 1 WHERE $1::int4 < 0", &[&n]).await?, 0);
            Ok::<(), PgError>(())
        });
        let none = none.await;
        let batch = allocations(CALLS / BATCH, async |n| {
            let mut batch = Batch::with_capacity(20);
            for _ in 0..BATCH {
                batch.push("SELECT $1::int4 AS n, 'some text' AS text", &[&n]);
            }
            for rows in connection.batch(&batch).await?.iter() {
                assert_eq!(rows.one()?.get::<i32>(0), n);
            }
            Ok::<(), PgError>(())
        });
        (one, none, batch.await)
    });
    println!("allocations in hundredths: one row {one}, no row {none}, a batch of {BATCH} {batch}");
    // Timers and the like may take a few; one more per call would be a hundred hundredths.
    assert!((100..=105).contains(&one), "a row: {one}");
    assert!(none <= 5, "no row: {none}");
    // The batch's two lists, its answer's list of results, and the rows.
    assert!(batch <= 405, "a batch: {batch}");
}
