//! Texts in the language of the client: Fluent files, `Accept-Language`, and a choice that overrides it.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::request::Request;
//! use corelane_middlewares::i18n::{I18n, Locale};
//!
//! # let dir = std::env::temp_dir().join(format!("corelane-doc-i18n-{}", std::process::id()));
//! # for lang in ["en", "de"] { std::fs::create_dir_all(dir.join(lang)).unwrap(); }
//! // locales/en/shop.ftl and locales/de/shop.ftl
//! std::fs::write(dir.join("en/shop.ftl"), "cart = { $count ->\n    [one] one thing\n   *[other] { $count } things\n }\n")?;
//! std::fs::write(dir.join("de/shop.ftl"), "cart = { $count ->\n    [one] ein Ding\n   *[other] { $count } Dinge\n }\n")?;
//!
//! async fn cart(locale: Locale) -> (Locale, String) {
//!     let text = locale.t("cart", [("count", 3)]);
//!     // The locale in front adds `content-language` and `vary`.
//!     (locale, text)
//! }
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().state(I18n::load(&dir, "en").unwrap()).get("/", cart).into_service();
//! let german = Request::builder("GET", "/").header("accept-language", "fr, de-AT;q=0.8, en;q=0.5").build();
//! let response = service.call(german).await;
//! assert_eq!(response.headers().get("content-language"), Some("de"));
//! assert_eq!(response.into_body().bytes().await.unwrap(), "3 Dinge");
//!
//! let chosen = Request::builder("GET", "/?lang=en").header("accept-language", "de").build();
//! assert_eq!(service.call(chosen).await.into_body().bytes().await.unwrap(), "3 things");
//! # });
//! # std::fs::remove_dir_all(dir)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Which language
//!
//! The query's `lang`, else the cookie `lang`, else `Accept-Language` by its weights (RFC 9110 §12.5.4), else the default. Each tag is
//! looked up by RFC 4647 §3.4: `de-AT`, then `de`; and if neither is there, the first variety of the same language. A text that is
//! missing in the first language that fits is taken from the next that the client named, and last from the default.
//!
//! # What is missing
//!
//! A key that no language has is shown as itself, and said once in the log, as is one that only a later language has.

mod catalog;
mod error;
mod locale;
mod negotiate;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use corelane_http::cookie::cookies_of;
use corelane_http::request::Request;

use catalog::Catalog;

pub use error::{I18nError, Mistake};
pub use fluent_bundle::{FluentArgs as Args, FluentValue as Value};
pub use locale::{IntoArgs, Locale};

/// The texts of an application, and how the language of a request is found. Given to `App::state`; cheap to clone.
#[derive(Clone)]
pub struct I18n {
    catalog: Arc<Catalog>,
    query: Option<&'static str>,
    cookie: Option<&'static str>,
}

impl I18n {
    /// Reads `folder/<language>/*.ftl`, on the calling thread: an application's factory does it at start. `default` is the
    /// language that has every text.
    ///
    /// # Errors
    /// All that is wrong, each with its file and line: syntax, a message given twice, a folder whose name is no
    /// language, no folder for the default.
    pub fn load(folder: impl AsRef<Path>, default: &str) -> Result<I18n, I18nError> {
        let catalog = Arc::new(Catalog::load(folder.as_ref(), default)?);
        Ok(I18n { catalog, query: Some("lang"), cookie: Some("lang") })
    }

    /// The parameter of the query that overrides the language (`lang`); `None` for none.
    #[must_use]
    pub fn query(mut self, name: Option<&'static str>) -> I18n {
        self.query = name;
        self
    }

    /// The cookie that overrides the language (`lang`); `None` for none. It is read here and set by the application.
    #[must_use]
    pub fn cookie(mut self, name: Option<&'static str>) -> I18n {
        self.cookie = name;
        self
    }

    /// The languages there are, the default first.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.catalog.tags()
    }

    /// The locale for one tag, for texts outside a request: mail, or a function of a template engine. A tag that fits no
    /// language gives the default.
    pub fn locale(&self, tag: &str) -> Locale {
        Locale::new(Arc::clone(&self.catalog), self.catalog.find(tag), self.cookie.is_some())
    }

    /// The locale of a request.
    pub fn locale_of(&self, request: &Request) -> Locale {
        let mut chain = Vec::new();
        let mut add = |found: Option<usize>| {
            if let Some(found) = found
                && !chain.contains(&found)
            {
                chain.push(found);
            }
        };
        if let Some(name) = self.query {
            let pairs =
                request.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
            add(pairs.filter(|(found, _)| *found == name).find_map(|(_, tag)| self.catalog.find(tag)));
        }
        if let Some(name) = self.cookie
            && request.header_bytes("cookie").is_some()
        {
            add(cookies_of(request)
                .find(|(found, _)| found == name)
                .and_then(|(_, tag)| self.catalog.find(&tag)));
        }
        for tag in negotiate::preferred(request.header_all("accept-language")) {
            add(self.catalog.find(tag));
        }
        Locale::new(Arc::clone(&self.catalog), chain, self.cookie.is_some())
    }
}

impl fmt::Debug for I18n {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("I18n")
            .field("languages", &self.languages().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
