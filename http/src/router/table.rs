//! Routes once the application is built.

use std::rc::Rc;

use http::Method;

use super::Route;
use super::info::RouteList;
use super::tree::Tree;
use crate::request::{ParamSpans, Request};

/// All routes of an application.
pub(crate) struct Routes {
    pub(super) tree: Tree<Table>,
    pub(super) not_found: Rc<Route>,
    pub(super) list: RouteList,
}

/// The routes of one path.
pub(super) struct Table {
    /// Few: a path has a handful of methods.
    pub(super) routes: Vec<(Method, Rc<Route>)>,
    /// For methods that are not in `routes`.
    pub(super) any: Option<Rc<Route>>,
    /// What answers the rest. Invariant: `Some` once the table is built, as no path is without a handler.
    pub(super) other: Option<Rc<Route>>,
}

impl Routes {
    /// What is registered.
    pub(crate) fn list(&self) -> &RouteList {
        &self.list
    }

    /// Finds the route of a request and notes it there, with its parameters. Always finds one: 404 and 405 are
    /// routes too.
    pub(crate) fn route(&self, request: &mut Request) -> &Rc<Route> {
        let path = request.path_span();
        let mut params = ParamSpans::new();
        let found = self.tree.find(path.of(request.head_bytes()), &mut params);
        params.shift(path.start());
        let route = found.and_then(|table| table.find(&request.method())).unwrap_or(&self.not_found);
        request.set_route(route, &params);
        route
    }
}

impl Table {
    fn find(&self, method: &Method) -> Option<&Rc<Route>> {
        let of =
            |wanted: &Method| self.routes.iter().find(|(found, _)| found == wanted).map(|(_, route)| route);
        of(method)
            .or_else(|| if *method == Method::HEAD { of(&Method::GET) } else { None })
            .or(self.any.as_ref())
            .or(self.other.as_ref())
    }
}
