//! The client: where it connects to, and what it keeps from one request to the next.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::net::{RecvHalf, SendHalf, Stream, duplex};
use http::Method;

use super::jar::Jar;
use super::request::TestRequest;
use crate::app::{App, AppService};
use crate::conn::{self, Shared};
use crate::server::{Limits, Registry, State, Way};

/// Bytes that one direction of a connection in memory holds before its sender waits: about what a socket does.
const DUPLEX_BYTES: usize = 64 * 1024;

/// How long a client waits for a head, or for the next chunk of a body, unless told otherwise (10 s).
const PATIENCE: Duration = Duration::from_secs(10);

/// A client for tests. See the [module](super).
///
/// Each request has a connection of its own, which ends when its response is read or dropped, so that dropping a
/// [`TestStream`](super::TestStream) half-way is what a client does that goes away.
///
/// Cookies are kept and sent back by the rules of RFC 6265 §5 for domain, path and age. `Secure` cookies are sent
/// too, as browsers do on localhost; there is no list of public suffixes.
pub struct TestClient {
    place: Place,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) jar: RefCell<Jar>,
    pub(super) redirects_max: usize,
    pub(super) patience: Duration,
}

enum Place {
    /// The core's share of a server, made at the first request: it wants the clock of the core.
    Memory {
        service: AppService,
        limits: Limits,
        core: OnceCell<(Rc<Shared>, Rc<Registry>)>,
    },
    Socket(SocketAddr),
}

impl TestClient {
    /// A client of an application that runs on the same core, with the limits of a server that was told nothing.
    ///
    /// # Panics
    /// As [`App::into_service`].
    #[track_caller]
    pub fn new(app: App) -> TestClient {
        TestClient::of(Place::Memory {
            service: app.into_service(),
            limits: Limits::default(),
            core: OnceCell::new(),
        })
    }

    /// A client of whatever listens on a TCP address.
    pub fn connect(address: SocketAddr) -> TestClient {
        TestClient::of(Place::Socket(address))
    }

    fn of(place: Place) -> TestClient {
        TestClient {
            place,
            headers: Vec::new(),
            jar: RefCell::new(Jar::default()),
            redirects_max: 0,
            patience: PATIENCE,
        }
    }

    /// Serves with other limits than the defaults.
    ///
    /// # Panics
    /// If the client talks to a server, which has its own; or after the first request.
    #[must_use]
    #[track_caller]
    pub fn limits(mut self, new: Limits) -> TestClient {
        match &mut self.place {
            Place::Memory { limits, core, .. } if core.get().is_none() => *limits = new,
            Place::Memory { .. } => panic!("limits are given before the first request"),
            Place::Socket(_) => panic!("a server has limits of its own: give them to `Server::limits`"),
        }
        self
    }

    /// Runs the application's start hooks, as a server does before it serves.
    ///
    /// # Panics
    /// If one fails. Does nothing if the client talks to a server, which has run its own.
    pub async fn start(&self) {
        if let Place::Memory { service, .. } = &self.place
            && let Err(error) = service.start().await
        {
            panic!("the application does not start: {error}");
        }
    }

    /// Sends a field with every request, unless the request has one of this name.
    #[must_use]
    pub fn default_header(mut self, name: &str, value: impl AsRef<[u8]>) -> TestClient {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Follows up to `most` redirects of a request; one more panics. None are followed unless this is called.
    ///
    /// 303 is followed by `GET`, and so are 301 and 302 of a `POST`, as browsers do; 307 and 308 send the same
    /// again. What leads to another host is not followed, nor a body that was a stream.
    #[must_use]
    pub fn follow_redirects(mut self, most: usize) -> TestClient {
        self.redirects_max = most;
        self
    }

    /// How long to wait for the head of a response and for each chunk of its body (10 s). Longer panics.
    #[must_use]
    pub fn patience(mut self, longest: Duration) -> TestClient {
        self.patience = longest;
        self
    }

    /// Begins a request. `target` is the path with its query.
    #[track_caller]
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, target)
    }

    /// The value of a kept cookie, whatever its domain and path.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.borrow().get(name)
    }

    /// Keeps a cookie for all paths, as if a response had set it.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar.borrow_mut().put(name, value);
    }

    /// Forgets all cookies, as a browser that is started anew.
    pub fn clear_cookies(&self) {
        self.jar.borrow_mut().clear();
    }

    /// The authority that requests name unless they have a `host` field.
    pub(super) fn authority(&self) -> String {
        match self.place {
            Place::Memory { .. } => "localhost".to_owned(),
            Place::Socket(address) => address.to_string(),
        }
    }

    /// A new connection, in halves: a response may begin before its request has ended.
    pub(super) async fn open(&self) -> io::Result<(RecvHalf, SendHalf)> {
        match &self.place {
            Place::Memory { service, limits, core } => {
                let make = || (Shared::new(service.clone(), limits.clone(), Way::default()), Registry::new());
                let (shared, registry) = core.get_or_init(make);
                let (near, far) = duplex(DUPLEX_BYTES);
                let ticket = registry.enter(far.close_handle(), State::Fresh);
                drop(corelane_runtime::spawn(conn::serve(far, shared.clone(), ticket)));
                near.split()
            }
            Place::Socket(address) => Stream::connect(*address).await?.split(),
        }
    }
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {
        impl TestClient {
            $(
                #[doc = concat!("Begins a `", stringify!($method), "` request. `target` is the path with its query.")]
                #[track_caller]
                pub fn $name(&self, target: &str) -> TestRequest<'_> {
                    self.request(Method::$method, target)
                }
            )*
        }
    };
}

methods! {
    get GET;
    post POST;
    put PUT;
    patch PATCH;
    delete DELETE;
    head HEAD;
    options OPTIONS;
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("authority", &self.authority()).finish_non_exhaustive()
    }
}
