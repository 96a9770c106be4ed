//! The descriptions of one route, by method.

use http::Method;
use utoipa::openapi::path::Operation;

use super::op::{Op, Schemas};
use crate::router::MethodRouter;

/// Descriptions of the operations of a route. Begun by [`docs`], given to [`MethodRouter::describe`].
#[derive(Clone, Default)]
#[must_use = "give it to `MethodRouter::describe`"]
pub struct Docs {
    /// `None` for the only method of the route, whichever that is.
    pub(super) operations: Vec<(Option<Method>, Described)>,
    /// True for a route that is not to be in the document.
    pub(super) hidden: bool,
}

#[derive(Clone)]
pub(super) enum Described {
    Ours(Box<Op>),
    /// From `#[utoipa::path]`: the path it names, which has to be the route's.
    Macro(String, Box<Operation>, Schemas),
}

/// Begins the descriptions of a route.
pub fn docs() -> Docs {
    Docs::default()
}

/// A route that is not to be in the document, on purpose.
pub fn hidden() -> Docs {
    Docs { operations: Vec::new(), hidden: true }
}

impl Docs {
    /// Describes what `#[utoipa::path(…)]` stands on, for those who have written that already:
    /// `docs().utoipa::<__path_list_notes>()`, where `list_notes` is the handler.
    ///
    /// The attribute names path and method; they have to be those of the route. Schemas that it refers to are
    /// added with [`Docs::schema`].
    pub fn utoipa<P: utoipa::Path>(mut self) -> Docs {
        for method in P::methods() {
            let described = Described::Macro(P::path(), Box::new(P::operation()), Vec::new());
            self.operations.push((Some(method_of(&method)), described));
        }
        self
    }

    /// Adds the schema of a type, and of the types in it, to the document.
    pub fn schema<T: utoipa::ToSchema>(mut self) -> Docs {
        if let Some((_, Described::Macro(_, _, schemas))) = self.operations.last_mut() {
            T::schemas(schemas);
            schemas.push((T::name().into_owned(), T::schema()));
        }
        self
    }
}

impl From<Op> for Docs {
    fn from(op: Op) -> Docs {
        Docs { operations: vec![(None, Described::Ours(Box::new(op)))], hidden: false }
    }
}

impl std::fmt::Debug for Docs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let methods: Vec<_> = self.operations.iter().map(|(method, _)| method).collect();
        f.debug_struct("Docs").field("operations", &methods).field("hidden", &self.hidden).finish()
    }
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {
        impl Docs {
            $(
                #[doc = concat!("Describes `", stringify!($method), "`.")]
                pub fn $name(mut self, op: Op) -> Docs {
                    self.operations.push((Some(Method::$method), Described::Ours(Box::new(op))));
                    self
                }
            )*
        }
    };
}

methods! {
    get GET;
    post POST;
    put PUT;
    patch PATCH;
    delete DELETE;
    head HEAD;
    options OPTIONS;
}

impl MethodRouter {
    /// Describes these handlers in the OpenAPI document: with an [`Op`](crate::openapi::Op) where there is one method, with
    /// [`docs`](crate::openapi::docs) where there are several. See [`openapi`](crate::openapi).
    ///
    /// # Panics
    /// If they are described already.
    #[track_caller]
    pub fn describe(self, docs: impl Into<Docs>) -> MethodRouter {
        self.meta(docs.into())
    }
}

fn method_of(method: &utoipa::openapi::HttpMethod) -> Method {
    use utoipa::openapi::HttpMethod as M;
    match method {
        M::Get => Method::GET,
        M::Post => Method::POST,
        M::Put => Method::PUT,
        M::Delete => Method::DELETE,
        M::Options => Method::OPTIONS,
        M::Head => Method::HEAD,
        M::Patch => Method::PATCH,
        M::Trace => Method::TRACE,
    }
}
