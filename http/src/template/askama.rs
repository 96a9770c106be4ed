//! Askama: templates that are part of the program.

use askama::Template;

use crate::problem::Problem;
use crate::respond::{Html, IntoResponse};
use crate::response::Response;

/// A template of askama as a response, with the content type of HTML.
///
/// A template that fails, by a filter or a `Display` of the application, is answered with 500, and the reason is logged.
///
/// ```
/// use askama::Template;
/// use corelane_http::app::App;
/// use corelane_http::extract::Path;
/// use corelane_http::template::Page;
/// # use corelane_http::request::Request;
///
/// #[derive(Template)]
/// #[template(source = "<p>Hello, {{ name }}!", ext = "html")]
/// struct Hello {
///     name: String,
/// }
///
/// async fn hello(Path(name): Path<String>) -> Page<Hello> {
///     Page(Hello { name })
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().get("/{name}", hello).into_service();
/// let response = service.call(Request::builder("GET", "/%3Cb%3E").build()).await;
/// assert_eq!(response.headers().get("content-type"), Some("text/html; charset=utf-8"));
/// assert_eq!(response.into_body().bytes().await.unwrap(), "<p>Hello, &#60;b&#62;!");
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(page) => Html(page).into_response(),
            Err(error) => {
                let template = std::any::type_name::<T>();
                tracing::error!(template, %error, "a template could not be rendered");
                Problem::internal().into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    struct Fails;

    impl fmt::Display for Fails {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    #[derive(Template)]
    #[template(source = "a secret {{ value }}", ext = "txt")]
    struct Failing {
        value: Fails,
    }

    #[test]
    fn a_template_that_fails_is_a_500_without_internals() {
        let response = Page(Failing { value: Fails }).into_response();
        assert_eq!(response.status(), 500);
        let body = corelane_runtime::block_on(response.into_body().bytes()).unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
