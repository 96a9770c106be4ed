//! Places for layers: the application, groups, applications taken in.

use std::rc::Rc;

use super::fallback::Fallback;
use super::host::HostPattern;
use crate::app::{ErrorHandlers, HandlingErrors};
use crate::handler::Endpoint;
use crate::middleware::{Layer, wrap};

/// A place for layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScopeId(pub(super) usize);

impl ScopeId {
    /// The application.
    pub(crate) const ROOT: ScopeId = ScopeId(0);
}

pub(super) struct Scope {
    pub(super) parent: Option<ScopeId>,
    /// What the templates in it begin with: empty, or a slash and more, that of its parent first.
    pub(super) prefix: String,
    /// The host it is for, its parent's if it has none of its own.
    pub(super) host: Option<HostPattern>,
    pub(super) layers: Vec<Rc<dyn Layer>>,
    pub(super) errors: ErrorHandlers,
    pub(super) fallback: Option<Fallback>,
    pub(super) not_allowed: Option<Fallback>,
}

impl Scope {
    pub(super) fn new(parent: Option<ScopeId>, prefix: String, host: Option<HostPattern>) -> Scope {
        Scope {
            parent,
            prefix,
            host,
            layers: Vec::new(),
            errors: ErrorHandlers::default(),
            fallback: None,
            not_allowed: None,
        }
    }
}

/// A scope and those around it, the innermost first.
pub(super) fn outwards(scopes: &[Scope], scope: ScopeId) -> impl Iterator<Item = &Scope> {
    std::iter::successors(Some(&scopes[scope.0]), |scope| scope.parent.map(|parent| &scopes[parent.0]))
}

/// Puts what a scope and those around it have to put around `endpoint`: error handlers outside the layers of their scope.
pub(super) fn wrap_in(scopes: &[Scope], scope: ScopeId, endpoint: Rc<dyn Endpoint>) -> Rc<dyn Endpoint> {
    outwards(scopes, scope).fold(endpoint, |inner, scope| {
        let inner = wrap(inner, &scope.layers);
        if scope.errors.is_empty() {
            return inner;
        }
        Rc::new(HandlingErrors { handlers: Rc::new(scope.errors.clone()), inner })
    })
}
