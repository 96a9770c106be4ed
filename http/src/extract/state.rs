//! Values that an application gives its handlers.

use std::any::{Any, TypeId, type_name};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use super::{FromRequest, Needs};
use crate::problem::Problem;
use crate::request::Request;

/// The value of type `T` that was given to [`App::state`](crate::app::App::state) on this core.
///
/// Shared by `Rc`, so `T` need be neither `Clone` nor `Send`; what changes goes into a `Cell` or `RefCell`.
/// That it is there is checked when the application is built.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::State;
///
/// struct Greeting(&'static str);
///
/// async fn greet(State(greeting): State<Greeting>) -> &'static str {
///     greeting.0
/// }
/// let service = App::new().state(Greeting("Hello")).get("/", greet).into_service();
/// # let _ = service;
/// ```
#[derive(Debug)]
pub struct State<T>(pub Rc<T>);

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        State(Rc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: 'static> FromRequest for State<T> {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let found = request.matched().and_then(|route| route.states().get::<T>());
        found.map(State).ok_or_else(|| {
            // Only where the check at start could not see it: an extractor that takes a state inside.
            tracing::error!(state = type_name::<T>(), "no such state was given to the application");
            Problem::internal()
        })
    }

    fn is_absent(_: &Problem) -> bool {
        true
    }

    fn needs(needs: &mut Needs) {
        needs.state::<T>();
    }
}

/// The value of type `T` that was given to [`App::shared`](crate::app::App::shared): one for all cores.
///
/// Taking it touches nothing that another core does; what the value does when it is used is its own. That it is there is
/// checked when the application is built. [`Shared::arc`] gives a handle that other threads may keep.
#[derive(Debug)]
pub struct Shared<T>(pub Rc<Arc<T>>);

impl<T> Shared<T> {
    /// Another handle of the value. Counted where all cores count, so take it where it has to leave the core.
    pub fn arc(&self) -> Arc<T> {
        Arc::clone(&self.0)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Rc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromRequest for Shared<T> {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let found = request.matched().and_then(|route| route.states().get::<Arc<T>>());
        found.map(Shared).ok_or_else(|| {
            tracing::error!(state = type_name::<T>(), "no such shared value was given to the application");
            Problem::internal()
        })
    }

    fn needs(needs: &mut Needs) {
        needs.shared::<T>();
    }
}

/// One value for each type.
///
/// A list: applications have a handful, and comparing a few ids is cheaper than hashing one.
pub(crate) struct States {
    values: Vec<(TypeId, &'static str, Rc<dyn Any>)>,
}

impl States {
    pub(crate) const fn new() -> States {
        States { values: Vec::new() }
    }

    /// # Panics
    /// If there is one of this type already.
    #[track_caller]
    pub(crate) fn insert<T: 'static>(&mut self, value: T) {
        assert!(
            !self.contains(TypeId::of::<T>()),
            "two states of type {}: wrap one in a type of its own",
            type_name::<T>()
        );
        self.values.push((TypeId::of::<T>(), type_name::<T>(), Rc::new(value)));
    }

    /// Takes the values of another application in.
    ///
    /// # Panics
    /// If both have one of the same type.
    #[track_caller]
    pub(crate) fn absorb(&mut self, other: States) {
        for (id, name, value) in other.values {
            assert!(!self.contains(id), "two states of type {name}: wrap one in a type of its own");
            self.values.push((id, name, value));
        }
    }

    pub(super) fn contains(&self, id: TypeId) -> bool {
        self.values.iter().any(|(found, ..)| *found == id)
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let (.., value) = self.values.iter().find(|(id, ..)| *id == TypeId::of::<T>())?;
        Rc::clone(value).downcast().ok()
    }
}
