//! One connection and the handle on it.

mod call;
mod channel;
mod prepare;
mod query;
mod stream;
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use corelane_runtime::{spawn, time};
use postgres_types::{ToSql, Type};

pub(super) use self::channel::Channel;
pub use self::query::Query;
pub use self::stream::RowStream;

use super::batch::Batch;
use super::cache::Cache;
use super::config::Config;
use super::connect::{self, CancelToken, Established};
use super::db_error::DbError;
use super::encode;
use super::error::{Cause, Kind, PgError};
use super::notification::Notification;
use super::options::Options;
use super::proto::{Decoder, Status};
use super::row::Row;
use super::rows::{BatchRows, Rows};
use super::statement::Statement;
use super::stats::Stats;
use super::wire::{Ask, Heard, Reply, Wire};

/// A connection. Clones share it; the last one closes it.
///
/// Any number of calls may be under way at once: what one turn of the core issues leaves in one write, and the answers are
/// told apart by their order. Each call is a transaction of its own as far as the server is concerned, and its error is its own.
/// Who opens a transaction (`BEGIN`) or changes the session should be the only one to use the connection meanwhile.
///
/// ```no_run
/// use corelane_storage::postgres::{Config, Connection};
///
/// # async fn example() -> Result<(), corelane_storage::postgres::PgError> {
/// let config = Config::parse("postgres://app@127.0.0.1/shop")?;
/// let connection = Connection::connect(&config).await?;
/// let row = connection.query_one("SELECT count(*) FROM orders WHERE customer = $1", &[&17]).await?;
/// println!("{} orders", row.get::<i64>(0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Connection {
    inner: Rc<Inner>,
    _alive: Rc<Alive>,
}

/// What the tasks of a connection hold. They do not keep it open.
struct Inner {
    wire: RefCell<Wire>,
    cache: RefCell<Cache>,
    /// Types that are not built in, by their number.
    types: RefCell<Vec<Type>>,
    options: Rc<Options>,
    process_id: i32,
    cancel: CancelToken,
    /// Statements are written here before they are queued: a parameter's code may do anything, so nothing is borrowed meanwhile.
    scratch: Cell<BytesMut>,
    /// Kept, so that waking needs no allocation.
    spare_wakes: Cell<Vec<Waker>>,
    on_notice: RefCell<Option<NoticeHook>>,
    on_notification: RefCell<Option<NotificationHook>>,
    /// Statements were executed that may have changed the session.
    is_touched: Cell<bool>,
    /// Such a statement is among those prepared, and may be executed at any time.
    may_touch: Cell<bool>,
}

type NoticeHook = Rc<dyn Fn(&DbError)>;
type NotificationHook = Rc<dyn Fn(&Notification)>;

struct Alive(Rc<Inner>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.with(Wire::close);
    }
}

impl Connection {
    /// Connects as `config` says.
    ///
    /// # Errors
    /// [`is_unavailable`](PgError::is_unavailable) if no host lets us in within its
    /// [`connect_timeout`](Config::connect_timeout); a fault of the configuration.
    ///
    /// # Panics
    /// If the caller is not on a core.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub async fn connect(config: &Config) -> Result<Connection, PgError> {
        Connection::start(connect::open(config).await?, config.connection.clone())
    }

    /// Takes over a connection on which the startup is done.
    ///
    /// # Errors
    /// If its stream cannot be divided.
    pub(super) fn start(established: Established, options: Options) -> Result<Connection, PgError> {
        let Established { stream, unread, parameters, process_id, cancel, host: _ } = established;
        let decoder = Decoder::new(options.message_limits);
        let options = Rc::new(options);
        let closer = stream.close_handle();
        let (receiver, sender) =
            stream.split().map_err(|error| PgError::new(Kind::Unavailable(Cause::io(error))))?;
        let mut wire = Wire::new(Rc::clone(&options), Some(closer));
        for (name, value) in &parameters {
            wire.set_parameter(name, value);
        }
        let inner = Rc::new(Inner {
            wire: RefCell::new(wire),
            cache: RefCell::new(Cache::new(options.statement_cache_max)),
            types: RefCell::default(),
            options,
            process_id,
            cancel,
            scratch: Cell::default(),
            spare_wakes: Cell::default(),
            on_notice: RefCell::default(),
            on_notification: RefCell::default(),
            is_touched: Cell::new(false),
            may_touch: Cell::new(false),
        });
        drop(spawn(tasks::read(Rc::clone(&inner), receiver, decoder, unread)));
        drop(spawn(tasks::write(Rc::clone(&inner), sender)));
        drop(spawn(tasks::keep_time(Rc::clone(&inner))));
        let alive = Rc::new(Alive(Rc::clone(&inner)));
        Ok(Connection { inner, _alive: alive })
    }

    /// A statement to execute, with how long it may take and what is wanted of it still to be said.
    pub fn query<'a>(&'a self, sql: &'a str, params: &'a [&'a dyn ToSql]) -> Query<'a> {
        Query::new(self, sql, params)
    }

    /// Executes a statement that gives exactly one row. `$1`, `$2` in it stand for `params`.
    ///
    /// # Errors
    /// [`PgError`]: the server's error, [another number of rows](PgError::is_row_count), a parameter of another type, no
    /// answer by the [deadline](Options::deadline), the end of the connection.
    ///
    /// # Cancellation
    /// May be dropped at any time. Before it is first polled nothing was sent; after that the server may execute it, and its
    /// answer is thrown away.
    pub async fn query_one(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Row, PgError> {
        self.query(sql, params).one().await
    }

    /// Executes a statement that gives one row or none.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn query_opt(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Option<Row>, PgError> {
        self.query(sql, params).opt().await
    }

    /// Executes a statement; all rows that it gives, up to [`Options::rows_bytes_max`] of them.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn query_all(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Rows, PgError> {
        self.query(sql, params).all().await
    }

    /// Executes a statement; how many rows it was about.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn execute(&self, sql: &str, params: &[&dyn ToSql]) -> Result<u64, PgError> {
        self.query(sql, params).execute().await
    }

    /// Executes many statements, for which the server answers once: see [`Batch`].
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one). Outside a transaction nothing of the batch was done then.
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one): all of it is executed, or nothing.
    pub async fn batch(&self, batch: &Batch<'_>) -> Result<BatchRows, PgError> {
        call::batch(self, batch, self.patience()).await
    }

    /// As [`batch`](Self::batch), with a deadline of its own; `None` for as long as the connection lives.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    ///
    /// # Cancellation
    /// As [`batch`](Self::batch).
    pub async fn batch_within(
        &self,
        batch: &Batch<'_>,
        patience: Option<Duration>,
    ) -> Result<BatchRows, PgError> {
        call::batch(self, batch, patience).await
    }

    /// Executes statements without parameters, divided by semicolons, by the simple protocol. The rows are thrown away.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn batch_execute(&self, sql: &str) -> Result<(), PgError> {
        call::simple(self, sql, false, self.patience()).await.map(drop)
    }

    /// As [`batch_execute`](Self::batch_execute), with a deadline of its own; `None` for as long as the connection lives.
    ///
    /// # Errors
    /// As [`batch_execute`](Self::batch_execute).
    ///
    /// # Cancellation
    /// As [`batch_execute`](Self::batch_execute).
    pub async fn batch_execute_within(&self, sql: &str, patience: Option<Duration>) -> Result<(), PgError> {
        call::simple(self, sql, false, patience).await.map(drop)
    }

    /// As [`batch_execute`](Self::batch_execute), and gives what each statement gave. The values are text: read them
    /// with [`Row::text`].
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn simple(&self, sql: &str) -> Result<Vec<Rows>, PgError> {
        call::simple(self, sql, true, self.patience()).await
    }

    /// Issues statements of the simple protocol that nobody waits for. Whether they were executed shows in
    /// [`status`](Self::status), once [nothing is in flight](Self::idle).
    pub(super) fn post(&self, sql: &str) {
        let mut out = BytesMut::new();
        if encode::simple(sql, &mut out).is_err() {
            return;
        }
        self.inner.with(|wire| {
            let deadline = self.patience().and_then(|patience| time::now().checked_add(patience));
            // It is over, or too much waits: the connection is not clean then, and whoever looks after it will see.
            if let Ok(slot) = wire.submit(Ask::Simple { keep: false }, &out, time::now(), deadline) {
                wire.give_up(slot);
            }
        });
    }

    /// Prepares a statement, or finds it prepared: its parameters and columns.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// May be dropped at any time; it is prepared all the same.
    pub async fn prepare(&self, sql: &str) -> Result<Rc<Statement>, PgError> {
        let deadline = self.patience().and_then(|patience| time::now().checked_add(patience));
        prepare::statement(self, sql, deadline).await
    }

    /// Executes a statement whose rows come as they are taken: neither this side nor the server holds more than a few
    /// hundred kilobytes of them. Until the stream is at its end or dropped, other calls on this connection wait.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one). Errors of the execution come from the stream.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn stream(&self, sql: &str, params: &[&dyn ToSql]) -> Result<RowStream, PgError> {
        stream::open(self, sql, params).await
    }

    /// Takes the connection's wire, once it is its turn.
    pub(super) async fn channel(&self) -> Result<Channel, PgError> {
        Channel::open(self, self.patience()).await
    }

    /// True if the session may differ from a new one, as far as the statements' texts tell.
    pub(super) fn is_touched(&self) -> bool {
        self.inner.is_touched.get() || self.inner.may_touch.get()
    }

    /// The session is like a new one.
    pub(super) fn clear_touched(&self) {
        self.inner.is_touched.set(false);
    }

    /// How many handles on this connection there are.
    pub(super) fn handles(&self) -> usize {
        Rc::strong_count(&self._alive)
    }

    /// Whether a transaction is open, as of the last answer.
    pub fn status(&self) -> Status {
        self.inner.wire.borrow().status()
    }

    /// True if the connection is as good as new, but for the settings of its session: open, nothing under way or waiting, no
    /// transaction.
    pub fn is_clean(&self) -> bool {
        self.inner.wire.borrow().is_clean()
    }

    /// True until it has ended, or begun to.
    pub fn is_open(&self) -> bool {
        self.inner.wire.borrow().is_open()
    }

    /// True while a statement that is over its deadline keeps the server busy. Calls behind it wait.
    pub fn is_stuck(&self) -> bool {
        self.inner.wire.borrow().is_stuck()
    }

    /// Calls that were sent and not answered, those included that were given up.
    pub fn in_flight(&self) -> usize {
        self.inner.wire.borrow().in_flight()
    }

    /// Calls that wait for room.
    pub fn waiting(&self) -> usize {
        self.inner.wire.borrow().waiting()
    }

    /// Bytes that the kernel has not taken.
    pub fn queued_bytes(&self) -> usize {
        self.inner.wire.borrow().queued_bytes()
    }

    /// Statements that are kept prepared.
    pub fn prepared(&self) -> usize {
        self.inner.cache.borrow().len()
    }

    /// What this connection has done.
    pub fn stats(&self) -> Stats {
        self.inner.wire.borrow().stats
    }

    /// A setting that the server reports: `server_version`, `TimeZone`,
    /// [and others](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC).
    pub fn parameter(&self, name: &str) -> Option<Rc<str>> {
        self.inner.wire.borrow().parameter(name)
    }

    /// The server's process for this connection, as `pg_stat_activity` names it.
    pub fn process_id(&self) -> i32 {
        self.inner.process_id
    }

    /// The bounds it was made with.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Waits until nothing is in flight or waiting any more; until the end, if that comes first.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn idle(&self) {
        poll_fn(|cx| self.inner.wire.borrow_mut().poll_idle(cx)).await;
    }

    /// Waits for the end of the connection; why it came.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn closed(&self) -> PgError {
        let cause = poll_fn(|cx| self.inner.wire.borrow_mut().poll_over(cx)).await;
        PgError::new(match cause {
            Cause::Closed => Kind::Closed,
            cause => Kind::Unavailable(cause),
        })
    }

    /// Ends the connection. What is under way fails, and [may have been executed](PgError::is_maybe_executed).
    pub fn close(&self) {
        self.inner.with(Wire::close);
    }

    /// Asks the server to cancel what it is doing for this connection. Whether it does shows in the answer.
    ///
    /// # Errors
    /// If the request could not be sent.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn cancel(&self) -> Result<(), PgError> {
        self.inner.cancel.cancel().await
    }

    /// Calls `hook` for what others `NOTIFY`, once this connection does `LISTEN`. It replaces the one before. It must not
    /// take long: nothing is received meanwhile.
    pub fn on_notification(&self, hook: impl Fn(&Notification) + 'static) {
        let _replaced = self.inner.on_notification.replace(Some(Rc::new(hook)));
    }

    /// Calls `hook` for warnings and other notices. It replaces the one before. Without one they are logged as events
    /// of the level debug.
    pub fn on_notice(&self, hook: impl Fn(&DbError) + 'static) {
        let _replaced = self.inner.on_notice.replace(Some(Rc::new(hook)));
    }

    fn patience(&self) -> Option<Duration> {
        self.inner.options.deadline
    }
}

impl Inner {
    /// Runs `f` on the state, then wakes whom it says to wake: a waker may run anything.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Wire) -> R) -> R {
        let mut wire = self.wire.borrow_mut();
        let result = f(&mut wire);
        if wire.wakes.is_empty() {
            return result;
        }
        let mut wakes = std::mem::replace(&mut wire.wakes, self.spare_wakes.take());
        drop(wire);
        for waker in wakes.drain(..) {
            waker.wake();
        }
        self.spare_wakes.set(wakes);
        result
    }

    /// Tells hooks what is nobody's answer.
    #[cold]
    fn tell(&self, heard: Vec<Heard>) {
        for heard in heard {
            match heard {
                Heard::Notice(notice) => {
                    let hook = self.on_notice.borrow().clone();
                    match hook {
                        Some(hook) => hook(&notice),
                        None => tracing::debug!(notice = %notice, "postgresql says"),
                    }
                }
                Heard::Notification(notification) => {
                    let hook = self.on_notification.borrow().clone();
                    if let Some(hook) = hook {
                        hook(&notification);
                    }
                }
            }
        }
    }

    /// Gives up a prepared statement on the server.
    fn close_statement(&self, statement: &Statement) {
        if statement.name.is_empty() {
            return;
        }
        let mut out = BytesMut::new();
        encode::close(&statement.name, &mut out);
        self.with(|wire| {
            if let Ok(slot) = wire.submit(Ask::Close, &out, time::now(), None) {
                wire.give_up(slot);
            }
        });
    }
}

/// When a call is over its deadline. A patience beyond the clock's end is none.
fn deadline_of(patience: Option<Duration>, now: Instant) -> Option<Instant> {
    patience.and_then(|patience| now.checked_add(patience))
}

impl Reply {
    fn into_rows(self) -> BatchRows {
        match self {
            Reply::Rows(rows) => rows,
            _ => unreachable!("a call's answer is of its kind"),
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("process_id", &self.process_id())
            .field("open", &self.is_open())
            .field("status", &self.status())
            .field("in_flight", &self.in_flight())
            .finish()
    }
}
