//! The exchange from the startup message to the first `ReadyForQuery`.

use bytes::BytesMut;
use corelane_runtime::buf::Lease;
use corelane_runtime::net::Stream;
use postgres_protocol::message::frontend;

use super::Failure;
use super::step::Step;
use crate::postgres::config::{Config, Host, TargetSession};
use crate::postgres::error::Cause;
use crate::postgres::proto::{Decoder, Limits};

/// What a server may say before it has let us in: a real one says hundreds of bytes.
const LIMITS: Limits = Limits { message_bytes_max: 64 * 1024, control_bytes_max: 64 * 1024 };

/// Settings that a server may report; PostgreSQL 17 reports 15.
const PARAMETERS_MAX: usize = 256;

/// A connection on which nobody but this module speaks.
pub(super) struct Startup<'a> {
    stream: Stream,
    decoder: Decoder,
    unread: Option<Lease>,
    pub(super) config: &'a Config,
    pub(super) host: &'a Host,
    server: Server,
}

/// What a server says of itself.
#[derive(Default)]
pub(super) struct Server {
    pub(super) parameters: Vec<(String, String)>,
    pub(super) process_id: i32,
    pub(super) secret_key: Vec<u8>,
}

impl Server {
    fn report(&mut self, name: String, value: String) -> Result<(), Cause> {
        if let Some(known) = self.parameters.iter_mut().find(|(known, _)| *known == name) {
            known.1 = value;
        } else if self.parameters.len() == PARAMETERS_MAX {
            return Err(Cause::Unexpected("more settings than a server has"));
        } else {
            self.parameters.push((name, value));
        }
        Ok(())
    }
}

impl<'a> Startup<'a> {
    pub(super) fn new(stream: Stream, config: &'a Config, host: &'a Host) -> Startup<'a> {
        let decoder = Decoder::new(LIMITS);
        Startup { stream, decoder, unread: None, config, host, server: Server::default() }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) fn into_parts(self) -> (Stream, Option<Lease>, Server) {
        (self.stream, self.unread.filter(|lease| !lease.is_empty()), self.server)
    }

    /// Says who we are and proves it, and reads on until the server waits for a command.
    ///
    /// # Errors
    /// The cause.
    pub(super) async fn authenticate(mut self) -> Result<Startup<'a>, Failure> {
        let config = self.config;
        let mut parameters = vec![
            ("user", config.user.as_str()),
            ("database", config.database.as_str()),
            // All text is Rust's: UTF-8.
            ("client_encoding", "UTF8"),
        ];
        parameters.extend(config.application_name.as_deref().map(|name| ("application_name", name)));
        parameters.extend(config.options.as_deref().map(|options| ("options", options)));
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out).map_err(Cause::io)?;
        self.send(out).await?;

        let first = match self.next().await? {
            Step::Error(error) => {
                return Err(Failure { cause: Cause::Refused(error), is_before_authentication: true });
            }
            step => step,
        };
        self.prove(first).await?;
        self.until_ready().await?;
        Ok(self)
    }

    async fn until_ready(&mut self) -> Result<(), Cause> {
        loop {
            match self.next().await? {
                Step::Ready => return Ok(()),
                Step::Key { process_id, secret_key } => {
                    self.server.process_id = process_id;
                    self.server.secret_key = secret_key;
                }
                Step::PassOver => {}
                Step::Error(error) => return Err(Cause::Refused(error)),
                Step::Unexpected(what) => return Err(Cause::Unexpected(what)),
                _ => return Err(Cause::Unexpected("a message of authentication, after it")),
            }
        }
    }

    /// Whether the session is of the kind that is asked for.
    ///
    /// # Errors
    /// That it is not, or the connection's.
    pub(super) async fn check_session(&mut self, wanted: TargetSession) -> Result<(), Cause> {
        let refuse = |what: &'static str| Err(Cause::Session(what));
        match wanted {
            TargetSession::ReadWrite | TargetSession::ReadOnly => {
                // Not what the server reports of `default_transaction_read_only` alone: a standby is read-only too.
                let is_read_only = self.ask("SHOW transaction_read_only").await? == "on";
                match (wanted, is_read_only) {
                    (TargetSession::ReadWrite, true) => refuse("it is read-only"),
                    (TargetSession::ReadOnly, false) => refuse("it is not read-only"),
                    _ => Ok(()),
                }
            }
            TargetSession::Primary | TargetSession::Standby => {
                // Reported from PostgreSQL 14 on.
                let reported = self.server.parameters.iter().find(|(name, _)| name == "in_hot_standby");
                let is_standby = match reported {
                    Some((_, value)) => value == "on",
                    None => self.ask("SELECT pg_catalog.pg_is_in_recovery()").await? == "t",
                };
                match (wanted, is_standby) {
                    (TargetSession::Primary, true) => refuse("it is a standby"),
                    (TargetSession::Standby, false) => refuse("it is no standby"),
                    _ => Ok(()),
                }
            }
            TargetSession::Any | TargetSession::PreferStandby => Ok(()),
        }
    }

    /// The only value of a statement, as text.
    async fn ask(&mut self, sql: &str) -> Result<String, Cause> {
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out).map_err(Cause::io)?;
        self.send(out).await?;
        let mut value = None;
        loop {
            match self.next().await? {
                Step::Ready => break,
                Step::Row(Some(bytes)) => value = Some(bytes),
                Step::PassOver => {}
                Step::Error(error) => return Err(Cause::Refused(error)),
                _ => return Err(Cause::Unexpected("it answers a question with other than a row")),
            }
        }
        let text = value.and_then(|value| String::from_utf8(value).ok());
        text.ok_or(Cause::Unexpected("it answers a question without a text"))
    }

    pub(super) async fn send(&mut self, out: BytesMut) -> Result<(), Cause> {
        self.stream.send(out.freeze()).await.map_err(Cause::io)
    }

    /// The next message. Reported settings are kept on the way, up to a bound.
    pub(super) async fn next(&mut self) -> Result<Step, Cause> {
        loop {
            if let Some(lease) = &mut self.unread {
                let mut input = &lease[..];
                let decoded = self.decoder.decode(&mut input);
                let step = decoded.map_err(Cause::Protocol)?.map(Step::of);
                let used = lease.len() - input.len();
                lease.advance(used);
                match step {
                    Some(Step::Parameter(name, value)) => {
                        self.server.report(name, value)?;
                        continue;
                    }
                    Some(step) => return Ok(step),
                    None => self.unread = None,
                }
            }
            let lease = self.stream.recv().await.map_err(Cause::io)?;
            if lease.is_empty() {
                return Err(Cause::Eof);
            }
            self.unread = Some(lease);
        }
    }
}
