//! What can go wrong with a command.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::proto::{ConvertError, DecodeError, ErrorReply};

/// Why a command has no result.
///
/// Ask it what you need to know: [`is_maybe_executed`](Self::is_maybe_executed) before trying again,
/// [`is_unavailable`](Self::is_unavailable) to answer 503, [`server`](Self::server) for what Redis said.
#[derive(Clone)]
pub struct RedisError {
    kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// The server answered with an error.
    Server(ErrorReply),
    /// The reply is not what was asked for.
    Convert(ConvertError),
    /// No reply by the deadline.
    Deadline { after: Duration, sent: bool },
    /// The connection ended before the reply.
    Lost { sent: bool, cause: Cause },
    /// There is no connection, and none is to be expected at once.
    Unavailable(Cause),
    /// Too many commands wait already.
    Overloaded { waiting_max: usize },
    /// A subscriber would have too many channels and patterns.
    Topics { topics_max: usize },
    /// `EXEC` answered null: a watched key has changed.
    Conflict,
    /// The client was closed.
    Closed,
    /// The keys of one command are in different slots of a cluster.
    CrossSlot,
    /// Sent from one server of a cluster to the next too often.
    Redirected { times: u32, last: ErrorReply },
    /// Of several parts of a request at least one failed like this.
    Partial(Box<RedisError>),
    /// The URL is wrong.
    Url(super::url::UrlError),
    /// The configuration asks for what is not to be had.
    Settings(String),
    /// The command cannot be sent like this.
    Misuse(&'static str),
}

/// What ended a connection, or kept it from being made.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    Io(Arc<io::Error>),
    /// The server closed it.
    Eof,
    Protocol(DecodeError),
    /// A reply to nothing.
    Unasked,
    /// Nothing was heard for so long.
    Silent(Duration),
    /// Connecting took longer than this.
    ConnectTimeout(Duration),
    /// The server refused the handshake.
    Refused(ErrorReply),
    /// What the handshake was answered with is not Redis.
    NotRedis(&'static str),
    /// What it says about its cluster is of no use.
    Map(&'static str),
    /// What a sentinel says about its service is of no use, or no longer true.
    Sentinel(&'static str),
}

impl Cause {
    pub(super) fn io(error: io::Error) -> Cause {
        Cause::Io(Arc::new(error))
    }

    /// True if the server's process is not there, or another one is asked for: the try cost neither side anything.
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
            // A failover is under way; the next answer may be another.
            Cause::Eof | Cause::Sentinel(_) => true,
            _ => false,
        }
    }
}

impl RedisError {
    pub(super) fn new(kind: Kind) -> RedisError {
        RedisError { kind }
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The error of one part of a request, for the whole.
    pub(super) fn into_partial(self) -> RedisError {
        RedisError::new(Kind::Partial(Box::new(self)))
    }

    /// True if the server may have executed the command, although there is no result: it was sent and
    /// not answered. False if it was certainly not, or if it was answered, with an error.
    pub fn is_maybe_executed(&self) -> bool {
        match &self.kind {
            Kind::Deadline { sent, .. } | Kind::Lost { sent, .. } => *sent,
            // It was executed: the reply came, and is of another type.
            Kind::Convert(_) => true,
            // The other parts may have been.
            Kind::Partial(_) => true,
            _ => false,
        }
    }

    /// True if there was no reply by the deadline.
    pub fn is_deadline(&self) -> bool {
        matches!(self.whole(), Kind::Deadline { .. })
    }

    /// True if Redis is away, too slow, too busy, or still being loaded: what is worth answering with 503.
    pub fn is_unavailable(&self) -> bool {
        match self.whole() {
            Kind::Deadline { .. }
            | Kind::Lost { .. }
            | Kind::Unavailable(_)
            | Kind::Overloaded { .. }
            | Kind::Redirected { .. } => true,
            Kind::Server(error) => {
                matches!(error.code(), "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "TRYAGAIN")
            }
            _ => false,
        }
    }

    /// True if the keys of a command, or of a transaction, are in different slots of a cluster and nothing was sent.
    /// Keys with a common `{tag}` are in the same one.
    pub fn is_cross_slot(&self) -> bool {
        match &self.kind {
            Kind::CrossSlot => true,
            Kind::Server(error) => error.code() == "CROSSSLOT",
            _ => false,
        }
    }

    /// The kind, of a part that failed if it was one.
    fn whole(&self) -> &Kind {
        match &self.kind {
            Kind::Partial(part) => part.whole(),
            kind => kind,
        }
    }

    /// True if this one was not taken because of a bound of the client: so many commands waited, or a subscriber would
    /// have had so many channels.
    pub fn is_overloaded(&self) -> bool {
        matches!(self.whole(), Kind::Overloaded { .. } | Kind::Topics { .. })
    }

    /// True if the connection ended while the command waited for its reply.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self.whole(), Kind::Lost { .. })
    }

    /// True if the reply was of another type than the caller asked for.
    pub fn is_conversion(&self) -> bool {
        matches!(self.kind, Kind::Convert(_))
    }

    /// True if a transaction was not executed, because a key it watched has changed.
    pub fn is_conflict(&self) -> bool {
        matches!(self.kind, Kind::Conflict)
    }

    /// True if what the server sent is not RESP, or beyond the [`Limits`](super::Limits) of a reply.
    pub fn is_protocol(&self) -> bool {
        matches!(
            self.whole(),
            Kind::Lost { cause: Cause::Protocol(_) | Cause::Unasked, .. }
                | Kind::Unavailable(Cause::Protocol(_) | Cause::NotRedis(_) | Cause::Map(_))
        )
    }

    /// True if the server refused the user name or password.
    pub fn is_auth(&self) -> bool {
        let error = match self.whole() {
            Kind::Server(error) | Kind::Unavailable(Cause::Refused(error)) => error,
            _ => return false,
        };
        matches!(error.code(), "NOAUTH" | "WRONGPASS" | "NOPERM")
    }

    /// The error that the server answered with.
    pub fn server(&self) -> Option<&ErrorReply> {
        match self.whole() {
            Kind::Server(error)
            | Kind::Unavailable(Cause::Refused(error))
            | Kind::Redirected { last: error, .. } => Some(error),
            Kind::Convert(error) => error.server(),
            _ => None,
        }
    }

    /// The code of the server's error, such as `WRONGTYPE`; empty if it is none.
    pub fn code(&self) -> &str {
        self.server().map_or("", ErrorReply::code)
    }
}

impl fmt::Debug for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisError").field(&self.kind).finish()
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let executed = |sent: bool| if sent { "it may have been executed" } else { "it was not sent" };
        match &self.kind {
            Kind::Server(error) => write!(f, "redis answered: {error}"),
            Kind::Convert(_) => f.write_str("the reply is of another type"),
            Kind::Deadline { after, sent } => {
                write!(f, "no reply from redis within {} ms; {}", after.as_millis(), executed(*sent))
            }
            Kind::Lost { sent, .. } => {
                write!(f, "the connection to redis ended before the reply; {}", executed(*sent))
            }
            Kind::Unavailable(_) => f.write_str("redis is not available"),
            Kind::Overloaded { waiting_max } => {
                write!(f, "{waiting_max} commands wait for redis already, which is waiting_max")
            }
            Kind::Topics { topics_max } => {
                write!(
                    f,
                    "the subscriber would have more than topics_max, {topics_max} channels and patterns"
                )
            }
            Kind::Conflict => f.write_str("a watched key has changed: the transaction was not executed"),
            Kind::Closed => f.write_str("the redis client was closed"),
            Kind::CrossSlot => f.write_str(
                "the keys are in different slots of the cluster, and nothing was sent: give them a common {tag}, or send a command for each",
            ),
            Kind::Redirected { times, .. } => {
                write!(f, "the cluster sent the command from one server to the next {times} times, which is redirects_max")
            }
            Kind::Partial(_) => f.write_str("a part of the request failed; other parts may have been executed"),
            Kind::Url(error) => error.fmt(f),
            Kind::Settings(what) => f.write_str(what),
            Kind::Misuse(what) => f.write_str(what),
        }
    }
}

impl Error for RedisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Server(error) => Some(error),
            Kind::Convert(error) => Some(error),
            Kind::Redirected { last, .. } => Some(last),
            Kind::Partial(part) => Some(&**part),
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
            Cause::Unasked => f.write_str("the server answered more than it was asked"),
            Cause::Silent(time) => write!(f, "nothing was heard for {} ms", time.as_millis()),
            Cause::ConnectTimeout(time) => write!(f, "no connection within {} ms", time.as_millis()),
            Cause::Refused(error) => write!(f, "the server refused the handshake: {error}"),
            Cause::NotRedis(what) => write!(f, "this is no redis server: {what}"),
            Cause::Sentinel(what) => write!(f, "by what the sentinel says: {what}"),
            Cause::Map(what) => write!(f, "what the server says about its cluster is of no use: {what}"),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Cause::Io(error) => Some(&**error),
            Cause::Protocol(error) => Some(error),
            Cause::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConvertError> for RedisError {
    fn from(error: ConvertError) -> RedisError {
        // An error of the server among the elements of a reply is the server's, not a matter of types.
        match error.server() {
            Some(server) => RedisError::new(Kind::Server(server.clone())),
            None => RedisError::new(Kind::Convert(error)),
        }
    }
}
