//! Handlers: plain async functions of extractors.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::extract::{Path, Query};
//! use corelane_http::request::Request;
//!
//! #[derive(serde::Deserialize)]
//! struct Page {
//!     page: u32,
//! }
//!
//! // Up to eight extractors, any responder, no `Send` wanted.
//! async fn posts(Path(user): Path<String>, Query(at): Query<Page>) -> String {
//!     format!("posts of {user}, page {}", at.page)
//! }
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().get("/users/{user}/posts", posts).into_service();
//! let response = service.call(Request::builder("GET", "/users/ada/posts?page=2").build()).await;
//! assert_eq!(response.into_body().bytes().await.unwrap(), "posts of ada, page 2");
//! # });
//! ```

use std::marker::PhantomData;
use std::rc::Rc;

use corelane_runtime::buf::LocalBoxFuture;

use crate::extract::{FromRequest, Needs};
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// An async function, or async closure, of zero to eight arguments. `Args` is the tuple of their types and needs no
/// naming.
///
/// To answer requests, `Args` has to be [`Extractors`] and `Output` [`IntoResponse`]. Those are bounds of
/// their own, so that the compiler names the argument, or the result, that does not fit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not an async function of at most 8 extractors",
    note = "a handler is an `async fn`, or a closure that gives a future, with at most 8 arguments",
    note = "a closure has to be `Clone` and own what it uses: write `async move`, and capture an `Rc` of what it shares"
)]
pub trait Handler<Args>: Clone + 'static {
    /// What it returns.
    type Output;

    /// Runs it.
    fn run(self, args: Args) -> impl Future<Output = Self::Output> + 'static;
}

/// The arguments of a handler: a tuple of extractors.
///
/// They are taken in order; the first that rejects is the answer.
pub trait Extractors: Sized + 'static {
    /// Takes all of them.
    ///
    /// # Errors
    /// The answer of the first that rejects.
    fn extract(request: &mut Request) -> impl Future<Output = Result<Self, Response>>;

    /// Tells what they need from the application, to be checked when it is built.
    fn needs(needs: &mut Needs);
}

macro_rules! arguments {
    ($($arg:ident),*) => {
        impl<F, R, $($arg,)*> Handler<($($arg,)*)> for F
        where
            F: AsyncFn($($arg),*) -> R + Clone + 'static,
            R: 'static,
            $($arg: 'static,)*
        {
            type Output = R;

            #[allow(non_snake_case, reason = "arguments are named after their types")]
            async fn run(self, ($($arg,)*): ($($arg,)*)) -> R {
                self($($arg),*).await
            }
        }

        impl<$($arg: FromRequest + 'static,)*> Extractors for ($($arg,)*) {
            #[allow(unused_variables, clippy::unused_unit, reason = "one arm of the macro has no argument")]
            async fn extract(request: &mut Request) -> Result<Self, Response> {
                Ok(($(
                    match $arg::from_request(request).await {
                        Ok(value) => value,
                        Err(rejection) => return Err(rejection.into_response()),
                    },
                )*))
            }

            #[allow(unused_variables, reason = "one arm of the macro has no argument")]
            fn needs(needs: &mut Needs) {
                $($arg::needs(needs);)*
            }
        }
    };
}

arguments!();
arguments!(A);
arguments!(A, B);
arguments!(A, B, C);
arguments!(A, B, C, D);
arguments!(A, B, C, D, E);
arguments!(A, B, C, D, E, G);
arguments!(A, B, C, D, E, G, H);
arguments!(A, B, C, D, E, G, H, I);

/// Something that answers requests, of any handler's or middleware's type.
pub(crate) trait Endpoint {
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response>;
}

/// A handler as an endpoint: one future in a block of the core's pool for each call.
struct Erased<H, Args> {
    handler: H,
    args: PhantomData<fn(Args)>,
}

impl<H, Args> Endpoint for Erased<H, Args>
where
    H: Handler<Args, Output: IntoResponse>,
    Args: Extractors,
{
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response> {
        LocalBoxFuture::new(answer(self.handler.clone(), request))
    }
}

/// The request is dropped before the handler runs, so that its buffers are free while the handler waits, unless
/// an extractor took it.
async fn answer<H, Args>(handler: H, mut request: Request) -> Response
where
    H: Handler<Args, Output: IntoResponse>,
    Args: Extractors,
{
    let args = match Args::extract(&mut request).await {
        Ok(args) => args,
        Err(rejection) => return rejection,
    };
    drop(request);
    handler.run(args).await.into_response()
}

/// Forgets the type of a handler.
pub(crate) fn erase<H, Args>(handler: H) -> Rc<dyn Endpoint>
where
    H: Handler<Args, Output: IntoResponse>,
    Args: Extractors,
{
    Rc::new(Erased { handler, args: PhantomData })
}
