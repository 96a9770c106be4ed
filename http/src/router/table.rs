//! Routes once the application is built.

use std::rc::Rc;

use corelane_http_proto::head;
use http::Method;

use super::Route;
use super::fallback::GroupFallback;
use super::guard::Guards;
use super::host::{HostPattern, without_port};
use super::info::RouteList;
use super::named::UrlFor;
use super::tree::Tree;
use crate::request::{ParamSpans, Request};

/// All routes of an application.
pub(crate) struct Routes {
    /// Those that answer every host.
    pub(super) tree: Tree<Table>,
    /// Those of one host, or of the names below one, in the order they are tried.
    pub(super) by_host: Vec<(HostPattern, Tree<Table>)>,
    /// True if some route has a guard.
    pub(super) has_guards: bool,
    /// In the order they are tried.
    pub(super) fallbacks: Vec<GroupFallback>,
    pub(super) not_found: Rc<Route>,
    pub(super) list: RouteList,
}

impl Routes {
    /// What is registered.
    pub(crate) fn list(&self) -> &RouteList {
        &self.list
    }

    /// What makes paths of named routes.
    pub(crate) fn urls(&self) -> UrlFor {
        UrlFor::of(self.not_found.states())
    }

    /// A request that asks for nothing and leads to the application's states.
    pub(crate) fn blank_request(&self) -> Request {
        let mut request = Request::taken();
        request.set_route(&self.not_found);
        request
    }

    /// Finds the route of a request and notes it there, with its parameters. Always finds one: 404 and 405 are
    /// routes too.
    #[inline]
    pub(crate) fn route(&self, request: &mut Request) -> &Rc<Route> {
        if self.has_guards || !self.by_host.is_empty() {
            return self.route_by_host_and_guard(request);
        }
        let (path, method, params) = request.routing_parts();
        let table = self.tree.find(path, params);
        let route = match table {
            Some(table) => table.find(method, request.head_bytes()),
            None => self.without_route(request),
        };
        request.set_route(route);
        route
    }

    #[inline(never)]
    fn route_by_host_and_guard(&self, request: &mut Request) -> &Rc<Route> {
        let mut params = ParamSpans::new();
        let host = without_port(request.host());
        let of_host = self.by_host.iter().filter(|(pattern, _)| pattern.matches(host)).map(|(_, tree)| tree);
        let found = of_host.chain([&self.tree]).find_map(|tree| {
            let passes = |table: &Table| table.passes(request);
            let table = tree.find_where(request.path().as_bytes(), &mut params, &passes)?;
            Some(table.find_passing(request))
        });
        let Some(route) = found else {
            let route = self.without_route(request);
            request.set_route(route);
            return route;
        };
        *request.routing_parts().2 = params;
        request.set_route(route);
        route
    }

    /// What answers a path that has no route.
    #[cold]
    fn without_route(&self, request: &mut Request) -> &Rc<Route> {
        let mut params = ParamSpans::new();
        let host = without_port(request.host());
        let path = request.path().as_bytes();
        let fallback = self.fallbacks.iter().find(|fallback| {
            fallback.host.as_ref().is_none_or(|pattern| pattern.matches(host))
                && fallback.covers(path, &mut params)
        });
        let route = match fallback {
            Some(fallback) => &fallback.route,
            None => {
                params.clear();
                &self.not_found
            }
        };
        *request.routing_parts().2 = params;
        route
    }
}

/// How many methods the parser knows.
const KNOWN: usize = 9;

/// The routes of one path.
pub(super) struct Table {
    /// Those without guards.
    open: Methods,
    /// Those with guards, in the order they are tried.
    guarded: Vec<(Guards, Methods)>,
    /// What answers the methods that have no route.
    rest: Rc<Route>,
}

/// Routes by method.
pub(super) struct Methods {
    /// By [`number`].
    known: [Option<Rc<Route>>; KNOWN],
    /// Of methods that the parser does not know.
    others: Vec<(Method, Rc<Route>)>,
    /// For methods that have no route of their own.
    any: Option<Rc<Route>>,
    is_empty: bool,
}

impl Table {
    /// A path without routes: `rest` answers every method.
    pub(super) fn new(rest: Rc<Route>) -> Table {
        Table { open: Methods::new(), guarded: Vec::new(), rest }
    }

    /// Where the routes behind these guards stand.
    pub(super) fn set(&mut self, guards: &Guards) -> &mut Methods {
        if guards.is_empty() {
            return &mut self.open;
        }
        self.guarded.push((guards.clone(), Methods::new()));
        &mut self.guarded.last_mut().expect("one was just pushed").1
    }

    /// The route of a method, in an application without guards. `head` is what the method was parsed from.
    #[inline]
    fn find(&self, method: head::Method, head: &[u8]) -> &Rc<Route> {
        self.open.find(method, head).unwrap_or(&self.rest)
    }

    /// True if there is something here for the request, were it only another method.
    fn passes(&self, request: &Request) -> bool {
        !self.open.is_empty || self.guarded.iter().any(|(guards, _)| guards.pass(request))
    }

    /// The route of a request.
    fn find_passing(&self, request: &Request) -> &Rc<Route> {
        let (method, head) = (request.head().method(), request.head_bytes());
        let passing = self.guarded.iter().filter(|(guards, _)| guards.pass(request));
        let found = passing.map(|(_, methods)| methods).find_map(|methods| methods.find(method, head));
        found.unwrap_or_else(|| self.find(method, head))
    }
}

impl Methods {
    const fn new() -> Methods {
        Methods { known: [const { None }; KNOWN], others: Vec::new(), any: None, is_empty: true }
    }

    /// Adds the route of a method, or of those that have none of their own.
    pub(super) fn insert(&mut self, method: Option<Method>, route: Rc<Route>) {
        self.is_empty = false;
        let Some(method) = method else {
            self.any = Some(route);
            return;
        };
        match head::Method::known(method.as_str().as_bytes()).and_then(number) {
            Some(number) => self.known[number] = Some(route),
            None => self.others.push((method, route)),
        }
    }

    #[inline]
    fn find(&self, method: head::Method, head: &[u8]) -> Option<&Rc<Route>> {
        let own = match number(method) {
            Some(number) => self.known[number].as_ref(),
            None => self.other(method.as_str(head)),
        };
        own.or_else(|| self.without_own(method))
    }

    #[cold]
    fn other(&self, method: &str) -> Option<&Rc<Route>> {
        self.others.iter().find(|(found, _)| found.as_str() == method).map(|(_, route)| route)
    }

    /// The route of a method that has none of its own: `HEAD` is answered by that of `GET`.
    #[cold]
    fn without_own(&self, method: head::Method) -> Option<&Rc<Route>> {
        let get = number(head::Method::Get).and_then(|number| self.known[number].as_ref());
        get.filter(|_| method == head::Method::Head).or(self.any.as_ref())
    }
}

/// The place of a method in [`Methods::known`].
#[inline]
fn number(method: head::Method) -> Option<usize> {
    use head::Method as M;
    Some(match method {
        M::Get => 0,
        M::Head => 1,
        M::Post => 2,
        M::Put => 3,
        M::Delete => 4,
        M::Connect => 5,
        M::Options => 6,
        M::Trace => 7,
        M::Patch => 8,
        M::Other(_) => return None,
    })
}
