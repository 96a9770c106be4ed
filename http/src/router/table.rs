//! Routes once the application is built.

use std::rc::Rc;

use corelane_http_proto::head;
use http::Method;

use super::Route;
use super::info::RouteList;
use super::tree::Tree;
use crate::request::Request;

/// All routes of an application.
pub(crate) struct Routes {
    pub(super) tree: Tree<Table>,
    pub(super) not_found: Rc<Route>,
    pub(super) list: RouteList,
}

/// How many methods the parser knows.
const KNOWN: usize = 9;

/// The routes of one path.
pub(super) struct Table {
    /// By [`number`].
    known: [Option<Rc<Route>>; KNOWN],
    /// Of methods that the parser does not know.
    others: Vec<(Method, Rc<Route>)>,
    /// For methods that have no route of their own.
    any: Option<Rc<Route>>,
    /// What answers the rest.
    rest: Rc<Route>,
}

impl Routes {
    /// What is registered.
    pub(crate) fn list(&self) -> &RouteList {
        &self.list
    }

    /// Finds the route of a request and notes it there, with its parameters. Always finds one: 404 and 405 are
    /// routes too.
    #[inline]
    pub(crate) fn route(&self, request: &mut Request) -> &Rc<Route> {
        let (path, method, params) = request.routing_parts();
        let table = self.tree.find(path, params);
        let route = match table {
            Some(table) => table.find(method, request.head_bytes()),
            None => &self.not_found,
        };
        request.set_route(route);
        route
    }
}

impl Table {
    /// A path without routes: `rest` answers every method.
    pub(super) fn new(rest: Rc<Route>) -> Table {
        Table { known: [const { None }; KNOWN], others: Vec::new(), any: None, rest }
    }

    /// Adds the route of a method, or of those that have none of their own.
    pub(super) fn insert(&mut self, method: Option<Method>, route: Rc<Route>) {
        let Some(method) = method else {
            self.any = Some(route);
            return;
        };
        match head::Method::known(method.as_str().as_bytes()).and_then(number) {
            Some(number) => self.known[number] = Some(route),
            None => self.others.push((method, route)),
        }
    }

    /// The route of a method. `head` is what that was parsed from.
    #[inline]
    fn find(&self, method: head::Method, head: &[u8]) -> &Rc<Route> {
        let own = match number(method) {
            Some(number) => self.known[number].as_ref(),
            None => self.other(method.as_str(head)),
        };
        own.unwrap_or_else(|| self.without_own(method))
    }

    #[cold]
    fn other(&self, method: &str) -> Option<&Rc<Route>> {
        self.others.iter().find(|(found, _)| found.as_str() == method).map(|(_, route)| route)
    }

    /// The route of a method that has none of its own: `HEAD` is answered by that of `GET`.
    #[cold]
    fn without_own(&self, method: head::Method) -> &Rc<Route> {
        let get = number(head::Method::Get).and_then(|number| self.known[number].as_ref());
        get.filter(|_| method == head::Method::Head).or(self.any.as_ref()).unwrap_or(&self.rest)
    }
}

/// The place of a method in [`Table::known`].
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
