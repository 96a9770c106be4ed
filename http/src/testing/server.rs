//! A server on a free port, for as long as a test runs.

use std::fmt;
use std::net::SocketAddr;

use crate::app::App;
use crate::server::{Running, Server};

/// A server on a free port of this machine, on cores of its own. It stops when it is dropped.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::testing::{self, TestClient, TestServer};
///
/// let server = TestServer::start(|| App::new().get("/", async || "hello"));
/// assert_eq!(server.url("/x"), format!("http://{}/x", server.address()));
///
/// testing::run(async {
///     let client = TestClient::connect(server.address());
///     assert_eq!(client.get("/").send().await.text(), "hello");
/// });
/// ```
pub struct TestServer {
    /// `None` once it is dropped.
    running: Option<Running>,
}

impl TestServer {
    /// Starts an application on one core.
    ///
    /// # Panics
    /// As [`TestServer::start_with`].
    #[track_caller]
    pub fn start(factory: impl Fn() -> App + Send + Sync + 'static) -> TestServer {
        TestServer::start_with(Server::bind("127.0.0.1:0").cores(1), factory)
    }

    /// Starts an application on a server that is configured already. Bind it to port 0, so that tests may run side
    /// by side.
    ///
    /// # Panics
    /// If the server cannot be started, with the reason.
    #[track_caller]
    pub fn start_with(server: Server, factory: impl Fn() -> App + Send + Sync + 'static) -> TestServer {
        match server.start(factory) {
            Ok(running) => TestServer { running: Some(running) },
            Err(error) => panic!("the server does not start: {error}"),
        }
    }

    fn running(&self) -> &Running {
        match &self.running {
            Some(running) => running,
            None => unreachable!("only a dropped server does not run"),
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.running().address()
    }

    /// The URL of a target: `server.url("/x?y=1")`.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address())
    }

    /// The server itself, for its counters.
    pub fn server(&self) -> &Running {
        self.running()
    }

    /// Stops it as SIGTERM would: requests under way end first.
    ///
    /// # Panics
    /// If a core ended by a panic.
    #[track_caller]
    pub fn drain(mut self) {
        if let Some(running) = self.running.take()
            && let Err(error) = running.shutdown()
        {
            panic!("the server did not end well: {error}");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take()
            && let Err(error) = running.shutdown_now()
        {
            // A panic while one is under way would end the whole test run.
            tracing::error!(%error, "the test server did not end well");
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("address", &self.address()).finish_non_exhaustive()
    }
}
