//! What may change while the server runs.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use corelane_runtime::mesh::Sharded;
use corelane_runtime::spawn;
use serde::de::DeserializeOwned;

use super::load::{Config, Loader};

/// A value that every core has a copy of, and that can be replaced on all of them.
///
/// Each core switches between two tasks' turns, so what a handler took with [`Live::get`] stays one value until it
/// takes again. Reading it touches nothing that another core writes. A handle is cheap to clone and can be sent.
///
/// ```no_run
/// use corelane_http::app::App;
/// use corelane_http::config::{Live, Loader};
/// use corelane_http::extract::State;
/// use corelane_http::server::Server;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     greeting: String,
/// }
///
/// async fn greet(State(settings): State<Live<Settings>>) -> String {
///     settings.get().greeting.clone()
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let loader = Loader::<Settings>::new();
///     let config = loader.load()?;
///     let server = Server::from_config(&config.server);
///     let live = Live::new(config.app);
///     // `kill -HUP` reads the files again; a file that is not valid changes nothing.
///     let reload = live.reloader(loader, config.server);
///     server.on_hangup(reload).run(move || App::new().state(live.clone()).get("/", greet))?;
///     Ok(())
/// }
/// ```
pub struct Live<T> {
    latest: Arc<Latest<T>>,
    cores: Sharded<Slot<T>>,
}

/// What the cores copy from.
struct Latest<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    /// Counts replacements.
    version: u64,
    /// The tasks that wait for the next one, one for each core.
    waiting: Vec<Waker>,
}

/// One core's copy. The inner pointer is shared by the cores and counted with an atomic; the outer is this core's.
struct Slot<T> {
    snapshot: Rc<RefCell<Snapshot<T>>>,
}

type Snapshot<T> = Rc<Arc<T>>;

/// The value as a core had it when it was asked. Keeps that one value, for as long as it lives.
pub struct Current<T>(Snapshot<T>);

impl<T> std::ops::Deref for Current<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> Live<T> {
    /// Begins with this value. It may be called anywhere, before the server starts as well.
    pub fn new(value: T) -> Live<T> {
        let state = State { value: Arc::new(value), version: 0, waiting: Vec::new() };
        let latest = Arc::new(Latest { state: Mutex::new(state) });
        let source = latest.clone();
        Live { latest, cores: Sharded::new(move |_| Slot::new(&source)) }
    }

    /// This core's copy.
    ///
    /// # Panics
    /// If called on a thread that is no core; see [`Live::latest`].
    #[track_caller]
    pub fn get(&self) -> Current<T> {
        self.cores.with(|slot| Current(slot.snapshot.borrow().clone()))
    }

    /// What was set last, on any thread. Takes a lock; handlers use [`Live::get`].
    pub fn latest(&self) -> Arc<T> {
        self.latest.lock().value.clone()
    }

    /// Replaces the value on every core, from any thread. Each core switches in its next turn.
    pub fn set(&self, value: T) {
        let value = Arc::new(value);
        let waiting = {
            let mut state = self.latest.lock();
            state.value = value;
            state.version += 1;
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Live<T> {
    /// What [`Server::on_hangup`](crate::server::Server::on_hangup) is to call: loads the configuration anew and sets its
    /// `[app]` section.
    ///
    /// One that is not valid is refused whole: the old one stays, the log says everything that is wrong. What changed
    /// in `[server]`, compared with `server`, is told in the log: it counts from the next start.
    pub fn reloader(&self, loader: Loader<T>, server: super::ServerConfig) -> impl FnMut() + Send + use<T> {
        let live = self.clone();
        move || match loader.load() {
            Ok(Config { server: new, app }) => {
                if new != server {
                    tracing::warn!("the `server` section has changed: it counts from the next start");
                }
                live.set(app);
                tracing::info!("the configuration was reloaded");
            }
            Err(error) => {
                tracing::error!("the configuration was not reloaded, the old one stays: {error}");
            }
        }
    }
}

impl<T> Latest<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// Copies the latest value, and starts the task that copies later ones for as long as the slot lives.
    fn new(latest: &Arc<Latest<T>>) -> Slot<T> {
        let (value, mut seen) = {
            let state = latest.lock();
            (state.value.clone(), state.version)
        };
        let snapshot = Rc::new(RefCell::new(Rc::new(value)));
        let (place, source) = (Rc::downgrade(&snapshot), Arc::downgrade(latest));
        drop(spawn(poll_fn(move |cx| {
            let (Some(place), Some(source)) = (place.upgrade(), source.upgrade()) else {
                return Poll::Ready(());
            };
            let mut state = source.lock();
            state.waiting.retain(|waker| !waker.will_wake(cx.waker()));
            state.waiting.push(cx.waker().clone());
            if state.version != seen {
                seen = state.version;
                let value = Rc::new(state.value.clone());
                drop(state);
                drop(place.replace(value));
            }
            Poll::Pending
        })));
        Slot { snapshot }
    }
}

impl<T> Drop for Latest<T> {
    fn drop(&mut self) {
        // The tasks see that there is nothing to wait for, and end.
        for waker in std::mem::take(&mut self.state.get_mut().unwrap_or_else(PoisonError::into_inner).waiting)
        {
            waker.wake();
        }
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Live { latest: self.latest.clone(), cores: self.cores.clone() }
    }
}

impl<T> fmt::Debug for Live<T> {
    /// Without the value, which may hold what is not to be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("version", &self.latest.lock().version).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}
