//! Routes while they are being registered.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::Location;
use std::rc::Rc;

use http::Method;

use super::Route;
use super::automatic::{MethodNotAllowed, NotFound};
use super::info::{Metas, RouteInfo, RouteList};
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

/// What one call of `route` has registered.
struct Entry {
    handlers: Vec<MethodHandler>,
    template: Template,
    text: Box<str>,
    scope: ScopeId,
    layers: Vec<Rc<dyn Layer>>,
    body_limit: Option<u64>,
    name: Option<&'static str>,
    metas: Rc<Metas>,
    location: &'static Location<'static>,
}

/// Collects routes; layers are put around them at the end, as they may be added later than the routes.
pub(crate) struct Registry {
    /// In order of registration.
    entries: Vec<Entry>,
    /// Places in `entries` by what their templates match.
    by_shape: HashMap<String, Vec<usize>>,
    /// Invariant: the first is the application's, and a parent stands before its children.
    scopes: Vec<Scope>,
}

impl Registry {
    pub(crate) fn new() -> Registry {
        let root = Scope { parent: None, layers: Vec::new() };
        Registry { entries: Vec::new(), by_shape: HashMap::new(), scopes: vec![root] }
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
    pub(crate) fn add(&mut self, scope: ScopeId, text: &str, methods: MethodRouter) {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(reason) => panic!("`{text}` is not a route template: {reason}"),
        };
        let named = methods.name.and_then(|name| self.entries.iter().find(|first| first.name == Some(name)));
        if let Some(Entry { text: first, location, name: Some(name), .. }) = named {
            panic!("`{text}` has the name of another route, `{name}`: `{first}`, registered at {location}");
        }
        let same = self.by_shape.entry(template.shape()).or_default();
        for handler in &methods.handlers {
            let twice = same.iter().find_map(|at| {
                let first = &self.entries[*at];
                let first_handler = first.handlers.iter().find(|found| found.method == handler.method)?;
                Some((&first.text, first_handler.location))
            });
            if let Some((first, location)) = twice {
                let method = shown(handler.method.as_ref());
                panic!("`{text}` has a handler for {method} already: `{first}`, registered at {location}");
            }
        }
        same.push(self.entries.len());
        self.entries.push(Entry {
            handlers: methods.handlers,
            template,
            text: text.into(),
            scope,
            layers: methods.layers,
            body_limit: methods.body_limit,
            name: methods.name,
            metas: Rc::new(methods.metas),
            location: Location::caller(),
        });
    }

    /// What is registered so far.
    pub(crate) fn list(&self) -> RouteList {
        RouteList(self.entries.iter().map(|entry| entry.info(&self.scopes)).collect())
    }

    /// Puts the layers around the handlers and checks that the state they want is there.
    ///
    /// # Panics
    /// If a state is missing, with the route that wants it and where that is registered.
    pub(crate) fn build(self, states: Rc<States>) -> Routes {
        let list = self.list();
        let Registry { entries, scopes, .. } = self;
        let mut used: Vec<Method> = Vec::new();
        let mut tree = Tree::new();
        for entry in entries {
            entry.check(&states);
            for method in entry.handlers.iter().filter_map(|handler| handler.method.as_ref()) {
                if !used.contains(method) {
                    used.push(method.clone());
                }
            }
            tree.entry(&entry.template.segments, Vec::new).push(entry);
        }
        let tree = tree.map(&mut |entries: Vec<Entry>| table(entries, &scopes, &states));
        let not_found = wrap(Rc::new(NotFound::new(&used)), &scopes[ScopeId::ROOT.0].layers);
        let not_found = Route {
            template: None,
            names: Rc::from([]),
            body_limit: None,
            metas: Rc::default(),
            states,
            endpoint: not_found,
        };
        Routes { tree, not_found: Rc::new(not_found), list }
    }
}

impl Entry {
    fn check(&self, states: &States) {
        for MethodHandler { method, needs, location, .. } in &self.handlers {
            if let Some(state) = needs.missing(states) {
                let (method, template) = (shown(method.as_ref()), &self.text);
                panic!(
                    "the handler for {method} on `{template}`, registered at {location}, takes State<{state}>, \
                     but the application has none: give it with `App::state`"
                );
            }
        }
    }

    fn info(&self, scopes: &[Scope]) -> RouteInfo {
        let outer = layers_of(scopes, self.scope);
        let middleware: Vec<Cow<'static, str>> =
            outer.iter().chain(&self.layers).map(|layer| layer.name()).collect();
        RouteInfo {
            methods: self.handlers.iter().map(|handler| handler.method.clone()).collect(),
            template: self.text.clone(),
            name: self.name,
            host: None,
            middleware,
            location: self.location,
            metas: Rc::clone(&self.metas),
        }
    }
}

/// The routes of one path.
fn table(entries: Vec<Entry>, scopes: &[Scope], states: &Rc<States>) -> Table {
    let methods: Vec<Method> = entries
        .iter()
        .flat_map(|entry| &entry.handlers)
        .filter_map(|handler| handler.method.clone())
        .collect();
    let mut table: Option<Table> = None;
    for entry in entries {
        let outer = layers_of(scopes, entry.scope);
        let names: Rc<[Box<str>]> = entry.template.names.into();
        let route = |endpoint: Rc<dyn Endpoint>, body_limit| {
            Rc::new(Route {
                template: Some(entry.text.clone()),
                names: Rc::clone(&names),
                body_limit,
                metas: Rc::clone(&entry.metas),
                states: Rc::clone(states),
                endpoint: wrap(endpoint, &outer),
            })
        };
        // Answers of the router itself stand where the first handler of the path stands.
        let table =
            table.get_or_insert_with(|| Table::new(route(Rc::new(MethodNotAllowed::new(&methods)), None)));
        for handler in entry.handlers {
            table.insert(handler.method, route(wrap(handler.endpoint, &entry.layers), entry.body_limit));
        }
    }
    table.expect("no path is registered without a handler")
}

/// Layers of a scope and of those around it, the outermost first.
fn layers_of(scopes: &[Scope], scope: ScopeId) -> Vec<Rc<dyn Layer>> {
    let Scope { parent, layers } = &scopes[scope.0];
    let mut all = parent.map_or_else(Vec::new, |parent| layers_of(scopes, parent));
    all.extend(layers.iter().cloned());
    all
}
