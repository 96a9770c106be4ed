//! Values as they came, each with where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value was given. `Display` gives what an error message begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nowhere: what is told about is missing.
    Nowhere,
    /// In a file, at this line, counted from 1.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// The line, counted from 1.
        line: usize,
    },
    /// In this variable of the environment.
    Environment(Arc<str>),
    /// By an override, such as `--set server.cores=2`; this is its key.
    Override(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Nowhere => f.write_str("configuration"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Override(key) => write!(f, "--set {key}"),
        }
    }
}

/// One value, or a table of them.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// From the environment or an override: what it is depends on what is wanted.
    Text(String),
    /// Was not valid, is told about, and counts as not given.
    Removed,
}

impl Node {
    pub(super) fn table(origin: Origin) -> Node {
        Node { value: Value::Table(BTreeMap::new()), origin }
    }

    pub(super) fn is_removed(&self) -> bool {
        matches!(self.value, Value::Removed)
    }

    /// The node at a path such as `server.limits.head_bytes_max` or `app.users[2].name`.
    pub(super) fn find(&self, path: &str) -> Option<&Node> {
        steps(path).try_fold(self, |node, step| match (&node.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get(key),
            (Value::Array(items), Step::Index(at)) => items.get(at),
            _ => None,
        })
    }

    /// As [`Node::find`].
    pub(super) fn find_mut(&mut self, path: &str) -> Option<&mut Node> {
        steps(path).try_fold(self, |node, step| match (&mut node.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get_mut(key),
            (Value::Array(items), Step::Index(at)) => items.get_mut(at),
            _ => None,
        })
    }

    /// The origin of the value at `path`, or of the innermost table around where it would be.
    pub(super) fn origin_of(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            match self.find(path) {
                Some(node) => return node.origin.clone(),
                None => path = path.rfind(['.', '[']).map_or("", |end| &path[..end]),
            }
            if path.is_empty() {
                return self.origin.clone();
            }
        }
    }

    /// Lays `over` over this: tables key by key, all else whole.
    pub(super) fn merge(&mut self, over: Node) {
        match (&mut self.value, over.value) {
            (Value::Table(table), Value::Table(new)) => {
                for (key, node) in new {
                    match table.entry(key) {
                        std::collections::btree_map::Entry::Occupied(mut found) => {
                            found.get_mut().merge(node)
                        }
                        std::collections::btree_map::Entry::Vacant(free) => drop(free.insert(node)),
                    }
                }
            }
            (value, new) => {
                *value = new;
                self.origin = over.origin;
            }
        }
    }

    /// Puts a value at a path of keys, making the tables on the way; what stands there that is no table goes.
    pub(super) fn put(&mut self, keys: &[&str], text: &str, origin: &Origin) {
        let mut node = self;
        for key in keys {
            if !matches!(node.value, Value::Table(_)) {
                *node = Node::table(origin.clone());
            }
            let Value::Table(table) = &mut node.value else { unreachable!("made one above") };
            node = table.entry((*key).to_owned()).or_insert_with(|| Node::table(origin.clone()));
        }
        *node = Node { value: Value::Text(text.to_owned()), origin: origin.clone() };
    }
}

enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[']).filter(|step| !step.is_empty()).map(|step| {
        match step.strip_suffix(']').and_then(|digits| digits.parse().ok()) {
            Some(at) => Step::Index(at),
            None => Step::Key(step),
        }
    })
}

/// The path of a key below `path`.
pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
