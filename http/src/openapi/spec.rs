//! The document of an application.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::SecurityScheme;
use utoipa::openapi::{Components, Info, OpenApi, Paths, RefOr, Required};

use super::docs::{Described, Docs};
use super::op::{PROBLEM, Schemas};
use super::ui;
use crate::app::App;
use crate::response::{IntoResponse, Response};
use crate::router::{RouteInfo, get};

type Modify = Box<dyn Fn(&mut OpenApi)>;

/// What the document says besides the routes, and where it is served. Given to [`App::openapi`].
#[must_use = "give it to `App::openapi`"]
pub struct Spec {
    info: Info,
    json: String,
    docs: Option<String>,
    security: Vec<(String, SecurityScheme)>,
    modify: Vec<Modify>,
}

impl Spec {
    /// The document of an API with this title, at this version of the API.
    pub fn new(title: &str, version: &str) -> Spec {
        Spec {
            info: Info::new(title, version),
            json: "/openapi.json".to_owned(),
            docs: Some("/docs".to_owned()),
            security: Vec::new(),
            modify: Vec::new(),
        }
    }

    /// What the API is for, in Markdown.
    pub fn description(mut self, text: &str) -> Spec {
        self.info.description = Some(text.to_owned());
        self
    }

    /// Where the document is served (`/openapi.json`).
    pub fn json_at(mut self, path: &str) -> Spec {
        self.json = path.to_owned();
        self
    }

    /// Where the page is served that shows it (`/docs`), with its files below; `None` for nowhere.
    pub fn docs_at(mut self, path: Option<&str>) -> Spec {
        self.docs = path.map(str::to_owned);
        self
    }

    /// A way of proving who calls, which operations name with [`Op::security`](super::Op::security).
    pub fn security(mut self, name: &str, scheme: SecurityScheme) -> Spec {
        self.security.push((name.to_owned(), scheme));
        self
    }

    /// Changes the finished document: servers, contact, licence, whatever OpenAPI has.
    pub fn modify(mut self, modify: impl Fn(&mut OpenApi) + 'static) -> Spec {
        self.modify.push(Box::new(modify));
        self
    }

    /// The document of these routes.
    ///
    /// # Panics
    /// If a description does not fit its route: a method without a handler, a path parameter that the template
    /// lacks, a path that is another; or if two operations have one id. The message names the route.
    pub fn document(&self, routes: &[RouteInfo]) -> OpenApi {
        let mut paths = Paths::new();
        let mut schemas: Schemas = vec![(PROBLEM.to_owned(), problem_schema())];
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for route in routes {
            let Some(docs) = route.meta::<Docs>() else { continue };
            for (method, described) in &docs.operations {
                let method = method.as_ref().unwrap_or_else(|| only_method(route));
                let place = format!("{method} {} (registered at {})", route.template(), route.location());
                let (operation, found) = operation(route, method, described, &place);
                schemas.extend(found);
                if let Some(id) = &operation.operation_id
                    && let Some(first) = ids.insert(id.clone(), place.clone())
                {
                    panic!("two operations have the id `{id}`: {first} and {place}");
                }
                let Some(method) = http_method(method) else {
                    panic!("{place}: OpenAPI 3.1 has no such method")
                };
                paths.add_path_operation(path_of(route.template()), vec![method], operation);
            }
        }
        let mut document = OpenApi::new(self.info.clone(), paths);
        let mut components = Components::new();
        components.schemas.extend(schemas);
        for (name, scheme) in &self.security {
            components.add_security_scheme(name.clone(), scheme.clone());
        }
        document.components = Some(components);
        for modify in &self.modify {
            modify(&mut document);
        }
        document
    }

    /// The routes that are neither described nor [hidden](super::hidden()), and those of which a method is not: what
    /// a test asserts to be empty.
    ///
    /// `HEAD` and `OPTIONS` need no description.
    pub fn undescribed(routes: &[RouteInfo]) -> Vec<String> {
        let mut missing = Vec::new();
        for route in routes {
            let docs = route.meta::<Docs>();
            if docs.is_some_and(|docs| docs.hidden) {
                continue;
            }
            for method in route.methods().filter(|method| !matches!(**method, Method::HEAD | Method::OPTIONS))
            {
                let describes = |found: &Option<Method>| found.as_ref().is_none_or(|found| found == method);
                if !docs.is_some_and(|docs| docs.operations.iter().any(|(found, _)| describes(found))) {
                    missing.push(format!("{method} {}", route.template()));
                }
            }
            if route.has_any() {
                missing.push(format!("any method {}", route.template()));
            }
        }
        missing
    }
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("title", &self.info.title)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Serves the OpenAPI document of the routes registered so far, and the page that shows it. Call it last.
    ///
    /// # Panics
    /// As [`Spec::document`], and as [`App::route`] if something else is at those paths.
    #[track_caller]
    pub fn openapi(self, spec: Spec) -> App {
        let document = Bytes::from(written(&spec.document(&self.routes())));
        let serve = async move || document_response(document.clone());
        let app = self.route(&spec.json, get(serve).describe(super::hidden()));
        match &spec.docs {
            Some(path) => ui::serve(app, path, &spec.json, &spec.info.title),
            None => app,
        }
    }
}

fn document_response(document: Bytes) -> Response {
    let response = Response::new(document).with_header("content-type", "application/json");
    match response.and_then(|response| response.with_header("cache-control", "no-cache")) {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

fn written(document: &OpenApi) -> String {
    match serde_json::to_value(document) {
        Ok(mut document) => {
            bound_integers(&mut document);
            document.to_string()
        }
        Err(error) => panic!("the OpenAPI document cannot be written: {error}"),
    }
}

/// Writes the bounds of Rust's integers out where a schema has only their format: what is beyond them is refused, and
/// few tools know what each format means.
fn bound_integers(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_integer = object
                .get("type")
                .is_some_and(|kind| kind == "integer" || *kind == json!(["integer", "null"]));
            // utoipa writes `u-int32`; the registry of formats has `uint32`.
            if let Some(Value::String(format)) = object.get_mut("format")
                && let Some(bits) = format.strip_prefix("u-int")
            {
                *format = format!("uint{bits}");
            }
            let bounds: Option<(Value, Value)> = match object.get("format").and_then(Value::as_str) {
                Some("int8") => Some((i8::MIN.into(), i8::MAX.into())),
                Some("int16") => Some((i16::MIN.into(), i16::MAX.into())),
                Some("int32") => Some((i32::MIN.into(), i32::MAX.into())),
                Some("int64") => Some((i64::MIN.into(), i64::MAX.into())),
                Some("uint8") => Some((0.into(), u8::MAX.into())),
                Some("uint16") => Some((0.into(), u16::MAX.into())),
                Some("uint32") => Some((0.into(), u32::MAX.into())),
                Some("uint64") => Some((0.into(), u64::MAX.into())),
                _ => None,
            };
            if let (true, Some((least, most))) = (is_integer, bounds) {
                object.entry("minimum").or_insert(least);
                object.entry("maximum").or_insert(most);
            }
            object.values_mut().for_each(bound_integers);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_integers),
        _ => {}
    }
}

fn operation(route: &RouteInfo, method: &Method, described: &Described, place: &str) -> (Operation, Schemas) {
    assert!(route.has_any() || route.methods().any(|found| found == method), "{place}: there is no handler");
    let names = parameters_of(route.template());
    match described {
        Described::Ours(op) => {
            let mut op = op.as_ref().clone();
            for parameter in op.parameters.iter().filter(|parameter| is_path(parameter)) {
                let name = &parameter.name;
                assert!(names.contains(&name.as_str()), "{place}: the template has no parameter `{name}`");
            }
            let described: Vec<String> =
                op.parameters.iter().filter(|found| is_path(found)).map(|found| found.name.clone()).collect();
            let missing = names.iter().filter(|name| !described.iter().any(|found| found == *name));
            op.parameters.extend(missing.map(|name| text_parameter(name)));
            op.finish()
        }
        Described::Macro(path, operation, schemas) => {
            let here = path_of(route.template());
            assert!(*path == here, "{place}: `#[utoipa::path]` says `{path}`");
            (operation.as_ref().clone(), schemas.clone())
        }
    }
}

/// The method of a route that has one.
fn only_method(route: &RouteInfo) -> &Method {
    let mut methods = route.methods();
    match (methods.next(), methods.next(), route.has_any()) {
        (Some(method), None, false) => method,
        _ => panic!(
            "{} (registered at {}) has not exactly one method: say which is described, as in docs().get(op(…))",
            route.template(),
            route.location()
        ),
    }
}

fn is_path(parameter: &Parameter) -> bool {
    matches!(parameter.parameter_in, ParameterIn::Path)
}

fn text_parameter(name: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
    parameter.required(Required::True).schema(Some(Schema::Object(text))).build()
}

/// The names of the parameters in a template.
fn parameters_of(template: &str) -> Vec<&str> {
    let inside = |segment: &'_ str| -> Option<(usize, usize)> {
        let end = segment.len().checked_sub(1)?;
        (segment.starts_with('{') && segment.ends_with('}')).then_some((1, end))
    };
    let segments = template.split('/');
    segments
        .filter_map(|segment| inside(segment).map(|(from, to)| &segment[from..to]))
        .map(|name| name.trim_start_matches('*').split(':').next().unwrap_or_default())
        .collect()
}

/// The template as OpenAPI writes it: a name alone in braces.
fn path_of(template: &str) -> String {
    let names = parameters_of(template);
    let mut names = names.iter();
    let segments = template.split('/').map(|segment| {
        let is_parameter = segment.starts_with('{') && segment.ends_with('}');
        match is_parameter.then(|| names.next()).flatten() {
            Some(name) => format!("{{{name}}}"),
            None => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

fn http_method(method: &Method) -> Option<HttpMethod> {
    Some(match *method {
        Method::GET => HttpMethod::Get,
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::DELETE => HttpMethod::Delete,
        Method::OPTIONS => HttpMethod::Options,
        Method::HEAD => HttpMethod::Head,
        Method::PATCH => HttpMethod::Patch,
        Method::TRACE => HttpMethod::Trace,
        _ => return None,
    })
}

/// RFC 9457; problems may have members of their own besides.
fn problem_schema() -> RefOr<Schema> {
    let text =
        |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    let status =
        ObjectBuilder::new().schema_type(Type::Integer).description(Some("The status of the response"));
    let error = ObjectBuilder::new()
        .property("pointer", text("Where in the request, as a JSON pointer"))
        .property("detail", text("What is wrong there"));
    let object = ObjectBuilder::new()
        .description(Some("What went wrong (RFC 9457)"))
        .property("type", text("Names the kind of problem"))
        .property("title", text("The kind of problem, in words"))
        .property("status", status)
        .required("status")
        .property("detail", text("This one problem, in words"))
        .property("instance", text("Names this one problem"))
        .property("errors", ArrayBuilder::new().items(error));
    RefOr::T(Schema::Object(object.build()))
}
