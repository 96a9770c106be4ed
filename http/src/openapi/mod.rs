//! OpenAPI 3.1: a description of the routes for people and programs, and a page that shows it.
//!
//! Each route says what it takes and gives, where it is registered; schemas come from the types, by utoipa's
//! derives. [`App::openapi`](crate::app::App::openapi) makes the document of all of them and serves it at
//! `/openapi.json`, with Swagger UI at `/docs`, whose files are in the binary: no other host is asked.
//!
//! Paths, methods and path parameters are taken from the routes, so they cannot differ from them. What describes
//! a method that has no handler, or a parameter that the template lacks, panics at start, and
//! [`Spec::undescribed`] lists the routes without a description, for a test to assert that there are none.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::extract::{Json, Path, Query};
//! use corelane_http::openapi::{Spec, op};
//! use corelane_http::router::get;
//! use corelane_http::testing::{self, TestClient};
//! use utoipa::{IntoParams, ToSchema};
//!
//! #[derive(serde::Serialize, ToSchema)]
//! struct Note {
//!     id: u32,
//!     text: String,
//! }
//!
//! #[derive(serde::Deserialize, IntoParams)]
//! struct Style {
//!     /// In capitals.
//!     #[serde(default)]
//!     loud: bool,
//! }
//!
//! async fn note(Path(id): Path<u32>, Query(style): Query<Style>) -> Json<Note> {
//!     let text = if style.loud { "HELLO" } else { "hello" };
//!     Json(Note { id, text: text.into() })
//! }
//!
//! fn app() -> App {
//!     App::new().route(
//!         "/notes/{id}",
//!         get(note).describe(
//!             op("getNote").summary("One note").path::<u32>("id", "Its number").query::<Style>()
//!                 .json::<Note>(200, "The note"),
//!         ),
//!     )
//! }
//!
//! assert!(Spec::undescribed(&app().routes()).is_empty());
//! testing::run(async {
//!     let client = TestClient::new(app().openapi(Spec::new("Notes", "1.0.0")));
//!     let document: serde_json::Value = client.get("/openapi.json").send().await.json();
//!     assert_eq!(document["paths"]["/notes/{id}"]["get"]["operationId"], "getNote");
//!     assert_eq!(document["components"]["schemas"]["Note"]["required"][1], "text");
//!     client.get("/docs").send().await.assert_status(200);
//! });
//! ```
//!
//! utoipa's derives name the crate `utoipa`, which has to be a dependency of the application too.

mod docs;
mod op;
mod spec;
#[cfg(test)]
mod tests;
mod ui;

pub use docs::{Docs, docs, hidden};
pub use op::{Op, op};
pub use spec::Spec;
pub use utoipa;
