//! What one operation takes and gives.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Deprecated, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// The name of the schema of [`Problem`](crate::problem::Problem) in the document.
pub(super) const PROBLEM: &str = "Problem";

/// Schemas by name, as utoipa gathers them.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// The description of one operation: a method of a route. Begun by [`op`].
///
/// What the framework's extractors answer to a request that does not fit is added: a body brings 400, 413, 415
/// and 422, parameters bring 400, each as a problem (RFC 9457), unless the operation says something else of that
/// status.
#[derive(Clone)]
#[must_use = "give it to `MethodRouter::describe`"]
pub struct Op {
    operation: Operation,
    pub(super) parameters: Vec<Parameter>,
    responses: Vec<(u16, RefOr<Response>)>,
    pub(super) schemas: Schemas,
    /// Statuses that rejections of extractors have.
    rejections: Vec<u16>,
}

/// Begins the description of an operation. The id is unique in the document; generated clients call their function so.
pub fn op(id: &str) -> Op {
    let mut operation = Operation::new();
    operation.operation_id = Some(id.to_owned());
    Op {
        operation,
        parameters: Vec::new(),
        responses: Vec::new(),
        schemas: Vec::new(),
        rejections: Vec::new(),
    }
}

impl Op {
    /// One line on what it does.
    pub fn summary(mut self, line: &str) -> Op {
        self.operation.summary = Some(line.to_owned());
        self
    }

    /// More on what it does, in Markdown.
    pub fn description(mut self, text: &str) -> Op {
        self.operation.description = Some(text.to_owned());
        self
    }

    /// The heading that it stands under. Can be given several times.
    pub fn tag(mut self, name: &str) -> Op {
        self.operation.tags.get_or_insert_default().push(name.to_owned());
        self
    }

    /// It will go away.
    pub fn deprecated(mut self) -> Op {
        self.operation.deprecated = Some(Deprecated::True);
        self
    }

    /// The type of a path parameter, which is a text without this.
    pub fn path<T: PartialSchema>(self, name: &str, description: &str) -> Op {
        self.parameter(ParameterIn::Path, name, description, Required::True, T::schema())
    }

    /// The fields of the query, from the type that [`Query`](crate::extract::Query) takes.
    pub fn query<T: IntoParams>(mut self) -> Op {
        self.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
        self.rejects(&[400])
    }

    /// A field of the header.
    pub fn header<T: PartialSchema>(self, name: &str, description: &str, required: bool) -> Op {
        let required = if required { Required::True } else { Required::False };
        self.parameter(ParameterIn::Header, name, description, required, T::schema())
    }

    fn parameter(
        mut self,
        parameter_in: ParameterIn,
        name: &str,
        description: &str,
        required: Required,
        schema: RefOr<Schema>,
    ) -> Op {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(parameter_in)
            .required(required)
            .description(Some(description))
            .schema(Some(schema));
        self.parameters.push(parameter.build());
        self.rejects(&[400])
    }

    /// The body, as JSON: the type that [`Json`](crate::extract::Json) takes.
    pub fn body<T: ToSchema>(self) -> Op {
        self.body_as::<T>("application/json")
    }

    /// The body in another form, such as `application/x-www-form-urlencoded` or `multipart/form-data`.
    pub fn body_as<T: ToSchema>(mut self, content_type: &str) -> Op {
        let schema = self.schema_of::<T>();
        self.body_of(content_type, schema, Required::True).rejects(&[400, 413, 415, 422])
    }

    /// A body of bytes that are not looked into; none at all will do.
    pub fn body_bytes(self, content_type: &str) -> Op {
        self.body_of(content_type, bytes_schema(), Required::False).rejects(&[413])
    }

    fn body_of(mut self, content_type: &str, schema: RefOr<Schema>, required: Required) -> Op {
        let body = RequestBodyBuilder::new()
            .content(content_type, Content::new(Some(schema)))
            .required(Some(required));
        self.operation.request_body = Some(body.build().into());
        self
    }

    /// A response with JSON: the type in the [`Json`](crate::extract::Json) that the handler returns.
    pub fn json<T: ToSchema>(self, status: u16, description: &str) -> Op {
        self.response_as::<T>(status, "application/json", description)
    }

    /// A response with a JSON array of this type. `json::<Vec<T>>` says the same, but writes the schema of `T` out.
    pub fn list<T: ToSchema>(mut self, status: u16, description: &str) -> Op {
        let schema = Schema::Array(ArrayBuilder::new().items(self.schema_of::<T>()).build());
        let content = Content::new(Some(schema));
        self.response(
            status,
            ResponseBuilder::new().description(description).content("application/json", content),
        )
    }

    /// A response in another form, such as `text/plain`.
    pub fn response_as<T: ToSchema>(mut self, status: u16, content_type: &str, description: &str) -> Op {
        let content = Content::new(Some(self.schema_of::<T>()));
        self.response(status, ResponseBuilder::new().description(description).content(content_type, content))
    }

    /// A response of bytes that are not described further.
    pub fn bytes(self, status: u16, content_type: &str, description: &str) -> Op {
        let content = Content::new(Some(bytes_schema()));
        self.response(status, ResponseBuilder::new().description(description).content(content_type, content))
    }

    /// A response without a body.
    pub fn empty(self, status: u16, description: &str) -> Op {
        self.response(status, ResponseBuilder::new().description(description))
    }

    /// An error that is answered as a [`Problem`](crate::problem::Problem).
    pub fn problem(self, status: u16, description: &str) -> Op {
        self.response(status, problem(description))
    }

    fn response(mut self, status: u16, response: ResponseBuilder) -> Op {
        self.responses.push((status, response.build().into()));
        self
    }

    /// Who may call it: the name of a scheme that [`Spec::security`](super::Spec::security) gave, with its scopes.
    pub fn security(mut self, scheme: &str, scopes: &[&str]) -> Op {
        let requirement = SecurityRequirement::new(scheme, scopes.iter().copied());
        self.operation.security.get_or_insert_default().push(requirement);
        self
    }

    fn rejects(mut self, statuses: &[u16]) -> Op {
        self.rejections.extend_from_slice(statuses);
        self
    }

    fn schema_of<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        let schema = T::schema();
        // Types that are objects get a name of their own; a number or a list is written where it stands.
        match &schema {
            RefOr::T(Schema::Object(object)) if is_named(object) => {
                self.schemas.push((T::name().into_owned(), schema));
                RefOr::Ref(Ref::from_schema_name(T::name()))
            }
            RefOr::T(Schema::OneOf(_) | Schema::AllOf(_) | Schema::AnyOf(_)) => {
                self.schemas.push((T::name().into_owned(), schema));
                RefOr::Ref(Ref::from_schema_name(T::name()))
            }
            _ => schema,
        }
    }

    /// The responses with those of the extractors.
    pub(super) fn finish(mut self) -> (Operation, Schemas) {
        self.rejections.sort_unstable();
        self.rejections.dedup();
        for status in std::mem::take(&mut self.rejections) {
            if !self.responses.iter().any(|(found, _)| *found == status) {
                self.responses.push((status, problem(rejection(status)).build().into()));
            }
        }
        self.responses.sort_by_key(|(status, _)| *status);
        let mut operation = self.operation;
        operation.parameters = Some(self.parameters.into_iter().map(Into::into).collect());
        let responses = self.responses.into_iter().map(|(status, response)| (status.to_string(), response));
        operation.responses.responses.extend(responses);
        (operation, self.schemas)
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let statuses: Vec<u16> = self.responses.iter().map(|(status, _)| *status).collect();
        f.debug_struct("Op").field("responses", &statuses).finish_non_exhaustive()
    }
}

/// True for structs and enumerations of names, false for plain texts and numbers.
fn is_named(object: &utoipa::openapi::Object) -> bool {
    let is_object = matches!(object.schema_type, SchemaType::Type(Type::Object));
    (is_object && !object.properties.is_empty()) || object.enum_values.is_some()
}

fn bytes_schema() -> RefOr<Schema> {
    Schema::Object(ObjectBuilder::new().build()).into()
}

fn problem(description: &str) -> ResponseBuilder {
    let schema = RefOr::Ref(Ref::from_schema_name(PROBLEM));
    let content = Content::new(Some(schema));
    ResponseBuilder::new().description(description).content("application/problem+json", content)
}

fn rejection(status: u16) -> &'static str {
    match status {
        413 => "The body is too large",
        415 => "The body is of another content type",
        422 => "The body is well formed, but is not what is wanted",
        _ => "The request is malformed",
    }
}
