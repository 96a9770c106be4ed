//! Pages from templates: compiled into the program (askama), or loaded from a folder (minijinja).
//!
//! Both are behind features of their names. Askama checks templates and the values they use when the program is built, and
//! is the faster one. Minijinja reads templates at start, so that they can be changed without a compiler, and reads them again
//! when they change, in development.
//!
//! Both escape what is put into HTML, by the ending of the template's name: `.html`, `.htm` and `.xml` are escaped, others are not.

#[cfg(feature = "askama")]
mod askama;
#[cfg(feature = "minijinja")]
mod minijinja;

#[cfg(feature = "askama")]
pub use self::askama::Page;
#[cfg(feature = "minijinja")]
pub use self::minijinja::{Templates, TemplatesError};

use std::borrow::Cow;
use std::path::Path;

/// The content type of what a template makes: HTML by default, else by the name's ending without `.j2` or `.jinja`.
fn content_type(name: &str) -> Cow<'static, str> {
    let name =
        [".jinja2", ".jinja", ".j2"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    match Path::new(name).extension() {
        Some(_) => crate::files::content_type(Path::new(name)),
        None => Cow::Borrowed("text/html; charset=utf-8"),
    }
}
