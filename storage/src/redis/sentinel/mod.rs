//! Sentinels: who is the primary of a service now, and who its replicas are.
//!
//! As the [guidelines for clients](https://redis.io/docs/latest/develop/reference/sentinel-clients/) have it: the sentinels
//! are asked one after the other, the one that answered last first; the server they name is asked for its role before it
//! is used; and that again with every new connection. A message of theirs (`+switch-master`) ends a connection to a
//! primary that is none any more, should it not have noticed.

mod answer;
mod watch;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::time;

use super::config::{Config, Endpoint, Topology};
use super::error::Cause;
use super::exclusive::{Exclusive, Target};
use super::finder::Finder;
use super::proto::{Command, Value};
use super::transport::Encryption;

pub(super) use self::watch::Watch;

/// Longest that one sentinel is asked, connecting included, before the next one is.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Primary,
    Replica,
    /// A sentinel itself.
    Sentinel,
}

/// The sentinels of one service.
pub(super) struct Sentinels {
    service: String,
    config: Rc<Config>,
    /// For connections to the sentinels themselves.
    asking: Rc<Config>,
    encryption: Encryption,
    /// The one that answered last comes first.
    known: RefCell<Vec<Endpoint>>,
    /// The primary that was connected to last.
    primary: RefCell<Option<Endpoint>>,
    /// Whose turn it is among the replicas.
    turn: Cell<usize>,
}

impl Sentinels {
    /// Those of `config`, whose topology is [`Topology::Sentinel`].
    pub(super) fn new(config: Rc<Config>, encryption: Encryption) -> Rc<Sentinels> {
        let service = match &config.topology {
            Topology::Sentinel { service } => service.clone(),
            _ => unreachable!("it was looked at"),
        };
        let mut asking = Config::clone(&config);
        asking.username.clone_from(&config.sentinel_username);
        asking.password.clone_from(&config.sentinel_password);
        asking.database = 0;
        asking.connect_timeout = config.connect_timeout.min(ANSWER_MAX);
        Rc::new(Sentinels {
            service,
            known: RefCell::new(config.endpoints.clone()),
            asking: Rc::new(asking),
            config,
            encryption,
            primary: RefCell::default(),
            turn: Cell::new(0),
        })
    }

    /// For connections that each time go to what is wanted then.
    pub(super) fn target(self: &Rc<Sentinels>, wanted: Wanted) -> Target {
        let config = if wanted == Wanted::Sentinel { &self.asking } else { &self.config };
        let mut target = Target::first(config, &self.encryption);
        target.finder = Some(Finder::Sentinel(Rc::clone(self), wanted));
        target
    }

    /// Connects to what is wanted.
    ///
    /// # Errors
    /// Why the last server that was tried is of no use, within the configured `connect_timeout`.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub(super) async fn open(&self, wanted: Wanted) -> Result<Exclusive, Cause> {
        let limit = self.config.connect_timeout;
        match time::timeout(limit, self.open_patiently(wanted)).await {
            Ok(opened) => opened,
            Err(_) => Err(Cause::ConnectTimeout(limit)),
        }
    }

    async fn open_patiently(&self, wanted: Wanted) -> Result<Exclusive, Cause> {
        let mut last = Cause::Sentinel("there is none");
        let sentinels = self.known.borrow().clone();
        for sentinel in sentinels {
            match self.open_by(&sentinel, wanted).await {
                Ok(connection) => {
                    self.prefer(&sentinel);
                    return Ok(connection);
                }
                Err(cause) => last = cause,
            }
        }
        Err(last)
    }

    /// The next time it is asked first.
    fn prefer(&self, sentinel: &Endpoint) {
        let mut known = self.known.borrow_mut();
        if let Some(place) = known.iter().position(|one| one == sentinel) {
            known[..=place].rotate_right(1);
        }
    }

    /// By what one sentinel says.
    async fn open_by(&self, sentinel: &Endpoint, wanted: Wanted) -> Result<Exclusive, Cause> {
        let target = Target::at(&self.asking, sentinel.clone(), &self.encryption);
        let mut connection = Exclusive::open(&target).await?;
        match wanted {
            Wanted::Sentinel => Ok(connection),
            Wanted::Primary => {
                let primary = self.ask_primary(&mut connection).await?;
                drop(connection);
                let opened = self.open_as(&primary, "master").await?;
                *self.primary.borrow_mut() = Some(primary);
                Ok(opened)
            }
            Wanted::Replica => {
                let question = Command::new("SENTINEL REPLICAS").arg(&self.service);
                let answer = ask(&mut connection, &question).await?;
                drop(connection);
                let mut replicas = answer::replicas(answer).map_err(Cause::Sentinel)?;
                let turn = self.turn.replace(self.turn.get().wrapping_add(1));
                let count = replicas.len().max(1);
                replicas.rotate_left(turn % count);
                let mut last = Cause::Sentinel("the service has no replica that is up");
                for replica in replicas {
                    match self.open_as(&self.reachable(replica), "slave").await {
                        Ok(opened) => return Ok(opened),
                        Err(cause) => last = cause,
                    }
                }
                Err(last)
            }
        }
    }

    async fn ask_primary(&self, sentinel: &mut Exclusive) -> Result<Endpoint, Cause> {
        let question = Command::new("SENTINEL GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let answer = ask(sentinel, &question).await?;
        answer::primary(answer).map(|primary| self.reachable(primary)).map_err(Cause::Sentinel)
    }

    fn reachable(&self, endpoint: Endpoint) -> Endpoint {
        self.config.address_map.get(&endpoint).cloned().unwrap_or(endpoint)
    }

    /// Connects to a server, if it says that it is what the sentinel said.
    async fn open_as(&self, endpoint: &Endpoint, role: &str) -> Result<Exclusive, Cause> {
        let target = Target::at(&self.config, endpoint.clone(), &self.encryption);
        let mut connection = Exclusive::open(&target).await?;
        match connection.exchange(&Command::new("ROLE")).await? {
            // A user who may not ask has to believe it.
            Value::Error(error) if error.code() == "NOPERM" => Ok(connection),
            Value::Array(fields)
                if fields.first().and_then(Value::as_bytes).is_some_and(|is| is == role.as_bytes()) =>
            {
                Ok(connection)
            }
            _ => Err(Cause::Sentinel("the server is not in the role that it should have")),
        }
    }
}

async fn ask(sentinel: &mut Exclusive, question: &Command) -> Result<Value, Cause> {
    match time::timeout(ANSWER_MAX, sentinel.exchange(question)).await {
        Ok(Ok(Value::Error(error))) => Err(Cause::Refused(error)),
        Ok(answer) => answer,
        Err(_) => Err(Cause::Silent(ANSWER_MAX)),
    }
}
