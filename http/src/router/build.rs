//! From what was registered to what is looked up.

use std::rc::Rc;

use corelane_runtime::observe;
use http::Method;

use super::Route;
use super::automatic::{Allow, MethodNotAllowed, NotFound};
use super::fallback::{Fallback, GroupFallback};
use super::host::HostPattern;
use super::registry::{Entry, Registry};
use super::scope::{Scope, ScopeId, outwards, wrap_in};
use super::table::{Routes, Table};
use super::template::Template;
use super::tree::Tree;
use crate::extract::States;
use crate::handler::Endpoint;
use crate::middleware::wrap;

impl Registry {
    /// Puts the layers around the handlers and checks that the state they want is there.
    ///
    /// # Panics
    /// If a state is missing, with the route that wants it and where that is registered; if two fallbacks are for the same
    /// paths.
    pub(crate) fn build(self, states: Rc<States>) -> Routes {
        let list = self.list();
        let Registry { entries, scopes, .. } = self;
        check_fallbacks(&scopes, &states);
        let mut used: Vec<Method> = Vec::new();
        let mut has_guards = false;
        let mut everywhere = Tree::new();
        let mut by_host: Vec<(HostPattern, Tree<Vec<Entry>>)> = Vec::new();
        for entry in entries {
            entry.check(&states);
            has_guards |= !entry.guards.is_empty();
            for method in entry.handlers.iter().filter_map(|handler| handler.method.as_ref()) {
                if !used.contains(method) {
                    used.push(method.clone());
                }
            }
            let tree = match &scopes[entry.scope.0].host {
                None => &mut everywhere,
                Some(host) => {
                    let at = by_host.iter().position(|(found, _)| found == host).unwrap_or_else(|| {
                        by_host.push((host.clone(), Tree::new()));
                        by_host.len() - 1
                    });
                    &mut by_host[at].1
                }
            };
            let template = Rc::clone(&entry.template);
            tree.entry(&template.segments, Vec::new).push(entry);
        }
        by_host.sort_by_key(|(host, _)| host.rank());
        let finish =
            |tree: Tree<Vec<Entry>>| tree.map(&mut |entries: Vec<Entry>| table(entries, &scopes, &states));
        let by_host: Vec<_> = by_host.into_iter().map(|(host, tree)| (host, finish(tree))).collect();
        let root = &scopes[ScopeId::ROOT.0];
        let own = root.fallback.as_ref().map(|fallback| Rc::clone(&fallback.endpoint));
        let not_found = wrap_in(&scopes, ScopeId::ROOT, Rc::new(NotFound::new(&used, own)));
        Routes {
            tree: finish(everywhere),
            by_host,
            has_guards,
            fallbacks: fallbacks(&scopes, &states),
            not_found: without_template(not_found, Rc::from([]), &states),
            list,
        }
    }
}

fn without_template(endpoint: Rc<dyn Endpoint>, names: Rc<[Box<str>]>, states: &Rc<States>) -> Rc<Route> {
    let (states, metas) = (Rc::clone(states), Rc::default());
    let observed = observe::Route::named("(no route)");
    Rc::new(Route { template: None, names, body_limit: None, metas, states, observed, endpoint })
}

fn check_fallbacks(scopes: &[Scope], states: &States) {
    for (at, scope) in scopes.iter().enumerate() {
        for fallback in scope.fallback.iter().chain(&scope.not_allowed) {
            if let Some(missing) = fallback.needs.missing(states) {
                panic!("the fallback registered at {} takes {missing}", fallback.location);
            }
        }
        let Some(fallback) = &scope.fallback else { continue };
        let same = |other: &&Scope| other.prefix == scope.prefix && other.host == scope.host;
        let first = scopes[..at].iter().filter(same).find_map(|other| other.fallback.as_ref());
        if let Some(Fallback { location, .. }) = first {
            panic!(
                "two fallbacks for `{}`: registered at {location} and at {}",
                scope.prefix, fallback.location
            );
        }
    }
}

/// Those of groups, the one to be tried first in front.
fn fallbacks(scopes: &[Scope], states: &Rc<States>) -> Vec<GroupFallback> {
    let mut found: Vec<GroupFallback> = Vec::new();
    for (at, scope) in scopes.iter().enumerate().skip(1) {
        let Some(fallback) = &scope.fallback else { continue };
        // An empty prefix is no template; the rest were checked when their groups were made.
        let (prefix, names) = match Template::parse(&scope.prefix) {
            Ok(Template { segments, names }) => (segments, names),
            Err(_) => (Vec::new(), Rc::from([])),
        };
        let endpoint = wrap_in(scopes, ScopeId(at), Rc::clone(&fallback.endpoint));
        let route = without_template(endpoint, names, states);
        found.push(GroupFallback { host: scope.host.clone(), prefix, route });
    }
    found.sort_by_key(|fallback| {
        let host = fallback.host.as_ref();
        (host.is_none(), host.map(HostPattern::rank), std::cmp::Reverse(fallback.prefix.len()))
    });
    found
}

/// The routes of one path.
fn table(entries: Vec<Entry>, scopes: &[Scope], states: &Rc<States>) -> Table {
    let methods = |entry: &Entry| -> Vec<Method> {
        entry.handlers.iter().filter_map(|handler| handler.method.clone()).collect()
    };
    let allow = Allow::new(entries.iter().map(|entry| (entry.guards.clone(), methods(entry))).collect());
    let first = entries.first().expect("no path is registered without a handler");
    // Answers of the router itself stand where the first handler of the path stands.
    let own = outwards(scopes, first.scope).find_map(|scope| scope.not_allowed.as_ref());
    let rest = MethodNotAllowed::new(allow, own.map(|fallback| Rc::clone(&fallback.endpoint)));
    let mut table = Table::new(route(first, None, Rc::new(rest), None, scopes, states));
    for mut entry in entries {
        let handlers = std::mem::take(&mut entry.handlers);
        let set = table.set(&entry.guards);
        for handler in handlers {
            let endpoint = wrap(handler.endpoint, &entry.layers);
            let route = route(&entry, handler.method.as_ref(), endpoint, entry.body_limit, scopes, states);
            set.insert(handler.method, route);
        }
    }
    table
}

fn route(
    entry: &Entry,
    method: Option<&Method>,
    endpoint: Rc<dyn Endpoint>,
    body_limit: Option<u64>,
    scopes: &[Scope],
    states: &Rc<States>,
) -> Rc<Route> {
    Rc::new(Route {
        template: Some(entry.text.clone()),
        names: Rc::clone(&entry.template.names),
        body_limit,
        metas: Rc::clone(&entry.metas),
        states: Rc::clone(states),
        observed: observe::Route::named(&format!("{} {}", method.map_or("*", Method::as_str), entry.text)),
        endpoint: wrap_in(scopes, entry.scope, endpoint),
    })
}
