//! One value per core.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::call::{Broadcast, Call, call, call_async};
use super::drop_quietly;
use crate::executor::{Core, core_count};
use crate::launch::CoreId;

/// One `T` on each core, made there when it is first used there, never shared, never moved. `T` need
/// be neither `Send` nor `Sync`; this handle is both, and cheap to clone.
///
/// ```
/// use corelane_runtime::{Runtime, mesh::Sharded};
/// use std::cell::Cell;
///
/// let hits = Sharded::new(|_core| Cell::new(0));
/// let counted = hits.clone();
/// let runtime = Runtime::builder().cores(Some(2)).pin(false).start(move |core| {
///     let hits = counted.clone();
///     async move {
///         hits.with(|hits| hits.set(hits.get() + 1));
///         let there = hits.call(core, |hits| hits.get()).await;
///         assert_eq!(there, Ok(1), "each core has its own");
///     }
/// })?;
/// runtime.join()?;
/// # std::io::Result::Ok(())
/// ```
///
/// # When values are dropped
/// On their own core: when the core ends, or, once the last handle is gone, when the core next makes
/// the value of another `Sharded`. Two runtimes in one process have values of their own.
pub struct Sharded<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    /// Names the values in the tables of the cores.
    id: u64,
    init: Box<dyn Fn(CoreId) -> T + Send + Sync>,
}

impl<T: 'static> Sharded<T> {
    /// Names a value per core, to be made by `init` on each core.
    ///
    /// It may be called anywhere, before any runtime starts as well.
    pub fn new(init: impl Fn(CoreId) -> T + Send + Sync + 'static) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { inner: Arc::new(Inner { id: NEXT.fetch_add(1, Ordering::Relaxed), init: Box::new(init) }) }
    }

    /// Runs `f` with this core's value.
    ///
    /// `f` may use it again from inside: it is borrowed shared. What changes in it is a `Cell` or `RefCell`.
    ///
    /// # Panics
    /// If called outside a runtime, or if `init` panics; then the next use tries again.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.local())
    }

    /// This core's value, counted, to be kept across an await.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[track_caller]
    pub fn local(&self) -> Rc<T> {
        Core::with(|core| core.mesh().shards.value(core.shared.id, &self.inner))
    }

    /// Runs `f` on another core with that core's value. See [`call`] for errors and cancellation.
    ///
    /// A panic of `init` there counts as one of `f`.
    pub fn call<R, F>(&self, core: CoreId, f: F) -> Call<R>
    where
        F: FnOnce(&T) -> R + Send + 'static,
        R: Send + 'static,
    {
        let there = self.clone();
        call(core, move || there.with(f))
    }

    /// Runs the future that `f` makes of another core's value, there. See [`call_async`] for errors
    /// and cancellation.
    pub fn call_async<R, F, Fut>(&self, core: CoreId, f: F) -> Call<R>
    where
        F: FnOnce(Rc<T>) -> Fut + Send + 'static,
        Fut: Future<Output = R> + 'static,
        R: Send + 'static,
    {
        let there = self.clone();
        call_async(core, move || f(there.local()))
    }

    /// Runs `f` on every core with its value. See [`broadcast`](super::broadcast).
    ///
    /// # Panics
    /// If called outside a runtime.
    #[track_caller]
    pub fn broadcast<R, F>(&self, f: F) -> Broadcast<R>
    where
        F: Fn(&T) -> R + Clone + Send + 'static,
        R: Send + 'static,
    {
        Broadcast::new((0..core_count()).map(|core| self.call(CoreId::new(core), f.clone())).collect())
    }
}

impl<T> Clone for Sharded<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T> fmt::Debug for Sharded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharded").field("id", &self.inner.id).finish_non_exhaustive()
    }
}

/// The values of one core.
#[derive(Default)]
pub(crate) struct Shards {
    /// Sorted by id. Bounded by the handles alive when the last one was added, and one more.
    values: RefCell<Vec<Shard>>,
}

struct Shard {
    id: u64,
    /// Dead once the last handle is gone.
    handles: Weak<dyn Any + Send + Sync>,
    value: Rc<dyn Any>,
}

impl Shards {
    fn find(&self, id: u64) -> Option<Rc<dyn Any>> {
        let values = self.values.borrow();
        let at = values.binary_search_by_key(&id, |shard| shard.id).ok()?;
        Some(values[at].value.clone())
    }

    fn value<T: 'static>(&self, core: CoreId, inner: &Arc<Inner<T>>) -> Rc<T> {
        let value = self.find(inner.id).unwrap_or_else(|| {
            // Not borrowed meanwhile: it may use other values, or this one.
            let value: Rc<dyn Any> = Rc::new((inner.init)(core));
            self.insert(Shard { id: inner.id, handles: weak(inner), value })
        });
        match value.downcast() {
            Ok(value) => value,
            Err(_) => unreachable!("an id belongs to one handle, and that has one type"),
        }
    }

    /// Adds a value, unless `init` used itself and was first, and drops those without a handle.
    fn insert(&self, shard: Shard) -> Rc<dyn Any> {
        let (id, value) = (shard.id, shard.value.clone());
        let dead: Vec<Shard> = {
            let mut values = self.values.borrow_mut();
            let dead = values.extract_if(.., |shard| shard.handles.strong_count() == 0).collect();
            if let Err(at) = values.binary_search_by_key(&id, |shard| shard.id) {
                values.insert(at, shard);
            }
            dead
        };
        drop_quietly(dead);
        self.find(id).unwrap_or(value)
    }

    /// Drops all values.
    pub(super) fn clear(&self) {
        let values = self.values.take();
        drop_quietly(values);
    }
}

fn weak<T: 'static>(inner: &Arc<Inner<T>>) -> Weak<dyn Any + Send + Sync> {
    Arc::downgrade(inner) as Weak<dyn Any + Send + Sync>
}
