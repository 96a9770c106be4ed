//! A connection with one user at a time: handshakes, blocking commands, watched transactions.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use corelane_runtime::buf::Lease;
use corelane_runtime::net::Stream;
use corelane_runtime::time;

use super::config::{Config, Endpoint, Protocol, ReadFrom, Topology};
use super::error::Cause;
use super::finder::Finder;
use super::proto::{Command, Decoder, Reply, Value};
use super::transport::{self, Encryption};

/// A connection on which the handshake is done.
pub(super) struct Exclusive {
    stream: Stream,
    decoder: Decoder,
    /// Bytes received and not decoded.
    unread: Option<Lease>,
    /// Every command sent was answered. False while one is under way, and so for good if its future was dropped.
    in_step: bool,
}

impl Exclusive {
    /// Connects and greets the server.
    ///
    /// # Errors
    /// The cause, within the configured `connect_timeout`.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub(super) async fn open(target: &Target) -> Result<Exclusive, Cause> {
        let limit = target.config.connect_timeout;
        match time::timeout(limit, Exclusive::open_patiently(target)).await {
            Ok(opened) => opened,
            Err(_) => Err(Cause::ConnectTimeout(limit)),
        }
    }

    async fn open_patiently(target: &Target) -> Result<Exclusive, Cause> {
        let Target { config, endpoint, encryption, .. } = target;
        let stream = transport::connect(endpoint).await.map_err(Cause::io)?;
        let stream = encryption.wrap(stream, endpoint).await?;
        let decoder = Decoder::new(config.reply_limits);
        let mut connection = Exclusive { stream, decoder, unread: None, in_step: true };
        connection.greet(config).await?;
        Ok(connection)
    }

    /// `HELLO 3` with user and name in one, or the single commands with a server that does not know it.
    async fn greet(&mut self, config: &Config) -> Result<(), Cause> {
        let user = config.username.as_deref().unwrap_or("default");
        let mut greeted = false;
        if config.protocol == Protocol::Best {
            let mut hello = Command::new("HELLO").arg("3");
            if let Some(password) = &config.password {
                hello = hello.arg("AUTH").arg(user).arg(password.danger_reveal());
            }
            if let Some(name) = &config.client_name {
                hello = hello.arg("SETNAME").arg(name);
            }
            greeted = match self.exchange(&hello).await? {
                Value::Error(error) if matches!(error.code(), "ERR" | "NOPROTO") => false,
                Value::Error(error) => return Err(Cause::Refused(error)),
                Value::Map(_) | Value::Array(_) => true,
                _ => return Err(Cause::NotRedis("its answer to HELLO is no map")),
            };
        }
        if !greeted {
            if let Some(password) = &config.password {
                // One argument where no user was named: servers before Redis 6 know no users.
                let auth = Command::new("AUTH").arg(config.username.as_deref()).arg(password.danger_reveal());
                self.expect_ok(&auth).await?;
            }
            if let Some(name) = &config.client_name {
                self.expect_ok(&Command::new("CLIENT SETNAME").arg(name)).await?;
            }
        }
        if config.database != 0 {
            self.expect_ok(&Command::new("SELECT").arg(config.database)).await?;
        }
        if config.topology == Topology::Cluster && config.read_from == ReadFrom::Replica {
            // A primary takes no notice.
            self.expect_ok(&Command::new("READONLY")).await?;
        }
        if !greeted && config.password.is_none() && config.client_name.is_none() && config.database == 0 {
            // Nothing was said so far: make sure that somebody answers, and does not want a password.
            match self.exchange(&Command::new("PING")).await? {
                Value::Error(error) if error.code() == "NOAUTH" => return Err(Cause::Refused(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends a command that belongs to the handshake and must succeed, within the configured `connect_timeout`.
    pub(super) async fn insist(&mut self, command: &Command, config: &Config) -> Result<(), Cause> {
        let limit = config.connect_timeout;
        match time::timeout(limit, self.expect_ok(command)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Cause::ConnectTimeout(limit)),
        }
    }

    async fn expect_ok(&mut self, command: &Command) -> Result<(), Cause> {
        match self.exchange(command).await? {
            value if value.is_ok() => Ok(()),
            Value::Error(error) => Err(Cause::Refused(error)),
            _ => Err(Cause::NotRedis("it answers the handshake with other than OK")),
        }
    }

    /// Sends one command and waits for its reply. Pushes in between are thrown away.
    ///
    /// # Cancellation
    /// If dropped before it is done the connection is [out of step](Self::is_in_step).
    pub(super) async fn exchange(&mut self, command: &Command) -> Result<Value, Cause> {
        let mut out = Vec::new();
        command.write_to(&mut out);
        self.in_step = false;
        self.stream.send(out).await.map_err(Cause::io)?;
        let value = loop {
            if let Reply::Value(value) = self.next().await? {
                break value;
            }
        };
        self.in_step = true;
        Ok(value)
    }

    /// Sends several commands at once and waits for all replies.
    ///
    /// # Cancellation
    /// As [`exchange`](Self::exchange).
    pub(super) async fn exchange_all(&mut self, commands: &[Command]) -> Result<Vec<Value>, Cause> {
        let mut out = Vec::new();
        for command in commands {
            command.write_to(&mut out);
        }
        self.in_step = false;
        self.stream.send(out).await.map_err(Cause::io)?;
        let mut values = Vec::with_capacity(commands.len());
        while values.len() < commands.len() {
            if let Reply::Value(value) = self.next().await? {
                values.push(value);
            }
        }
        self.in_step = true;
        Ok(values)
    }

    /// The next reply or push.
    ///
    /// # Cancellation
    /// May be dropped at any time: nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Reply, Cause> {
        loop {
            if let Some(lease) = &mut self.unread {
                let mut input = &lease[..];
                let decoded = self.decoder.decode(&mut input);
                let used = lease.len() - input.len();
                lease.advance(used);
                match decoded.map_err(Cause::Protocol)? {
                    Some(reply) => return Ok(reply),
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

    /// True if the next reply is that of the next command.
    pub(super) fn is_in_step(&self) -> bool {
        self.in_step
            && self.decoder.is_between_replies()
            && self.unread.as_ref().is_none_or(|lease| lease.is_empty())
    }

    /// True if the peer has neither sent anything nor closed since the last reply. Costs no round trip.
    pub(super) fn is_quiet(&mut self) -> bool {
        let recv = pin!(self.stream.recv());
        // No byte is lost by the drop, and if there is one the connection is of no use.
        self.in_step && recv.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// What a connection for many users is made of.
    pub(super) fn into_parts(self) -> (Stream, Decoder, Option<Lease>) {
        (self.stream, self.decoder, self.unread.filter(|lease| !lease.is_empty()))
    }
}

/// Where and how to open connections to one server.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) config: Rc<Config>,
    /// The server, or the first one to ask where it is.
    pub(super) endpoint: Endpoint,
    pub(super) encryption: Encryption,
    /// Who knows where it is now, if it may be elsewhere each time.
    pub(super) finder: Option<Finder>,
}

impl Target {
    /// The first endpoint of the configuration, which is known to have one.
    pub(super) fn first(config: &Rc<Config>, encryption: &Encryption) -> Target {
        Target::at(config, config.endpoints[0].clone(), encryption)
    }

    pub(super) fn at(config: &Rc<Config>, endpoint: Endpoint, encryption: &Encryption) -> Target {
        Target { config: Rc::clone(config), endpoint, encryption: encryption.clone(), finder: None }
    }

    /// Connects and greets, after asking where if need be.
    ///
    /// # Errors
    /// The cause.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub(super) async fn open(&self) -> Result<Exclusive, Cause> {
        match &self.finder {
            None => Exclusive::open(self).await,
            Some(finder) => finder.open(self).await,
        }
    }
}
