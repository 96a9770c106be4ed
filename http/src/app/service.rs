//! The finished application.

use std::error::Error;
use std::fmt;
use std::rc::Rc;

use corelane_runtime::buf::LocalBoxFuture;
use corelane_runtime::observe;

use super::hooks::{Hook, HookError};
use super::{Before, Plan, page};
use crate::request::Request;
use crate::response::Response;
use crate::router::{RouteList, Routes, UrlFor};

/// A finished application: requests in, responses out. Cheap to clone, stays on its core.
#[derive(Clone)]
pub struct AppService {
    inner: Rc<Inner>,
}

struct Inner {
    routes: Routes,
    before: Vec<Before>,
    on_start: Vec<Hook>,
    on_stop: Vec<Hook>,
}

impl AppService {
    pub(super) fn new(plan: Plan) -> AppService {
        let (routes, before, on_start, on_stop) = plan.build();
        AppService { inner: Rc::new(Inner { routes, before, on_start, on_stop }) }
    }

    /// Answers a request.
    ///
    /// The response to `HEAD` still has its body, from which the connection tells the length; sending none is
    /// the connection's part.
    ///
    /// # Cancellation
    /// Dropping the future drops the handler, and its layers, where they wait.
    pub fn call(&self, mut request: Request) -> LocalBoxFuture<'static, Response> {
        if request.prefers_html() {
            let answer = self.route(request);
            return LocalBoxFuture::new(page::for_people(answer));
        }
        if !self.inner.before.is_empty()
            && let Some(answer) = self.before(&mut request)
        {
            return answer;
        }
        self.run(request)
    }

    /// The same without a look at whether the client wants a page.
    fn route(&self, mut request: Request) -> LocalBoxFuture<'static, Response> {
        self.before(&mut request).unwrap_or_else(|| self.run(request))
    }

    /// Routes the request and calls what it was routed to, which is what the task works for from here on.
    #[inline]
    fn run(&self, mut request: Request) -> LocalBoxFuture<'static, Response> {
        let route = self.inner.routes.route(&mut request);
        observe::enter_route(route.observed());
        route.endpoint().call(request)
    }

    /// The answer of the first hook that gives one.
    fn before(&self, request: &mut Request) -> Option<LocalBoxFuture<'static, Response>> {
        let answer = self.inner.before.iter().find_map(|hook| hook(request).err())?;
        Some(LocalBoxFuture::new(std::future::ready(answer)))
    }

    /// Every route of the application.
    pub fn routes(&self) -> &RouteList {
        self.inner.routes.list()
    }

    /// What makes paths of named routes.
    pub fn urls(&self) -> UrlFor {
        self.inner.routes.urls()
    }

    /// Runs what [`App::on_start`](super::App::on_start) was given. The server does that before it serves; a test without
    /// one does it if it wants to.
    ///
    /// # Errors
    /// That of the first hook that fails; the next ones do not run.
    ///
    /// # Cancellation
    /// Dropping the future drops the hook that runs, where it waits.
    pub async fn start(&self) -> Result<(), HookError> {
        for hook in &self.inner.on_start {
            hook.run(self.inner.routes.blank_request()).await?;
        }
        Ok(())
    }

    /// Runs what [`App::on_stop`](super::App::on_stop) was given, the last first. Errors are logged, and the next one runs.
    ///
    /// # Cancellation
    /// As [`AppService::start`].
    pub async fn stop(&self) {
        for hook in self.inner.on_stop.iter().rev() {
            if let Err(error) = hook.run(self.inner.routes.blank_request()).await {
                tracing::error!(error = &error as &dyn Error, "a stop hook failed");
            }
        }
    }

    /// True if there is something to be done at the end.
    pub(crate) fn has_stop_hooks(&self) -> bool {
        !self.inner.on_stop.is_empty()
    }
}

impl fmt::Debug for AppService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppService").field("routes", &&**self.routes()).finish_non_exhaustive()
    }
}
