//! Where a server is that may be elsewhere each time.

use std::rc::Rc;

use corelane_runtime::time;

use super::cluster::Cluster;
use super::error::{Cause, Kind};
use super::exclusive::{Exclusive, Target};
use super::sentinel::{Sentinels, Wanted};

/// Who is asked before each connection.
#[derive(Clone)]
pub(super) enum Finder {
    /// Whoever serves this slot, or some primary.
    Cluster(Rc<Cluster>, Option<u16>),
    /// The servers of a service, or one of those who watch over it.
    Sentinel(Rc<Sentinels>, Wanted),
}

impl Finder {
    /// Connects to the server where it is now.
    ///
    /// # Errors
    /// The cause.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub(super) async fn open(&self, target: &Target) -> Result<Exclusive, Cause> {
        match self {
            Finder::Sentinel(sentinels, wanted) => sentinels.open(*wanted).await,
            Finder::Cluster(cluster, slot) => {
                let deadline = time::now() + target.config.connect_timeout;
                let member =
                    cluster.primary_of(*slot, deadline).await.map_err(|error| match error.kind() {
                        Kind::Unavailable(cause) => cause.clone(),
                        _ => Cause::ConnectTimeout(target.config.connect_timeout),
                    })?;
                let opened = Exclusive::open(member.target()).await;
                if opened.is_err() {
                    cluster.doubt();
                }
                opened
            }
        }
    }
}
