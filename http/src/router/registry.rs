//! Routes while they are being registered.

use std::collections::HashMap;
use std::panic::Location;
use std::rc::Rc;

use super::fallback::Fallback;
use super::guard::Guards;
use super::host::HostPattern;
use super::info::{Metas, RouteInfo, RouteList};
use super::methods::{MethodHandler, MethodRouter, shown};
use super::named::Names;
use super::scope::{Scope, ScopeId, outwards};
use super::template::{Segment, Template};
use crate::app::{ErasedErrorHandler, Statuses};
use crate::extract::States;
use crate::middleware::{Layer, Middleware};

/// What one call of `route` has registered.
pub(super) struct Entry {
    pub(super) handlers: Vec<MethodHandler>,
    pub(super) template: Rc<Template>,
    pub(super) text: Box<str>,
    pub(super) scope: ScopeId,
    pub(super) guards: Guards,
    pub(super) layers: Vec<Rc<dyn Layer>>,
    pub(super) body_limit: Option<u64>,
    pub(super) name: Option<&'static str>,
    pub(super) metas: Rc<Metas>,
    pub(super) location: &'static Location<'static>,
}

/// Collects routes; layers are put around them at the end, as they may be added later than the routes.
pub(crate) struct Registry {
    /// In order of registration.
    pub(super) entries: Vec<Entry>,
    /// Places in `entries` by what their templates match.
    by_shape: HashMap<String, Vec<usize>>,
    /// Invariant: the first is the application's, and a parent stands before its children.
    pub(super) scopes: Vec<Scope>,
}

impl Registry {
    pub(crate) fn new() -> Registry {
        let root = Scope::new(None, String::new(), None);
        Registry { entries: Vec::new(), by_shape: HashMap::new(), scopes: vec![root] }
    }

    /// A group inside another scope.
    ///
    /// # Panics
    /// If the prefix is none.
    #[track_caller]
    pub(crate) fn scope(&mut self, parent: ScopeId, prefix: &str) -> ScopeId {
        assert!(
            prefix.starts_with('/') && !prefix.ends_with('/'),
            "`{prefix}` is not a prefix: it has to begin with a slash and not to end with one"
        );
        match Template::parse(prefix) {
            Ok(template) if template.segments.contains(&Segment::Rest) => {
                panic!("`{prefix}` is not a prefix: nothing can stand behind `{{*rest}}`")
            }
            Ok(_) => self.below(parent, prefix, None),
            Err(reason) => panic!("`{prefix}` is not a prefix: {reason}"),
        }
    }

    /// A group for a host.
    ///
    /// # Panics
    /// If that is none.
    #[track_caller]
    pub(crate) fn host(&mut self, parent: ScopeId, pattern: &str) -> ScopeId {
        match HostPattern::parse(pattern) {
            Ok(host) => self.below(parent, "", Some(host)),
            Err(reason) => panic!("`{pattern}` is not a host: {reason}"),
        }
    }

    fn below(&mut self, parent: ScopeId, prefix: &str, host: Option<HostPattern>) -> ScopeId {
        let outer = &self.scopes[parent.0];
        let scope = Scope::new(
            Some(parent),
            format!("{}{prefix}", outer.prefix),
            host.or_else(|| outer.host.clone()),
        );
        self.scopes.push(scope);
        ScopeId(self.scopes.len() - 1)
    }

    pub(crate) fn prefix(&self, scope: ScopeId) -> &str {
        &self.scopes[scope.0].prefix
    }

    pub(crate) fn layer(&mut self, scope: ScopeId, middleware: impl Middleware) {
        self.scopes[scope.0].layers.push(Rc::new(middleware));
    }

    pub(crate) fn on_error(
        &mut self,
        scope: ScopeId,
        statuses: Statuses,
        handler: Rc<dyn ErasedErrorHandler>,
    ) {
        self.scopes[scope.0].errors.push(statuses, handler);
    }

    /// # Panics
    /// If there is one already.
    #[track_caller]
    pub(crate) fn fallback(&mut self, scope: ScopeId, fallback: Fallback) {
        set_once(&mut self.scopes[scope.0].fallback, fallback, "fallbacks");
    }

    /// # Panics
    /// If there is one already.
    #[track_caller]
    pub(crate) fn method_not_allowed(&mut self, scope: ScopeId, fallback: Fallback) {
        set_once(
            &mut self.scopes[scope.0].not_allowed,
            fallback,
            "handlers for methods that are not allowed",
        );
    }

    /// Registers handlers.
    ///
    /// # Panics
    /// If the template is not valid, or a method has a handler on this path already, with where that one is.
    #[track_caller]
    pub(crate) fn add(&mut self, scope: ScopeId, text: &str, methods: MethodRouter) {
        let prefix = &self.scopes[scope.0].prefix;
        assert!(
            prefix.is_empty() || text.is_empty() || text.starts_with('/'),
            "`{text}` is not a route template: in a group it begins with a slash or is empty"
        );
        let text = format!("{prefix}{text}");
        let template = parse(&text);
        if let Some(name) = &methods.name
            && let Err(reason) = name.check(&template.names)
        {
            panic!("`{text}` cannot have the name `{}`: {reason}", name.text);
        }
        self.insert(Entry {
            handlers: methods.handlers,
            template,
            text: text.into(),
            scope,
            guards: methods.guards,
            layers: methods.layers,
            body_limit: methods.body_limit,
            name: methods.name.map(|name| name.text),
            metas: Rc::new(methods.metas),
            location: Location::caller(),
        });
    }

    /// # Panics
    /// If a name or a handler is there already.
    #[track_caller]
    fn insert(&mut self, entry: Entry) {
        let text = &entry.text;
        let named = entry.name.and_then(|name| self.entries.iter().find(|first| first.name == Some(name)));
        if let Some(Entry { text: first, location, name: Some(name), .. }) = named {
            panic!("`{text}` has the name of another route, `{name}`: `{first}`, registered at {location}");
        }
        let host = self.scopes[entry.scope.0].host.as_ref();
        let same = self.by_shape.entry(entry.template.shape()).or_default();
        for handler in &entry.handlers {
            let twice = same.iter().map(|at| &self.entries[*at]).find_map(|first| {
                if self.scopes[first.scope.0].host.as_ref() != host || !first.guards.same(&entry.guards) {
                    return None;
                }
                let first_handler = first.handlers.iter().find(|found| found.method == handler.method)?;
                Some((&first.text, first_handler.location))
            });
            if let Some((first, location)) = twice {
                let method = shown(handler.method.as_ref());
                panic!("`{text}` has a handler for {method} already: `{first}`, registered at {location}");
            }
        }
        same.push(self.entries.len());
        self.entries.push(entry);
    }

    /// Takes in what another application has registered. An empty prefix is none.
    ///
    /// # Panics
    /// If the prefix is none, a route or a name is there already, or both are for a host.
    #[track_caller]
    pub(crate) fn absorb(&mut self, parent: ScopeId, prefix: &str, other: Registry) {
        let root = if prefix.is_empty() { self.below(parent, "", None) } else { self.scope(parent, prefix) };
        let place = |scope: ScopeId| ScopeId(root.0 + scope.0);
        let (outer_prefix, outer_host) = {
            let scope = &self.scopes[root.0];
            (scope.prefix.clone(), scope.host.clone())
        };
        for (at, mut scope) in other.scopes.into_iter().enumerate() {
            scope.prefix.insert_str(0, &outer_prefix);
            if let (Some(outer), Some(inner)) = (&outer_host, &scope.host) {
                panic!("routes for the host `{inner}` cannot stand in a group for the host `{outer}`");
            }
            scope.host = scope.host.or_else(|| outer_host.clone());
            scope.parent = scope.parent.map_or(Some(parent), |parent| Some(place(parent)));
            match at {
                0 => self.scopes[root.0] = scope,
                _ => self.scopes.push(scope),
            }
        }
        for entry in other.entries {
            let below = if outer_prefix.is_empty() || *entry.text != *"/" { &entry.text } else { "" };
            let text = format!("{outer_prefix}{below}");
            let template = parse(&text);
            self.insert(Entry { scope: place(entry.scope), template, text: text.into(), ..entry });
        }
    }

    /// The templates of named routes.
    pub(crate) fn names(&self) -> Names {
        let named = self.entries.iter().filter_map(|entry| Some((entry.name?, Rc::clone(&entry.template))));
        Names(named.collect())
    }

    /// What is registered so far.
    pub(crate) fn list(&self) -> RouteList {
        RouteList(self.entries.iter().map(|entry| entry.info(&self.scopes)).collect())
    }
}

#[track_caller]
fn parse(text: &str) -> Rc<Template> {
    match Template::parse(text) {
        Ok(template) => Rc::new(template),
        Err(reason) => panic!("`{text}` is not a route template: {reason}"),
    }
}

#[track_caller]
fn set_once(place: &mut Option<Fallback>, fallback: Fallback, what: &str) {
    if let Some(first) = place {
        panic!("two {what}: the first was registered at {}", first.location);
    }
    *place = Some(fallback);
}

impl Entry {
    /// # Panics
    /// If a state is missing, with the route that wants it and where that is registered.
    pub(super) fn check(&self, states: &States) {
        for MethodHandler { method, needs, location, .. } in &self.handlers {
            if let Some(missing) = needs.missing(states) {
                let (method, template) = (shown(method.as_ref()), &self.text);
                panic!("the handler for {method} on `{template}`, registered at {location}, takes {missing}");
            }
        }
    }

    fn info(&self, scopes: &[Scope]) -> RouteInfo {
        let mut inside_out: Vec<&Scope> = outwards(scopes, self.scope).collect();
        inside_out.reverse();
        let layers = inside_out.iter().flat_map(|scope| &scope.layers).chain(&self.layers);
        RouteInfo {
            methods: self.handlers.iter().map(|handler| handler.method.clone()).collect(),
            template: self.text.clone(),
            name: self.name,
            host: scopes[self.scope.0].host.as_ref().map(|host| host.to_string().into()),
            guards: self.guards.labels(),
            middleware: layers.map(|layer| layer.name()).collect(),
            location: self.location,
            metas: Rc::clone(&self.metas),
        }
    }
}
