//! Credentials in `authorization`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

use super::{Authorization, FromRequest, Header};
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// The token of `Authorization: Bearer` (RFC 6750 §2.1). `Debug` does not show it.
///
/// Without one: 401 with `www-authenticate: Bearer`; `Option<BearerToken>` is `None` then, and also for another scheme. A
/// token that breaks the grammar is 400. Whether it is *valid* is for the handler, or a middleware, to say: compare
/// secrets in constant time.
///
/// ```
/// use corelane_http::extract::BearerToken;
///
/// async fn len(token: BearerToken) -> String {
///     token.as_str().len().to_string()
/// }
/// # let _ = corelane_http::app::App::new().get("/", len);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(Box<str>);

impl BearerToken {
    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken").finish_non_exhaustive()
    }
}

impl FromRequest for BearerToken {
    type Rejection = CredentialsRejection;

    async fn from_request(request: &mut Request) -> Result<Self, CredentialsRejection> {
        let credentials = credentials(request, "Bearer").await?;
        // `b64token`.
        let body = credentials.trim_end_matches('=');
        let valid = !body.is_empty()
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        if valid { Ok(BearerToken(credentials)) } else { Err(CredentialsRejection::malformed("Bearer")) }
    }

    fn is_absent(rejection: &CredentialsRejection) -> bool {
        rejection.absent
    }
}

/// Name and password of `Authorization: Basic` (RFC 7617). `Debug` shows neither.
///
/// Without them: 401 with `www-authenticate: Basic`; `Option<BasicCredentials>` is `None` then, and also for another
/// scheme. What is not base64 of UTF-8 with a colon, or has control characters, is 400. Compare passwords in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    user: Box<str>,
    password: Box<str>,
}

impl BasicCredentials {
    /// The name. It has no colon.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password. A secret.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicCredentials").finish_non_exhaustive()
    }
}

impl FromRequest for BasicCredentials {
    type Rejection = CredentialsRejection;

    async fn from_request(request: &mut Request) -> Result<Self, CredentialsRejection> {
        let credentials = credentials(request, "Basic").await?;
        basic(&credentials).ok_or(CredentialsRejection::malformed("Basic"))
    }

    fn is_absent(rejection: &CredentialsRejection) -> bool {
        rejection.absent
    }
}

fn basic(credentials: &str) -> Option<BasicCredentials> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    let valid = !text.chars().any(char::is_control);
    valid.then(|| BasicCredentials { user: user.into(), password: password.into() })
}

/// What follows the scheme.
async fn credentials(request: &mut Request, scheme: &'static str) -> Result<Box<str>, CredentialsRejection> {
    match Option::<Header<Authorization>>::from_request(request).await {
        Ok(Some(Header(found))) if found.scheme().eq_ignore_ascii_case(scheme) => {
            Ok(found.credentials().into())
        }
        Ok(_) => Err(CredentialsRejection { scheme, absent: true }),
        Err(_) => Err(CredentialsRejection::malformed(scheme)),
    }
}

/// The request has no credentials of the scheme, or none that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialsRejection {
    scheme: &'static str,
    absent: bool,
}

impl CredentialsRejection {
    fn malformed(scheme: &'static str) -> CredentialsRejection {
        CredentialsRejection { scheme, absent: false }
    }

    /// True if there are none.
    pub fn is_absent(&self) -> bool {
        self.absent
    }
}

impl fmt::Display for CredentialsRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.absent { "no" } else { "malformed" };
        write!(f, "{what} credentials of the scheme {}", self.scheme)
    }
}

impl std::error::Error for CredentialsRejection {}

impl IntoResponse for CredentialsRejection {
    fn into_response(self) -> Response {
        let scheme = self.scheme;
        if !self.absent {
            let detail = format!("The credentials after `{scheme}` in `authorization` are malformed.");
            return Problem::new(StatusCode::BAD_REQUEST).detail(detail).into_response();
        }
        let challenge = match scheme {
            // A realm is required (RFC 7617 §2).
            "Basic" => "Basic realm=\"\", charset=\"UTF-8\"",
            other => other,
        };
        let mut response = Problem::new(StatusCode::UNAUTHORIZED)
            .detail(format!("This needs `authorization: {scheme} ...`."))
            .into_response();
        // A fixed value: it can always be sent.
        let _ = response.headers_mut().insert("www-authenticate", challenge);
        response
    }
}
