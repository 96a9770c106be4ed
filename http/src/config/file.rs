//! TOML files as trees of values that know their lines.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::value::{Node, Origin, Value};

/// Longest configuration file, in bytes (1 MiB): one that is longer is not a configuration.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file. `Ok(None)` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Node>, Vec<Problem>> {
    let name: Arc<Path> = path.into();
    let problem =
        |message: String| vec![Problem::new("", Origin::File { path: name.clone(), line: 1 }, message)];
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(format!("cannot be opened: {error}"))),
    };
    let mut text = String::new();
    match file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => {
            Err(problem(format!("is longer than {FILE_BYTES_MAX} bytes")))
        }
        Ok(_) => parse(&text, &name).map(Some),
        Err(error) => Err(problem(format!("cannot be read: {error}"))),
    }
}

/// Parses the text of a file; every mistake of syntax is told, not only the first.
pub(super) fn parse(text: &str, path: &Arc<Path>) -> Result<Node, Vec<Problem>> {
    let lines = Lines::of(text);
    let origin = |span: Option<Range<usize>>| Origin::File {
        path: path.clone(),
        line: lines.line(span.map_or(0, |span| span.start)),
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().map(|error| {
            let message = error.message().trim().replace('\n', ", ");
            Problem::new("", origin(error.span()), format!("is not TOML: {message}"))
        });
        return Err(problems.collect());
    }
    let mut problems = Vec::new();
    let node = table(root.get_ref(), origin(None), &|span| origin(Some(span)), "", &mut problems);
    if problems.is_empty() { Ok(node) } else { Err(problems) }
}

fn table(
    entries: &DeTable<'_>,
    at: Origin,
    origin: &dyn Fn(Range<usize>) -> Origin,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Node {
    let mut found = BTreeMap::new();
    for (key, value) in entries {
        let path = super::value::below(path, key.get_ref());
        found.insert(key.get_ref().to_string(), node(value, origin(key.span()), origin, &path, problems));
    }
    Node { value: Value::Table(found), origin: at }
}

fn node(
    value: &Spanned<DeValue<'_>>,
    at: Origin,
    origin: &dyn Fn(Range<usize>) -> Origin,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Node {
    let value = match value.get_ref() {
        DeValue::Table(entries) => return table(entries, at, origin, path, problems),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(n, item)| node(item, origin(item.span()), origin, &format!("{path}[{n}]"), problems))
                .collect(),
        ),
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(value) => Value::Float(value),
            Err(_) => {
                problems.push(Problem::new(path, at.clone(), format!("{} is no number", float.as_str())));
                Value::Removed
            }
        },
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) => Value::Integer(value),
            Err(_) => {
                let text = integer.as_str();
                problems.push(Problem::new(path, at.clone(), format!("{text} is over {}", i64::MAX)));
                Value::Removed
            }
        },
    };
    Node { value, origin: at }
}

/// One value in the syntax of TOML, for lists in the environment.
pub(super) fn value(text: &str, at: &Origin) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    let mut problems = Vec::new();
    let node = node(&value, at.clone(), &|_| at.clone(), "", &mut problems);
    problems.is_empty().then_some(node)
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line that this byte is in, counted from 1.
    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }
}
