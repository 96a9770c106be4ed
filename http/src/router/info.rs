//! What is registered: a list to read, print and generate documents from.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use http::Method;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Values attached to a route, one for each type.
#[derive(Clone, Default)]
pub(crate) struct Metas(Vec<(TypeId, Rc<dyn Any>)>);

impl Metas {
    /// # Panics
    /// If there is one of this type already.
    #[track_caller]
    pub(super) fn insert<T: 'static>(&mut self, value: T) {
        let name = std::any::type_name::<T>();
        assert!(self.get::<T>().is_none(), "the route has a `{name}` already: it can have one of each type");
        self.0.push((TypeId::of::<T>(), Rc::new(value)));
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        let (_, value) = self.0.iter().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_ref()
    }
}

/// One registered route: what was given to [`App::route`](crate::app::App::route) or one of its short forms.
#[derive(Clone)]
pub struct RouteInfo {
    pub(super) methods: Vec<Option<Method>>,
    pub(super) template: Box<str>,
    pub(super) name: Option<&'static str>,
    pub(super) host: Option<Box<str>>,
    pub(super) guards: Vec<String>,
    pub(super) middleware: Vec<Cow<'static, str>>,
    pub(super) location: &'static Location<'static>,
    pub(super) metas: Rc<Metas>,
}

impl RouteInfo {
    /// The methods that have a handler of their own, in order of registration. Those that come by themselves (`HEAD` with
    /// `GET`, `OPTIONS`) are not among them.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.methods.iter().flatten()
    }

    /// True if a handler takes every method that has none of its own.
    pub fn has_any(&self) -> bool {
        self.methods.contains(&None)
    }

    /// The template with the prefixes of its groups, such as `/api/users/{id}`.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// What [`MethodRouter::name`](super::MethodRouter::name) has called it.
    pub fn name(&self) -> Option<&str> {
        self.name
    }

    /// The host it answers for, if not for each.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// What its [guards](super::guard) say of themselves; `custom` for those that say nothing.
    pub fn guards(&self) -> impl Iterator<Item = &str> {
        self.guards.iter().map(String::as_str)
    }

    /// Names of the layers around it, the outermost first.
    pub fn middleware(&self) -> impl Iterator<Item = &str> {
        self.middleware.iter().map(|name| &**name)
    }

    /// Where it was registered.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The value of this type that [`MethodRouter::meta`](super::MethodRouter::meta) has attached.
    pub fn meta<T: 'static>(&self) -> Option<&T> {
        self.metas.get()
    }

    /// `GET, POST`; `any` for the rest.
    fn methods_text(&self) -> String {
        let names: Vec<&str> =
            self.methods.iter().map(|method| method.as_ref().map_or("any", Method::as_str)).collect();
        names.join(", ")
    }
}

impl fmt::Debug for RouteInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteInfo")
            .field("methods", &self.methods_text())
            .field("template", &self.template)
            .field("name", &self.name)
            .field("host", &self.host)
            .field("guards", &self.guards)
            .field("middleware", &self.middleware)
            .finish_non_exhaustive()
    }
}

impl Serialize for RouteInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<&str> =
            self.methods.iter().map(|method| method.as_ref().map_or("*", Method::as_str)).collect();
        let mut route = serializer.serialize_struct("RouteInfo", 7)?;
        route.serialize_field("methods", &names)?;
        route.serialize_field("path", &*self.template)?;
        route.serialize_field("name", &self.name)?;
        route.serialize_field("host", &self.host)?;
        route.serialize_field("guards", &self.guards)?;
        route.serialize_field("middleware", &self.middleware)?;
        route.serialize_field("location", &format!("{}:{}", self.location.file(), self.location.line()))?;
        route.end()
    }
}

/// Every route of an application in order of registration. `Display` prints a table, `Serialize` gives an array.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::router::get;
///
/// let app = App::new().route("/users/{id}", get(async || "one").put(async || "changed").name("user"));
/// let routes = app.routes();
/// assert_eq!(routes[0].template(), "/users/{id}");
/// assert_eq!(routes[0].name(), Some("user"));
/// assert_eq!(routes.to_string(), "METHOD    PATH         NAME\nGET, PUT  /users/{id}  user\n");
/// ```
#[derive(Clone, Debug)]
pub struct RouteList(pub(super) Vec<RouteInfo>);

impl Deref for RouteList {
    type Target = [RouteInfo];

    fn deref(&self) -> &[RouteInfo] {
        &self.0
    }
}

impl IntoIterator for RouteList {
    type Item = RouteInfo;
    type IntoIter = std::vec::IntoIter<RouteInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for RouteList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Display for RouteList {
    /// One line for each route; columns that no route has a value for are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let rows: Vec<[String; 6]> = self
            .iter()
            .map(|route| {
                let layers: Vec<&str> = route.middleware().collect();
                let (host, name) = (text(route.host()), text(route.name()));
                let guards = route.guards.join(", ");
                [route.methods_text(), host, route.template().to_owned(), guards, name, layers.join(" > ")]
            })
            .collect();
        let titles = ["METHOD", "HOST", "PATH", "GUARDS", "NAME", "MIDDLEWARE"];
        let widths: Vec<usize> = (0..titles.len())
            .map(|column| {
                let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
                if longest == 0 { 0 } else { longest.max(titles[column].len()) }
            })
            .collect();
        let mut line = |cells: [&str; 6]| {
            let mut text = String::new();
            for (cell, width) in cells.into_iter().zip(&widths).filter(|(_, width)| **width > 0) {
                text.push_str(&format!("{cell:width$}  "));
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(titles)?;
        rows.iter().try_for_each(|row| line(row.each_ref().map(String::as_str)))
    }
}
