//! What can go wrong with a statement.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::db_error::DbError;
use super::proto::DecodeError;

/// Why a statement has no result.
///
/// Ask it what you need to know: [`is_maybe_executed`](Self::is_maybe_executed) before trying again,
/// [`is_unavailable`](Self::is_unavailable) to answer 503, [`db`](Self::db) for what PostgreSQL said.
#[derive(Clone)]
pub struct PgError {
    kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// The server answered with an error.
    Server(Arc<DbError>),
    /// No answer by the deadline.
    Deadline { after: Duration, sent: bool },
    /// The connection ended before the answer.
    Lost { sent: bool, cause: Cause },
    /// There is no connection, and none is to be expected at once.
    Unavailable(Cause),
    /// Too much waits already.
    Overloaded { waiting_max: usize },
    /// The connection or the client was closed.
    Closed,
    /// The configuration is wrong.
    Settings(String),
    /// It cannot be done like this.
    Misuse(&'static str),
    /// A value is not what was asked for.
    Convert(Arc<ConvertError>),
    /// A parameter is not what the statement takes.
    Parameter(Arc<ParameterError>),
    /// So many parameters, and not as many as the statement has.
    ParameterCount { given: usize, wanted: usize },
    /// One row was asked for, or at most one.
    RowCount { exactly: bool, got: usize },
    /// The rows take more memory than allowed, in bytes.
    TooLarge { max: usize },
    /// A transaction was to be committed that had failed.
    RolledBack,
}

/// What ended a connection, or kept it from being made.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    Io(Arc<io::Error>),
    /// The server closed it.
    Eof,
    /// What was received is no message.
    Protocol(DecodeError),
    /// A message that does not belong there.
    Unexpected(&'static str),
    /// The server said so, and closed.
    Ended(Arc<DbError>),
    /// The server refused the startup.
    Refused(Arc<DbError>),
    /// Connecting took longer than this.
    ConnectTimeout(Duration),
    /// We do not do what the server asks for, or it has not proved what it should.
    Auth(Cow<'static, str>),
    /// The session is not of the kind that is asked for.
    Session(&'static str),
    /// What listens there is no PostgreSQL.
    NotPostgres(&'static str),
    /// Several hosts were tried: what each has said.
    Hosts(Arc<[(String, Cause)]>),
    /// A statement was over its deadline, was cancelled, and did not end within this.
    CancelUnanswered(Duration),
    /// Whoever used it for themselves has gone in the midst of something.
    Abandoned,
    /// We closed it.
    Closed,
}

/// A value that does not become what was asked for.
#[derive(Debug)]
pub(super) struct ConvertError {
    /// The column's name, or what was asked for in its place.
    pub(super) column: String,
    /// What there is, in PostgreSQL's words.
    pub(super) found: String,
    /// What was asked for, in Rust's.
    pub(super) wanted: &'static str,
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

/// A parameter that does not become what the statement takes.
#[derive(Debug)]
pub(super) struct ParameterError {
    /// Counted from one, as in `$1`.
    pub(super) number: usize,
    /// The type that the statement takes, in PostgreSQL's words.
    pub(super) wanted: String,
    pub(super) source: Box<dyn Error + Send + Sync>,
}

impl Cause {
    pub(super) fn io(error: io::Error) -> Cause {
        Cause::Io(Arc::new(error))
    }

    /// What the hosts that were tried have said.
    pub(super) fn hosts(mut causes: Vec<(String, Cause)>) -> Cause {
        match causes.len() {
            // Whoever configured one host knows it.
            1 => causes.remove(0).1,
            _ => Cause::Hosts(causes.into()),
        }
    }

    /// The last one's, of several hosts.
    fn last(&self) -> &Cause {
        match self {
            Cause::Hosts(causes) => causes.last().map_or(self, |(_, cause)| cause),
            _ => self,
        }
    }

    /// True if it is about us, whichever host is asked: the user, the password, the database.
    pub(super) fn refuses_us(&self) -> bool {
        match self {
            Cause::Auth(_) => true,
            Cause::Refused(error) => error.code().starts_with("28") || error.code() == "3D000",
            _ => false,
        }
    }

    /// True if the server's process is not there, or not ready for anybody: the try cost neither side anything.
    pub(super) fn is_absent(&self) -> bool {
        match self {
            Cause::Io(error) => {
                // Reset and broken: it was there, and has been killed since.
                matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::NotFound
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                )
            }
            Cause::Eof => true,
            // Starting up, shutting down, ended by a crash of another process.
            Cause::Refused(error) | Cause::Ended(error) => error.code().starts_with("57P"),
            Cause::Hosts(causes) => causes.iter().all(|(_, cause)| cause.is_absent()),
            _ => false,
        }
    }
}

impl PgError {
    pub(super) fn new(kind: Kind) -> PgError {
        PgError { kind }
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    fn cause(&self) -> Option<&Cause> {
        match &self.kind {
            Kind::Lost { cause, .. } | Kind::Unavailable(cause) => Some(cause.last()),
            _ => None,
        }
    }

    /// True if the server may have executed the statement, although there is no result: it was sent and not answered.
    /// False if it certainly was not, or if it was answered with an error, which undoes what it did.
    pub fn is_maybe_executed(&self) -> bool {
        match &self.kind {
            Kind::Deadline { sent, .. } | Kind::Lost { sent, .. } => *sent,
            // It was executed: the answer came, and is not what was asked for.
            Kind::Convert(_) | Kind::RowCount { .. } | Kind::TooLarge { .. } => true,
            _ => false,
        }
    }

    /// True if there was no answer by the deadline.
    pub fn is_deadline(&self) -> bool {
        matches!(self.kind, Kind::Deadline { .. })
    }

    /// True if PostgreSQL is away, too slow or too busy: what is worth answering with 503.
    pub fn is_unavailable(&self) -> bool {
        match &self.kind {
            Kind::Deadline { .. } | Kind::Lost { .. } | Kind::Unavailable(_) | Kind::Overloaded { .. } => {
                true
            }
            // Too many connections and the like; shutting down, starting up.
            Kind::Server(error) => error.code().starts_with("53") || error.code().starts_with("57P"),
            _ => false,
        }
    }

    /// True if so much waited already that this was not taken.
    pub fn is_overloaded(&self) -> bool {
        matches!(self.kind, Kind::Overloaded { .. })
    }

    /// True if the connection or the client was closed by its owner.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::Closed | Kind::Lost { cause: Cause::Closed, .. })
    }

    /// True if the connection ended while the statement waited for its answer.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self.kind, Kind::Lost { .. })
    }

    /// True if a value did not become what was asked for, or a parameter what the statement takes.
    pub fn is_conversion(&self) -> bool {
        matches!(self.kind, Kind::Convert(_) | Kind::Parameter(_) | Kind::ParameterCount { .. })
    }

    /// True if a transaction was to be committed in which a statement had failed: it was rolled back.
    pub fn is_rolled_back(&self) -> bool {
        matches!(self.kind, Kind::RolledBack)
    }

    /// True if there was not exactly one row, or not at most one, where that was asked for.
    pub fn is_row_count(&self) -> bool {
        matches!(self.kind, Kind::RowCount { .. })
    }

    /// True if what the server sent is not its protocol, or beyond a limit of it.
    pub fn is_protocol(&self) -> bool {
        matches!(self.cause(), Some(Cause::Protocol(_) | Cause::Unexpected(_) | Cause::NotPostgres(_)))
    }

    /// True if the server refused the user or the password, or if we do not prove ourselves in the way it asks for.
    pub fn is_auth(&self) -> bool {
        self.has_class("28") || matches!(self.cause(), Some(Cause::Auth(_)))
    }

    /// True if a transaction could not be put in order with others and is worth repeating from its start (40001).
    pub fn is_serialization_failure(&self) -> bool {
        self.sqlstate() == Some("40001")
    }

    /// True if the server ended a transaction because it and others waited for each other (40P01): worth repeating.
    pub fn is_deadlock(&self) -> bool {
        self.sqlstate() == Some("40P01")
    }

    /// True if a row with this key is there already (23505); [`DbError::constraint`] tells which key.
    pub fn is_unique_violation(&self) -> bool {
        self.sqlstate() == Some("23505")
    }

    /// True if a row that is referred to is not there, or one that is to go is referred to (23503).
    pub fn is_foreign_key_violation(&self) -> bool {
        self.sqlstate() == Some("23503")
    }

    fn has_class(&self, class: &str) -> bool {
        self.sqlstate().is_some_and(|code| code.starts_with(class))
    }

    /// What PostgreSQL answered, if it did.
    pub fn db(&self) -> Option<&DbError> {
        match (&self.kind, self.cause()) {
            (Kind::Server(error), _) | (_, Some(Cause::Refused(error) | Cause::Ended(error))) => Some(error),
            _ => None,
        }
    }

    /// The [SQLSTATE](https://www.postgresql.org/docs/current/errcodes-appendix.html) of that.
    pub fn sqlstate(&self) -> Option<&str> {
        self.db().map(DbError::code)
    }
}

impl From<super::ConfigError> for PgError {
    fn from(error: super::ConfigError) -> PgError {
        PgError::new(Kind::Settings(error.to_string()))
    }
}

impl From<DbError> for PgError {
    fn from(error: DbError) -> PgError {
        PgError::new(Kind::Server(Arc::new(error)))
    }
}

impl fmt::Debug for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PgError").field(&self.kind).finish()
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let executed = |sent: bool| if sent { "it may have been executed" } else { "it was not sent" };
        match &self.kind {
            Kind::Server(error) => write!(f, "postgresql answered: {error}"),
            Kind::Deadline { after, sent } => {
                write!(f, "no answer from postgresql within {} ms; {}", after.as_millis(), executed(*sent))
            }
            Kind::Lost { sent, .. } => {
                write!(f, "the connection to postgresql ended before the answer; {}", executed(*sent))
            }
            Kind::Unavailable(_) => f.write_str("postgresql is not available"),
            Kind::Overloaded { waiting_max } => {
                write!(f, "{waiting_max} wait for postgresql already, which is the limit")
            }
            Kind::Closed => f.write_str("the connection to postgresql was closed"),
            Kind::Settings(what) => f.write_str(what),
            Kind::Misuse(what) => f.write_str(what),
            Kind::RolledBack => {
                f.write_str("a statement of the transaction had failed: it was rolled back, not committed")
            }
            Kind::Convert(error) => {
                let ConvertError { column, found, wanted, .. } = &**error;
                write!(f, "column {column}: {found} does not become a {wanted}")
            }
            Kind::Parameter(error) => {
                write!(f, "parameter ${} does not become a {}: {}", error.number, error.wanted, error.source)
            }
            Kind::ParameterCount { given, wanted } => {
                write!(f, "the statement takes {wanted} parameters, and {given} were given")
            }
            Kind::RowCount { exactly, got } => {
                let wanted = if *exactly { "one row was" } else { "at most one row was" };
                write!(f, "{wanted} asked for, and {got} came")
            }
            Kind::TooLarge { max } => {
                write!(
                    f,
                    "the rows take more than rows_bytes_max, {max} bytes: raise it, ask for less or stream them"
                )
            }
        }
    }
}

impl Error for PgError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Server(error) => Some(&**error),
            Kind::Convert(error) => error.source.as_deref().map(|source| source as &(dyn Error + 'static)),
            Kind::Parameter(error) => Some(&*error.source),
            Kind::Lost { cause, .. } | Kind::Unavailable(cause) => Some(cause),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Io(error) => error.fmt(f),
            Cause::Eof => f.write_str("the server closed the connection"),
            Cause::Protocol(error) => error.fmt(f),
            Cause::Unexpected(what) => write!(f, "the server sent what does not belong there: {what}"),
            Cause::Ended(error) => write!(f, "the server ended the connection: {error}"),
            Cause::Refused(error) => write!(f, "the server refused the connection: {error}"),
            Cause::ConnectTimeout(time) => write!(f, "no connection within {} ms", time.as_millis()),
            Cause::Auth(why) => f.write_str(why),
            Cause::Session(what) => write!(f, "target_session_attrs asks for another session: {what}"),
            Cause::NotPostgres(what) => write!(f, "this is no PostgreSQL server: {what}"),
            Cause::Hosts(causes) => {
                f.write_str("no host would do")?;
                causes.iter().try_for_each(|(host, cause)| write!(f, "; {host}: {cause}"))
            }
            Cause::CancelUnanswered(time) => {
                write!(
                    f,
                    "a statement over its deadline did not end within {} ms of being cancelled",
                    time.as_millis()
                )
            }
            Cause::Abandoned => f.write_str("its user went away in the midst of a transfer"),
            Cause::Closed => f.write_str("it was closed from this side"),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Cause::Io(error) => Some(&**error),
            Cause::Protocol(error) => Some(error),
            Cause::Refused(error) | Cause::Ended(error) => Some(&**error),
            Cause::Hosts(causes) => causes.last().map(|(_, cause)| cause as &(dyn Error + 'static)),
            _ => None,
        }
    }
}
