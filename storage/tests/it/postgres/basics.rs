//! What a connection does when nothing goes wrong, and when a statement does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime as runtime;
use corelane_storage::postgres::{Batch, Connection, PgError, StatementMode, Status};

use super::{config, connect};
use crate::support::pg_server::PgServer;
use crate::support::{eventually, on_core};

#[test]
fn a_connection_from_end_to_end() {
    let server = PgServer::start();
    server.psql("create table t (id int primary key, name text)");
    on_core(async {
        let connection = connect(&server).await;
        rows(&connection).await;
        errors_are_ones_own(&connection).await;
        batches(&connection).await;
        simple(&connection).await;
        streams(&connection).await;
        asides(&connection).await;
        assert!(connection.is_clean());
    });
    on_core(schema_changes(&server));
    on_core(unnamed(&server));
    on_core(cache_is_bounded(&server));
    on_core(deadlines(&server));
}

async fn rows(connection: &Connection) {
    let row =
        connection.query_one("SELECT 1::int4 AS one, 'two' AS two, NULL::text AS none", &[]).await.unwrap();
    assert_eq!((row.get::<i32>(0), row.get::<&str>("two"), row.get::<Option<&str>>(2)), (1, "two", None));
    // In any order, again and again.
    assert_eq!(
        (row.get::<Option<&str>>("none"), row.get::<&str>(1), row.get::<i32>("one")),
        (None, "two", 1)
    );
    for (why, error) in [
        ("another type", row.try_get::<i64>("one").unwrap_err()),
        ("a null", row.try_get::<&str>("none").unwrap_err()),
        ("no such column", row.try_get::<i32>("three").unwrap_err()),
        ("no such number", row.try_get::<i32>(3).unwrap_err()),
    ] {
        assert!(error.is_conversion(), "{why}: {error}");
    }
    let error = row.try_get::<i64>("one").unwrap_err().to_string();
    assert!(error.contains("\"one\"") && error.contains("int4") && error.contains("i64"), "{error}");
    let inserted = connection
        .execute("INSERT INTO t SELECT n, 'name ' || n FROM generate_series(1, $1) n", &[&500i32])
        .await
        .unwrap();
    assert_eq!(inserted, 500);
    let rows = connection.query_all("SELECT id, name FROM t ORDER BY id", &[]).await.unwrap();
    assert_eq!((rows.len(), rows.affected()), (500, 500));
    for (n, row) in (1..).zip(&rows) {
        assert_eq!((row.get::<i32>(0), row.get::<&str>(1)), (n, format!("name {n}").as_str()));
    }
    assert_eq!(rows.get(17).unwrap().get::<i32>(0), 18);
    assert_eq!(rows.into_iter().map(|row| i64::from(row.get::<i32>(0))).sum::<i64>(), 125_250);
    assert!(connection.query_opt("SELECT id FROM t WHERE id = $1", &[&0]).await.unwrap().is_none());
    for sql in ["SELECT id FROM t WHERE id < 0", "SELECT id FROM t"] {
        let error = connection.query_one(sql, &[]).await.unwrap_err();
        assert!(error.is_row_count(), "{error}");
    }
    // Columns of no name and the same name, a row of no columns, many columns.
    let row = connection.query_one("SELECT 1, 2", &[]).await.unwrap();
    assert_eq!((row.get::<i32>("?column?"), row.get::<i32>(1)), (1, 2));
    assert_eq!(connection.query_one("SELECT", &[]).await.unwrap().len(), 0);
    let wide: Vec<String> = (0..1600).map(|n| format!("{n} c{n}")).collect();
    let row = connection.query_one(&format!("SELECT {}", wide.join(",")), &[]).await.unwrap();
    for n in (0..1600i32).rev().step_by(7) {
        let index = usize::try_from(n).unwrap();
        assert_eq!((row.get::<i32>(index), row.get::<i32>(format!("c{n}"))), (n, n));
    }
    // Larger than any buffer on the way.
    let text = "x".repeat(3_000_000);
    let row = connection.query_one("SELECT $1 || 'y'", &[&text]).await.unwrap();
    assert_eq!(row.get::<&str>(0).len(), 3_000_001);
}

async fn errors_are_ones_own(connection: &Connection) {
    let many: Vec<_> = (0..100i32)
        .map(|n| {
            let connection = connection.clone();
            runtime::spawn(async move {
                (
                    n,
                    connection
                        .query_one("SELECT 100 / (($1::int4) % 10)", &[&n])
                        .await
                        .map(|row| row.get::<i32>(0)),
                )
            })
        })
        .collect();
    for task in many {
        let (n, outcome) = task.await.unwrap();
        match outcome {
            Ok(got) => assert_eq!(got, 100 / (n % 10), "somebody else's answer"),
            Err(error) => assert_eq!((n % 10, error.sqlstate()), (0, Some("22012"))),
        }
    }
    connection.execute("INSERT INTO t VALUES (1000, 'x')", &[]).await.unwrap();
    let error = connection.execute("INSERT INTO t VALUES ($1, 'x')", &[&1000]).await.unwrap_err();
    let db = error.db().unwrap();
    assert!(error.is_unique_violation() && !error.is_maybe_executed());
    assert_eq!((db.constraint(), db.table(), db.severity()), (Some("t_pkey"), Some("t"), "ERROR"));
    let error = connection.query_one("SELECT nothing FROM t", &[]).await.unwrap_err();
    assert_eq!((error.sqlstate(), error.db().unwrap().position()), (Some("42703"), Some(8)));
    for (why, error) in [
        ("too few", connection.execute("SELECT $1::int4", &[]).await.unwrap_err()),
        ("too many", connection.execute("SELECT 1", &[&1]).await.unwrap_err()),
        ("another type", connection.execute("SELECT $1::int4", &[&"x"]).await.unwrap_err()),
    ] {
        assert!(error.is_conversion() && !error.is_maybe_executed(), "{why}: {error}");
    }
    let error = connection.execute("SELECT '\0'", &[]).await.unwrap_err();
    assert!(error.to_string().contains("zero byte"), "{error}");
    assert!(connection.is_clean() && connection.stats().errors.integrity == 1);
}

async fn batches(connection: &Connection) {
    let ids: Vec<i32> = (1..=20).collect();
    let before = connection.stats();
    let mut batch = Batch::new();
    for id in &ids {
        batch.push("SELECT id, name FROM t WHERE id = $1", &[id]);
    }
    connection.batch(&batch).await.unwrap();
    let answers = connection.batch(&batch).await.unwrap();
    assert_eq!(connection.stats().answers - before.answers, 3, "one is the preparation");
    assert_eq!(answers.len(), 20);
    for (id, rows) in ids.iter().zip(answers.iter()) {
        assert_eq!(rows.one().unwrap().get::<i32>(0), *id);
    }
    // Different statements, with rows and without.
    let mut batch = Batch::new();
    batch.push("UPDATE t SET name = 'new' WHERE id <= $1", &[&ids[2]]);
    batch.push("SELECT name FROM t WHERE id <= $1 ORDER BY id", &[&ids[3]]);
    batch.push("SELECT 1 WHERE false", &[]);
    batch.push("SELECT 'last'", &[]);
    let answers = connection.batch(&batch).await.unwrap();
    assert_eq!(answers.get(0).unwrap().affected(), 3);
    let names: Vec<String> = answers.get(1).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["new", "new", "new", "name 4"]);
    assert!(answers.get(2).unwrap().is_empty() && answers.get(4).is_none());
    assert_eq!(answers.get(3).unwrap().one().unwrap().get::<&str>(0), "last");
    // All or nothing.
    let mut batch = Batch::new();
    batch.push("UPDATE t SET name = 'never' WHERE id = $1", &[&ids[0]]);
    batch.push("SELECT 1 / $1::int4", &[&0i32]);
    batch.push("UPDATE t SET name = 'never' WHERE id = $1", &[&ids[1]]);
    let error = connection.batch(&batch).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22012"));
    let never = connection.query_one("SELECT count(*) FROM t WHERE name = 'never'", &[]).await.unwrap();
    assert_eq!(never.get::<i64>(0), 0);
    assert!(connection.batch(&Batch::new()).await.unwrap().is_empty());
}

async fn simple(connection: &Connection) {
    let results =
        connection.simple("SELECT 1 AS a, NULL AS b; ; SET work_mem = '8MB'; SELECT 'x'").await.unwrap();
    let first = results[0].first().unwrap();
    assert_eq!((first.text("a"), first.text("b"), first.text(2)), (Some("1"), None, None));
    assert!(first.try_get::<i32>("a").unwrap_err().to_string().contains("simple protocol"));
    assert_eq!(results.last().unwrap().first().unwrap().text(0), Some("x"));
    let error = connection.batch_execute("SELECT 1; SELECT 1 / 0; SELECT 2").await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22012"));
    connection.batch_execute("BEGIN; SELECT 1").await.unwrap();
    assert_eq!((connection.status(), connection.is_clean()), (Status::Transaction, false));
    connection.batch_execute("SELECT 1 / 0").await.unwrap_err();
    assert_eq!(connection.status(), Status::Failed);
    let error = connection.query_one("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("25P02"));
    connection.batch_execute("ROLLBACK").await.unwrap();
    assert!(connection.is_clean());
    // A COPY has no place there: it ends the connection, and nobody is left waiting.
}

async fn streams(connection: &Connection) {
    let mut rows = connection
        .stream("SELECT n, repeat('x', $1) FROM generate_series(1, 20000) n", &[&50])
        .await
        .unwrap();
    // A statement that waits for its turn meanwhile.
    let other = connection.clone();
    let other = runtime::spawn(async move { other.query_one("SELECT 7", &[]).await.unwrap().get::<i32>(0) });
    let mut n = 0;
    while let Some(row) = rows.next().await.unwrap() {
        n += 1;
        assert_eq!((row.get::<i32>(0), row.get::<&str>(1).len()), (n, 50));
    }
    assert_eq!(n, 20_000);
    assert_eq!(other.await.unwrap(), 7);
    // Dropped anywhere.
    for taken in [0, 1, 127, 128, 129, 5000] {
        let mut rows = connection.stream("SELECT generate_series(1, 1000000)", &[]).await.unwrap();
        for _ in 0..taken {
            rows.next().await.unwrap().unwrap();
        }
        drop(rows);
        assert_eq!(connection.query_one("SELECT 8", &[]).await.unwrap().get::<i32>(0), 8, "after {taken}");
    }
    // An error in the midst.
    let mut rows =
        connection.stream("SELECT 1 / (1000 - n) FROM generate_series(1, 2000) n", &[]).await.unwrap();
    let error = loop {
        match rows.next().await {
            Ok(row) => assert!(row.is_some(), "it has an error in its midst"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), Some("22012"));
    assert!(rows.next().await.unwrap().is_none(), "an error is the end");
    assert!(connection.is_clean());
    // Without rows.
    let mut rows = connection.stream("UPDATE t SET name = name WHERE id = $1", &[&1]).await.unwrap();
    assert!(rows.next().await.unwrap().is_none());
}

async fn asides(connection: &Connection) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let (notices, notifications) = (Rc::clone(&heard), Rc::clone(&heard));
    connection.on_notice(move |notice| notices.borrow_mut().push(notice.message().to_owned()));
    connection.on_notification(move |notification| {
        notifications.borrow_mut().push(format!("{}: {}", notification.channel(), notification.payload()));
    });
    connection.batch_execute("DO $$ BEGIN RAISE NOTICE 'hear'; END $$; LISTEN news").await.unwrap();
    connection.execute("SELECT pg_notify('news', 'more')", &[]).await.unwrap();
    eventually("a notice and a notification", || heard.borrow().len() == 2).await;
    assert_eq!(*heard.borrow(), ["hear", "news: more"]);
    connection.batch_execute("SET application_name = 'renamed'").await.unwrap();
    assert_eq!(connection.parameter("application_name").as_deref(), Some("renamed"));
    assert_eq!(connection.parameter("server_encoding").as_deref(), Some("UTF8"));
}

async fn schema_changes(server: &PgServer) {
    let connection = connect(server).await;
    connection.batch_execute("CREATE TABLE s (a int); INSERT INTO s VALUES (1)").await.unwrap();
    assert_eq!(connection.query_one("SELECT * FROM s", &[]).await.unwrap().len(), 1);
    connection.batch_execute("ALTER TABLE s ADD b text").await.unwrap();
    assert_eq!(connection.query_one("SELECT * FROM s", &[]).await.unwrap().len(), 2);
    connection.batch_execute("ALTER TABLE s ALTER a TYPE bigint").await.unwrap();
    let mut batch = Batch::new();
    batch.push("INSERT INTO s VALUES (2)", &[]);
    batch.push("SELECT * FROM s", &[]);
    let answers = connection.batch(&batch).await.unwrap();
    let rows = answers.get(1).unwrap();
    assert_eq!((rows.len(), rows.first().unwrap().get::<i64>(0)), (2, 1), "the batch was executed once");
    // The server forgets all statements, and the connection with it.
    connection.batch_execute("DEALLOCATE ALL").await.unwrap();
    assert_eq!(connection.query_one("SELECT count(*) FROM s", &[]).await.unwrap().get::<i64>(0), 2);
    assert_eq!(connection.query_all("SELECT * FROM s", &[]).await.unwrap().len(), 2);
    assert!(connection.stats().retries >= 2, "{:?}", connection.stats());
    // Not in a transaction: what was done in it before is gone.
    connection.batch_execute("BEGIN; ALTER TABLE s ADD c int").await.unwrap();
    let error = connection.query_all("SELECT * FROM s", &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("0A000"));
    connection.batch_execute("ROLLBACK; BEGIN; ALTER TABLE s ADD c int").await.unwrap();
    assert_eq!(
        connection.query_all("SELECT * FROM s", &[]).await.unwrap().columns().len(),
        3,
        "it is prepared anew"
    );
    connection.batch_execute("ROLLBACK").await.unwrap();
}

async fn unnamed(server: &PgServer) {
    let mut config = config(server);
    config.connection.statements = StatementMode::Unnamed;
    let connection = Connection::connect(&config).await.unwrap();
    connection.batch_execute("CREATE TABLE u (a int)").await.unwrap();
    for n in 0..3 {
        assert_eq!(connection.execute("INSERT INTO u VALUES ($1)", &[&n]).await.unwrap(), 1);
    }
    assert_eq!(connection.query_all("SELECT * FROM u", &[]).await.unwrap().len(), 3);
    connection.batch_execute("ALTER TABLE u ADD b text DEFAULT 'x'").await.unwrap();
    connection.batch_execute("DISCARD ALL").await.unwrap();
    let rows = connection.query_all("SELECT * FROM u", &[]).await.unwrap();
    assert_eq!((rows.len(), rows.first().unwrap().get::<&str>("b")), (3, "x"), "it comes described");
    let mut batch = Batch::new();
    batch.push("SELECT a FROM u WHERE a = $1", &[&1]);
    batch.push("SELECT * FROM u", &[]);
    let answers = connection.batch(&batch).await.unwrap();
    assert_eq!(answers.get(0).unwrap().one().unwrap().get::<i32>("a"), 1);
    assert_eq!(answers.get(1).unwrap().first().unwrap().get::<&str>("b"), "x");
    let prepared =
        connection.query_one("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''", &[]).await;
    assert_eq!(prepared.unwrap().get::<i64>(0), 0);
    let mut rows = connection.stream("SELECT generate_series(1, $1)", &[&1000i32]).await.unwrap();
    let mut count = 0;
    while rows.next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 1000);
}

async fn cache_is_bounded(server: &PgServer) {
    let mut config = config(server);
    config.connection.statement_cache_max = 4;
    let connection = Connection::connect(&config).await.unwrap();
    for round in 0..3 {
        for n in 0..10 {
            let row = connection.query_one(&format!("SELECT {n}::int4"), &[]).await.unwrap();
            assert_eq!(row.get::<i32>(0), n, "round {round}");
        }
    }
    assert!(connection.prepared() <= 4);
    connection.idle().await;
    let count = connection.simple("SELECT count(*) FROM pg_prepared_statements").await.unwrap();
    assert_eq!(count[0].first().unwrap().text(0), Some("4"), "the server has forgotten the others");
    // All at once, more than there is room for.
    let tasks: Vec<_> = (0..200i32)
        .map(|n| {
            let connection = connection.clone();
            runtime::spawn(async move {
                let row = connection.query_one(&format!("SELECT {}::int4", n % 50), &[]).await?;
                assert_eq!(row.get::<i32>(0), n % 50);
                Ok::<(), PgError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    connection.idle().await;
    let before = connection.stats();
    connection.query_one("SELECT 49::int4", &[]).await.unwrap();
    connection.query_one("SELECT 49::int4", &[]).await.unwrap();
    assert!(connection.stats().cache_hits > before.cache_hits);
}

async fn deadlines(server: &PgServer) {
    let connection = connect(server).await;
    let slow = connection.query("SELECT pg_sleep(60)", &[]).deadline(Duration::from_millis(300));
    let error = slow.all().await.unwrap_err();
    assert!(error.is_deadline() && error.is_maybe_executed(), "{error}");
    // It was cancelled, and the connection goes on.
    assert_eq!(connection.query_one("SELECT 1", &[]).await.unwrap().get::<i32>(0), 1);
    assert!(connection.is_clean() && !connection.is_stuck());
    // So is one that nobody waits for any more.
    let mut config = config(server);
    config.connection.deadline = Some(Duration::from_millis(400));
    let connection = Connection::connect(&config).await.unwrap();
    let dropped =
        runtime::time::timeout(Duration::from_millis(50), connection.batch_execute("SELECT pg_sleep(60)"));
    assert!(dropped.await.is_err());
    let row = connection.query("SELECT 2", &[]).deadline(Duration::from_secs(30)).one().await.unwrap();
    assert_eq!((row.get::<i32>(0), connection.stats().cancels), (2, 1));
}
