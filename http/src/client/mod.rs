//! An HTTP/1.1 client on the ring that serves the requests.
//!
//! [`get`] alone is enough; it uses a client that each core has for itself. [`Client::builder`] makes one with settings
//! of its own, cheap to clone and one per core: what an application holds as state. Connections are kept and used
//! again, per upstream and per core.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::client;
//! use corelane_http::server::Server;
//!
//! async fn hello() -> &'static str {
//!     "hello"
//! }
//!
//! let server = Server::bind("127.0.0.1:0").cores(1).start(|| App::new().get("/", hello))?;
//! let url = format!("http://{}/", server.address());
//! corelane_runtime::block_on(async {
//!     let answer = client::get(&url).await?;
//!     assert_eq!(answer.status(), 200);
//!     assert_eq!(answer.text().await?, "hello");
//!     Ok::<(), client::ClientError>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod connect;
mod connection;
mod error;
mod exchange;
mod pool;
mod reader;
mod redirect;
mod request;
mod response;
mod settings;
mod url;

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};

use corelane_runtime::spawn;
pub use http::Method;

use self::connect::Route;
use self::pool::Pool;
use self::settings::Settings;

pub use self::builder::ClientBuilder;
pub use self::error::ClientError;
pub use self::request::RequestBuilder;
pub use self::response::{Fields, Response};
pub use self::url::{IntoUrl, URL_BYTES_MAX, Url, UrlError};

/// Makes requests. A handle that is cheap to clone; it belongs to the core it was made on, and so do its connections.
///
/// ```no_run
/// use corelane_http::app::App;
/// use corelane_http::client::{Client, ClientError};
/// use corelane_http::extract::State;
///
/// async fn quote(State(client): State<Client>) -> Result<String, ClientError> {
///     client.get("http://quotes.internal/today").await?.text().await
/// }
///
/// fn app() -> App {
///     App::new().state(Client::new()).get("/quote", quote)
/// }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Rc<Inner>,
}

struct Inner {
    settings: Settings,
    pool: Rc<Pool>,
}

/// What a client is doing at a moment; all of this core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Connections in use, being opened, or idle.
    pub connections: usize,
    /// Connections that wait for a request.
    pub idle: usize,
    /// Requests that wait for a connection.
    pub waiting: usize,
}

impl Client {
    /// A client with the defaults.
    #[must_use]
    pub fn new() -> Client {
        Client::builder().build()
    }

    /// A client with settings of its own.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(self) fn with(settings: Settings) -> Client {
        let pool = Pool::new(settings.pool);
        Client { inner: Rc::new(Inner { settings, pool }) }
    }

    /// `GET` (RFC 9110 §9.3.1).
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// `HEAD` (RFC 9110 §9.3.2).
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// `POST` (RFC 9110 §9.3.3).
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// `PUT` (RFC 9110 §9.3.4).
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// `PATCH` (RFC 5789).
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// `DELETE` (RFC 9110 §9.3.5).
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// A request with any method but `CONNECT`.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        RequestBuilder::new(self, method, url)
    }

    /// What it is doing now.
    pub fn stats(&self) -> ClientStats {
        let (connections, idle, waiting) = self.inner.pool.counts();
        ClientStats { connections, idle, waiting }
    }

    fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    fn pool(&self) -> &Rc<Pool> {
        &self.inner.pool
    }

    fn route<'a>(&self, url: &'a Url) -> Route<'a> {
        Route::new(url)
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

thread_local! {
    /// The client of the functions below. Weak: a task of the core holds it, so that its connections end with the core
    /// and not with the thread, which may run another core later.
    static DEFAULT: RefCell<Weak<Inner>> = const { RefCell::new(Weak::new()) };
}

/// This core's own client.
fn default_client() -> Client {
    DEFAULT.with_borrow_mut(|default| match default.upgrade() {
        Some(inner) => Client { inner },
        None => {
            let client = Client::new();
            *default = Rc::downgrade(&client.inner);
            let held = client.clone();
            drop(spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            }));
            client
        }
    })
}

/// `GET` by this core's own client, which has the defaults.
///
/// # Panics
/// If the caller is not on a core.
pub fn get(url: impl IntoUrl) -> RequestBuilder {
    default_client().get(url)
}

/// `POST` by this core's own client, which has the defaults.
///
/// # Panics
/// If the caller is not on a core.
pub fn post(url: impl IntoUrl) -> RequestBuilder {
    default_client().post(url)
}

/// Any method but `CONNECT` by this core's own client, which has the defaults.
///
/// # Panics
/// If the caller is not on a core.
pub fn request(method: Method, url: impl IntoUrl) -> RequestBuilder {
    default_client().request(method, url)
}
