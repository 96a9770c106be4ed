//! Routes while they are being registered.

use std::rc::Rc;

use http::Method;

use super::Route;
use super::automatic::{MethodNotAllowed, NotFound};
use super::methods::{MethodHandler, MethodRouter, shown};
use super::table::{Routes, Table};
use super::template::Template;
use super::tree::Tree;
use crate::extract::States;
use crate::handler::Endpoint;
use crate::middleware::{Layer, Middleware, wrap};

/// A place for layers: the application, or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScopeId(usize);

impl ScopeId {
    /// The application.
    pub(crate) const ROOT: ScopeId = ScopeId(0);
}

struct Scope {
    parent: Option<ScopeId>,
    layers: Vec<Rc<dyn Layer>>,
}

/// One handler with its template and all that goes around it.
struct Registered {
    handler: MethodHandler,
    template: Box<str>,
    names: Vec<Box<str>>,
    scope: ScopeId,
    layers: Rc<[Rc<dyn Layer>]>,
    body_limit: Option<u64>,
}

/// Collects routes; layers are put around them at the end, as they may be added later than the routes.
pub(crate) struct Registry {
    tree: Tree<Vec<Registered>>,
    /// Invariant: the first is the application's, and a parent stands before its children.
    scopes: Vec<Scope>,
}

impl Registry {
    pub(crate) fn new() -> Registry {
        Registry { tree: Tree::new(), scopes: vec![Scope { parent: None, layers: Vec::new() }] }
    }

    /// A group inside another scope.
    pub(crate) fn scope(&mut self, parent: ScopeId) -> ScopeId {
        self.scopes.push(Scope { parent: Some(parent), layers: Vec::new() });
        ScopeId(self.scopes.len() - 1)
    }

    pub(crate) fn layer(&mut self, scope: ScopeId, middleware: impl Middleware) {
        self.scopes[scope.0].layers.push(Rc::new(middleware));
    }

    /// Registers handlers.
    ///
    /// # Panics
    /// If the template is not valid, or a method has a handler on this path already, with where that one is.
    #[track_caller]
    pub(crate) fn add(&mut self, scope: ScopeId, template: &str, methods: MethodRouter) {
        let parsed = match Template::parse(template) {
            Ok(parsed) => parsed,
            Err(reason) => panic!("`{template}` is not a route template: {reason}"),
        };
        let layers: Rc<[_]> = methods.layers.into();
        let registered = self.tree.entry(&parsed.segments, Vec::new);
        for handler in methods.handlers {
            if let Some(first) = registered.iter().find(|first| first.handler.method == handler.method) {
                let method = shown(handler.method.as_ref());
                let Registered { template: other, handler: MethodHandler { location, .. }, .. } = first;
                panic!(
                    "`{template}` has a handler for {method} already: `{other}`, registered at {location}"
                );
            }
            registered.push(Registered {
                handler,
                template: template.into(),
                names: parsed.names.clone(),
                scope,
                layers: Rc::clone(&layers),
                body_limit: methods.body_limit,
            });
        }
    }

    /// Puts the layers around the handlers and checks that the state they want is there.
    ///
    /// # Panics
    /// If a state is missing, with the route that wants it and where that is registered.
    pub(crate) fn build(self, states: Rc<States>) -> Routes {
        let Registry { tree, scopes } = self;
        let mut used: Vec<Method> = Vec::new();
        for registered in tree.values().into_iter().flatten() {
            registered.check(&states);
            used.extend(registered.handler.method.clone().filter(|method| !used.contains(method)));
        }
        let tree = tree.map(&mut |registered: Vec<Registered>| table(registered, &scopes, &states));
        let not_found = wrap(Rc::new(NotFound::new(&used)), &scopes[ScopeId::ROOT.0].layers);
        let not_found =
            Route { template: None, names: Vec::new(), body_limit: None, states, endpoint: not_found };
        Routes { tree, not_found: Rc::new(not_found) }
    }
}

impl Registered {
    fn check(&self, states: &States) {
        let missing = self.handler.needs.missing(states);
        if let Some(state) = missing {
            let method = shown(self.handler.method.as_ref());
            let Registered { template, handler: MethodHandler { location, .. }, .. } = self;
            panic!(
                "the handler for {method} on `{template}`, registered at {location}, takes State<{state}>, \
                 but the application has none: give it with `App::state`"
            );
        }
    }
}

fn table(registered: Vec<Registered>, scopes: &[Scope], states: &Rc<States>) -> Table {
    let methods: Vec<Method> = registered.iter().filter_map(|route| route.handler.method.clone()).collect();
    let mut table = Table { routes: Vec::new(), any: None, other: None };
    for one in registered {
        let outer = layers_of(scopes, one.scope);
        let route = |endpoint: Rc<dyn Endpoint>, body_limit| {
            Rc::new(Route {
                template: Some(one.template.clone()),
                names: one.names.clone(),
                body_limit,
                states: Rc::clone(states),
                endpoint: wrap(endpoint, &outer),
            })
        };
        // Answers of the router itself stand where the first handler of the path stands.
        table.other.get_or_insert_with(|| route(Rc::new(MethodNotAllowed::new(&methods)), None));
        let built = route(wrap(one.handler.endpoint, &one.layers), one.body_limit);
        match one.handler.method {
            Some(method) => table.routes.push((method, built)),
            None => table.any = Some(built),
        }
    }
    table
}

/// Layers of a scope and of those around it, the outermost first.
fn layers_of(scopes: &[Scope], scope: ScopeId) -> Vec<Rc<dyn Layer>> {
    let Scope { parent, layers } = &scopes[scope.0];
    let mut all = parent.map_or_else(Vec::new, |parent| layers_of(scopes, parent));
    all.extend(layers.iter().cloned());
    all
}
