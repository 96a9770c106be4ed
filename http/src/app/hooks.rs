//! What runs when a core starts and when it stops.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use corelane_runtime::buf::LocalBoxFuture;

use crate::extract::{Needs, States};
use crate::handler::{Extractors, Handler};
use crate::request::Request;

/// What a hook may return: `()`, or a `Result<(), E>` of any error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the outcome of a hook",
    label = "neither `()` nor a `Result<(), E>` of an error",
    note = "end the hook with `Ok(())`, and let `E` be a type that implements `std::error::Error`"
)]
pub trait Outcome {
    /// As a result with an error of any type.
    ///
    /// # Errors
    /// That of the hook.
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)
    }
}

/// A hook that failed. The source is its own error.
#[derive(Debug)]
pub struct HookError {
    location: &'static Location<'static>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl HookError {
    pub(crate) fn new(
        location: &'static Location<'static>,
        source: Box<dyn Error + Send + Sync>,
    ) -> HookError {
        HookError { location, source: Some(source) }
    }

    /// Where the hook was registered.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location;
        match self.source {
            Some(_) => write!(f, "the hook registered at {location} failed"),
            None => write!(f, "the hook registered at {location} takes what only a request has"),
        }
    }
}

impl Error for HookError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A hook of any type.
pub(super) struct Hook {
    run: Box<dyn Fn(Request) -> LocalBoxFuture<'static, Result<(), HookError>>>,
    needs: Needs,
    location: &'static Location<'static>,
}

impl Hook {
    #[track_caller]
    pub(super) fn new<H: Handler<Args, Output: Outcome>, Args: Extractors>(hook: H) -> Hook {
        let location = Location::caller();
        let mut needs = Needs::new();
        Args::needs(&mut needs);
        let run = move |mut request: Request| {
            let hook = hook.clone();
            LocalBoxFuture::new(async move {
                let args =
                    Args::extract(&mut request).await.map_err(|_| HookError { location, source: None })?;
                hook.run(args).await.into_result().map_err(|source| HookError::new(location, source))
            })
        };
        Hook { run: Box::new(run), needs, location }
    }

    /// # Panics
    /// If it takes a state that is not there.
    pub(super) fn check(&self, states: &States) {
        if let Some(missing) = self.needs.missing(states) {
            panic!("the hook registered at {} takes {missing}", self.location);
        }
    }

    /// `request` leads to the states.
    pub(super) fn run(&self, request: Request) -> LocalBoxFuture<'static, Result<(), HookError>> {
        (self.run)(request)
    }
}
