//! The language of one request.

use std::fmt;
use std::sync::Arc;

use corelane_http::extract::{FromRequest, Needs, State};
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{HeaderError, Response, ResponsePart};
use fluent_bundle::{FluentArgs, FluentValue};

use super::I18n;
use super::catalog::Catalog;
use crate::vary::vary;

/// The languages of a request, best first: an extractor, and a part of a response that says which it is.
///
/// Needs an [`I18n`] given to `App::state`. Values of askama templates may hold one: `{{ locale.t("hello", ()) }}`.
#[derive(Clone)]
pub struct Locale {
    catalog: Arc<Catalog>,
    /// Places in the catalog, the default last. Invariant: not empty.
    chain: Vec<usize>,
    by_cookie: bool,
}

impl Locale {
    pub(super) fn new(
        catalog: Arc<Catalog>,
        chain: impl IntoIterator<Item = usize>,
        by_cookie: bool,
    ) -> Locale {
        let mut chain: Vec<usize> = chain.into_iter().collect();
        // The default is the first of the catalog.
        if !chain.contains(&0) {
            chain.push(0);
        }
        Locale { catalog, chain, by_cookie }
    }

    /// The tag of the first language, for `<html lang="...">`.
    pub fn language(&self) -> &str {
        self.catalog.tag(self.chain[0])
    }

    /// The text of a key with its values: `locale.t("cart", [("count", 3)])`, `locale.t("hello", ())`. Of a message's attribute, the
    /// key is `message.attribute`.
    ///
    /// A text that the language lacks is taken from the next one; a key that none has is shown as itself. Both are said in
    /// the log once. Values are put in as they are: a template escapes the whole.
    pub fn t<'a>(&self, key: &str, args: impl IntoArgs<'a>) -> String {
        let args = args.into_args();
        let args = args.as_ref();
        let first = self.chain[0];
        for language in &self.chain {
            if let Some(text) = self.catalog.text(*language, key, args) {
                if *language != first {
                    self.catalog.missing(first, key, Some(*language));
                }
                return text;
            }
        }
        self.catalog.missing(first, key, None);
        key.to_owned()
    }

    /// True if one of the languages has a text for the key.
    pub fn has(&self, key: &str) -> bool {
        self.chain.iter().any(|language| self.catalog.has(*language, key))
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.chain.iter().map(|language| self.catalog.tag(*language))).finish()
    }
}

impl FromRequest for Locale {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let State(i18n) = State::<I18n>::from_request(request).await?;
        Ok(i18n.locale_of(request))
    }

    fn needs(needs: &mut Needs) {
        needs.state::<I18n>();
    }
}

/// Adds `content-language`, and to `vary` what the choice depended on.
impl ResponsePart for Locale {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        response.headers_mut().insert("content-language", self.language())?;
        vary(response, "accept-language")?;
        if self.by_cookie { vary(response, "cookie") } else { Ok(()) }
    }
}

/// Values for the places in a text: `()` for none, an array of pairs, or [`Args`](super::Args) for values of different types.
pub trait IntoArgs<'a> {
    /// The values.
    fn into_args(self) -> Option<FluentArgs<'a>>;
}

impl<'a> IntoArgs<'a> for () {
    fn into_args(self) -> Option<FluentArgs<'a>> {
        None
    }
}

impl<'a, V: Into<FluentValue<'a>>, const COUNT: usize> IntoArgs<'a> for [(&'a str, V); COUNT] {
    fn into_args(self) -> Option<FluentArgs<'a>> {
        Some(self.into_iter().collect())
    }
}

impl<'a> IntoArgs<'a> for FluentArgs<'a> {
    fn into_args(self) -> Option<FluentArgs<'a>> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
