//! Minijinja: templates from a folder.

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::content_type;
use crate::problem::Problem;
use crate::respond::IntoResponse;
use crate::response::Response;

/// Longest template taken, in bytes: a page is not made of more, and a folder given by mistake is not read whole.
const TEMPLATE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most templates in a folder, and the deepest folder below it.
const TEMPLATES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;

/// In development the folder is looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_millis(200);

type Change = Rc<dyn Fn(&mut Environment<'static>)>;

/// Templates of a folder, parsed once on each core. Given to handlers as a [`State`](crate::extract::State).
///
/// - A template's name is its path below the folder, such as `users/show.html`. Hidden files are left out.
/// - Values are escaped in templates that end in `.html`, `.htm` or `.xml`, whichever of `.j2` and `.jinja` comes behind.
/// - A value that is not defined is an error, not an empty text.
/// - A template that fails is a 500; the log says the template, the line and why.
/// - In development (debug builds, unless [`Templates::development`] says otherwise) a folder that has changed is loaded again
///   before the next page: names, lengths and times are compared, at most every 200 ms, on the core, which is a matter of
///   microseconds for a few hundred files. If what was written cannot be parsed, pages are 500 with the line in the
///   log until it can. In production nothing is looked at after start.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::{Path, State};
/// use corelane_http::request::Request;
/// use corelane_http::response::Response;
/// use corelane_http::template::Templates;
///
/// # let dir = std::env::temp_dir().join(format!("corelane-doc-templates-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// std::fs::write(dir.join("hello.html"), "<p>Hello, {{ name }}!").unwrap();
///
/// #[derive(serde::Serialize)]
/// struct Hello {
///     name: String,
/// }
///
/// async fn hello(State(templates): State<Templates>, Path(name): Path<String>) -> Response {
///     templates.render("hello.html", Hello { name })
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().state(Templates::load(&dir).unwrap()).get("/{name}", hello).into_service();
/// let response = service.call(Request::builder("GET", "/%3Cb%3E").build()).await;
/// assert_eq!(response.into_body().bytes().await.unwrap(), "<p>Hello, &lt;b&gt;!");
/// # });
/// # std::fs::remove_dir_all(dir).unwrap();
/// ```
pub struct Templates {
    folder: PathBuf,
    environment: RefCell<Environment<'static>>,
    /// What was loaded, and when each file was changed.
    loaded: RefCell<Stamps>,
    changes: Vec<Change>,
    development: bool,
    looked: Cell<Option<Instant>>,
}

/// Length and time of the last change by name.
type Stamps = BTreeMap<String, (u64, SystemTime)>;

impl Templates {
    /// Reads and parses every template of a folder, on the calling thread: an application's factory does it at start.
    ///
    /// # Errors
    /// The folder or a file cannot be read, or a template cannot be parsed: with its name and line.
    pub fn load(folder: impl AsRef<Path>) -> Result<Templates, TemplatesError> {
        let folder = folder.as_ref().to_owned();
        let stamps = stamps(&folder)?;
        let environment = environment(&folder, &stamps, &[])?;
        Ok(Templates {
            folder,
            environment: RefCell::new(environment),
            loaded: RefCell::new(stamps),
            changes: Vec::new(),
            development: cfg!(debug_assertions),
            looked: Cell::new(None),
        })
    }

    /// Whether changed files are loaded again. On in debug builds unless set.
    #[must_use]
    pub fn development(mut self, yes: bool) -> Templates {
        self.development = yes;
        self
    }

    /// Adds filters, functions and values to the environment, now and whenever the folder is loaded again.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), corelane_http::template::TemplatesError> {
    /// use corelane_http::template::Templates;
    ///
    /// let templates = Templates::load("templates")?.configure(|environment| {
    ///     environment.add_filter("shout", |text: String| text.to_uppercase());
    ///     environment.add_global("site", "example.com");
    /// });
    /// # let _ = templates;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn configure(mut self, change: impl Fn(&mut Environment<'static>) + 'static) -> Templates {
        change(self.environment.get_mut());
        self.changes.push(Rc::new(change));
        self
    }

    /// A page: the template of this name with these values, and the content type by its ending.
    ///
    /// What fails is logged with the template's line, and the answer is 500.
    pub fn render(&self, name: &str, values: impl Serialize) -> Response {
        match self.render_text(name, values) {
            Ok(text) => {
                let mut response = Response::new(text);
                match response.headers_mut().insert("content-type", &*content_type(name)) {
                    Ok(()) => response,
                    Err(error) => error.into_response(),
                }
            }
            Err(error) => error.into_response(),
        }
    }

    /// The text alone, for mail or for a part of a page.
    ///
    /// # Errors
    /// There is no such template, a value is not defined, a filter fails; in development also what was written since cannot
    /// be parsed.
    pub fn render_text(&self, name: &str, values: impl Serialize) -> Result<String, TemplatesError> {
        let environment = self.current()?;
        let template = environment.get_template(name).map_err(TemplatesError::template)?;
        template
            .render(minijinja::Value::from(minijinja::value::Serde(&values)))
            .map_err(TemplatesError::template)
    }

    /// The environment, brought up to date in development.
    fn current(&self) -> Result<Ref<'_, Environment<'static>>, TemplatesError> {
        if self.development {
            self.refresh()?;
        }
        Ok(self.environment.borrow())
    }

    fn refresh(&self) -> Result<(), TemplatesError> {
        let now = Instant::now();
        if self.looked.get().is_some_and(|looked| now.duration_since(looked) < LOOK_EVERY) {
            return Ok(());
        }
        let found = stamps(&self.folder)?;
        if found != *self.loaded.borrow() {
            let fresh = environment(&self.folder, &found, &self.changes)?;
            *self.environment.borrow_mut() = fresh;
            *self.loaded.borrow_mut() = found;
            tracing::info!(folder = %self.folder.display(), "templates were loaded again");
        }
        // Only now: while something is wrong every page says so.
        self.looked.set(Some(now));
        Ok(())
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates")
            .field("folder", &self.folder)
            .field("templates", &self.loaded.borrow().len())
            .finish_non_exhaustive()
    }
}

fn environment(
    folder: &Path,
    stamps: &Stamps,
    changes: &[Change],
) -> Result<Environment<'static>, TemplatesError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Keeps the line for the log; the values around it, which may be secrets, are not kept.
    environment.set_debug(false);
    for change in changes {
        change(&mut environment);
    }
    for name in stamps.keys() {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| TemplatesError::file(&path, error))?;
        environment.add_template_owned(name.clone(), text).map_err(TemplatesError::template)?;
    }
    Ok(environment)
}

/// Every file below the folder.
fn stamps(folder: &Path) -> Result<Stamps, TemplatesError> {
    let mut found = Stamps::new();
    walk(folder, "", 0, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Stamps) -> Result<(), TemplatesError> {
    let fail = |path: &Path, error: io::Error| TemplatesError::file(path, error);
    for entry in std::fs::read_dir(folder).map_err(|error| fail(folder, error))? {
        let entry = entry.map_err(|error| fail(folder, error))?;
        let path = entry.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Hidden files, and those that editors leave while they write.
        if file.starts_with('.') || file.ends_with('~') {
            continue;
        }
        let name = format!("{prefix}{file}");
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // Gone while we looked, or a link to nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(fail(&path, error)),
        };
        if metadata.is_dir() {
            if depth == DEPTH_MAX {
                return Err(fail(&path, io::Error::other("folders of templates are nested deeper than 16")));
            }
            walk(&path, &format!("{name}/"), depth + 1, found)?;
        } else if metadata.is_file() {
            if metadata.len() > TEMPLATE_BYTES_MAX {
                return Err(fail(&path, io::Error::other("a template is longer than 4 MiB")));
            }
            if found.len() == TEMPLATES_MAX {
                return Err(fail(folder, io::Error::other("there are more than 10000 templates")));
            }
            let changed = metadata.modified().map_err(|error| fail(&path, error))?;
            found.insert(name, (metadata.len(), changed));
        }
    }
    Ok(())
}

/// What is wrong with templates: where it is stands in the text.
#[derive(Debug)]
pub struct TemplatesError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File { path: PathBuf, error: io::Error },
    Template(minijinja::Error),
}

impl TemplatesError {
    fn file(path: &Path, error: io::Error) -> TemplatesError {
        TemplatesError { kind: Kind::File { path: path.to_owned(), error } }
    }

    fn template(error: minijinja::Error) -> TemplatesError {
        TemplatesError { kind: Kind::Template(error) }
    }

    /// True if there is no template of the name.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.kind, Kind::Template(error) if error.kind() == minijinja::ErrorKind::TemplateNotFound)
    }

    /// True if the value that a template uses is not defined.
    pub fn is_undefined(&self) -> bool {
        matches!(&self.kind, Kind::Template(error) if error.kind() == minijinja::ErrorKind::UndefinedError)
    }

    /// True if a file or the folder cannot be read.
    pub fn is_io(&self) -> bool {
        matches!(self.kind, Kind::File { .. })
    }

    /// Name of the template that is at fault, if one is.
    pub fn template_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Template(error) => error.name(),
            Kind::File { .. } => None,
        }
    }

    /// The line of the template, counted from 1.
    pub fn line(&self) -> Option<usize> {
        match &self.kind {
            Kind::Template(error) => error.line(),
            Kind::File { .. } => None,
        }
    }
}

impl fmt::Display for TemplatesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::File { path, error } => write!(f, "{}: {error}", path.display()),
            // Says `(in name:line)` itself where it knows.
            Kind::Template(error) => write!(f, "{error}"),
        }
    }
}

impl Error for TemplatesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::File { error, .. } => Some(error),
            Kind::Template(error) => Error::source(error),
        }
    }
}

impl IntoResponse for TemplatesError {
    /// 500; the reason, with template and line, goes to the log.
    fn into_response(self) -> Response {
        let (template, line) = (self.template_name(), self.line());
        tracing::error!(template, line, error = %self, "a template could not be rendered");
        Problem::internal().into_response()
    }
}

#[cfg(test)]
mod tests;
