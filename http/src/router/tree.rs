//! From a path to what is registered for it.
//!
//! Templates without parameters are looked up by the whole path: where one matches, it is the answer, as text wins over
//! names at every segment. The others are a tree of segments. matchit would do the look-up as well; this one is here because parameters come out as
//! spans that the request keeps (matchit gives pairs of borrowed strings, and allocates for the fifth), and because
//! routes may name the parameter of one place differently: `GET /users/{id}`, `GET /users/{user}/posts`. Patterns in
//! parameters are tried here, one after the other. A property test compares the two.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::pattern::Pattern;
use super::template::Segment;
use crate::request::{ParamSpans, span_at};

/// Values by template. `T` is what one template leads to.
pub(super) struct Tree<T> {
    /// Templates of text alone, by their path.
    fixed: HashMap<Box<[u8]>, T, BuildHasherDefault<PathHasher>>,
    /// Longest of them, in bytes: a longer path need not be hashed.
    fixed_len_max: usize,
    /// Templates with parameters.
    root: Node<T>,
}

struct Node<T> {
    /// Sorted by [`order`].
    fixed: Vec<(Box<str>, Node<T>)>,
    /// In order of registration.
    patterns: Vec<(Pattern, Node<T>)>,
    param: Option<Box<Node<T>>>,
    /// For the templates that end here.
    value: Option<T>,
    /// For the templates that take the rest of the path from here.
    rest: Option<T>,
}

impl<T> Node<T> {
    const fn new() -> Node<T> {
        Node { fixed: Vec::new(), patterns: Vec::new(), param: None, value: None, rest: None }
    }

    /// The child of this text. A few are looked at one after the other, as their lengths alone tell most apart;
    /// of many, half is left out at each step.
    fn child(&self, text: &[u8]) -> Option<&Node<T>> {
        if self.fixed.len() <= 8 {
            return self.fixed.iter().find(|(found, _)| found.as_bytes() == text).map(|(_, child)| child);
        }
        self.position(text).ok().map(|at| &self.fixed[at].1)
    }

    /// Where the child of this text is, or where it would have to be.
    fn position(&self, text: &[u8]) -> Result<usize, usize> {
        self.fixed.binary_search_by(|(found, _)| order(found.as_bytes(), text))
    }
}

/// By length, then by bytes: most comparisons are of two numbers.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl<T> Tree<T> {
    pub(super) fn new() -> Tree<T> {
        Tree { fixed: HashMap::default(), fixed_len_max: 0, root: Node::new() }
    }

    /// The value of a template, made by `default` if the template is new.
    pub(super) fn entry(&mut self, segments: &[Segment], default: impl FnOnce() -> T) -> &mut T {
        if let Some(path) = fixed_path(segments) {
            self.fixed_len_max = self.fixed_len_max.max(path.len());
            return self.fixed.entry(path).or_insert_with(default);
        }
        let mut node = &mut self.root;
        for segment in segments {
            node = match segment {
                Segment::Static(text) => {
                    let at = match node.position(text.as_bytes()) {
                        Ok(at) => at,
                        Err(at) => {
                            node.fixed.insert(at, (text.clone(), Node::new()));
                            at
                        }
                    };
                    &mut node.fixed[at].1
                }
                Segment::Pattern(pattern) => {
                    let found = node.patterns.iter().position(|(found, _)| found == pattern);
                    let at = found.unwrap_or_else(|| {
                        node.patterns.push((pattern.clone(), Node::new()));
                        node.patterns.len() - 1
                    });
                    &mut node.patterns[at].1
                }
                Segment::Param => node.param.get_or_insert_with(|| Box::new(Node::new())),
                Segment::Rest => return node.rest.get_or_insert_with(default),
            };
        }
        node.value.get_or_insert_with(default)
    }

    /// The value for a path, and its parameters as spans of the path.
    ///
    /// Segment by segment, text wins over `{name:regex}`, which wins over `{name}`, which wins over `{*rest}`; where
    /// that leads nowhere, the next is tried. Of several patterns that match, the one that was registered first wins. A node is visited once at most, so a path costs no more than the tree is large.
    #[inline]
    pub(super) fn find(&self, path: &[u8], params: &mut ParamSpans) -> Option<&T> {
        params.clear();
        if path.len() <= self.fixed_len_max
            && let Some(value) = self.fixed.get(path)
        {
            return Some(value);
        }
        self.find_with_params(path, params)
    }

    #[inline(never)]
    fn find_with_params(&self, path: &[u8], params: &mut ParamSpans) -> Option<&T> {
        let (b'/', _) = path.split_first()? else { return None };
        walk(&self.root, path, 1, params, &|_| true)
    }

    /// The same for values that pass: one that does not counts as if it were not there.
    pub(super) fn find_where(
        &self,
        path: &[u8],
        params: &mut ParamSpans,
        passes: &impl Fn(&T) -> bool,
    ) -> Option<&T> {
        params.clear();
        if let Some(value) = self.fixed.get(path).filter(|value| passes(value)) {
            return Some(value);
        }
        let (b'/', _) = path.split_first()? else { return None };
        walk(&self.root, path, 1, params, passes)
    }

    /// The same tree with other values.
    pub(super) fn map<U>(self, f: &mut impl FnMut(T) -> U) -> Tree<U> {
        Tree {
            fixed: self.fixed.into_iter().map(|(path, value)| (path, f(value))).collect(),
            fixed_len_max: self.fixed_len_max,
            root: map_node(self.root, f),
        }
    }

    /// Every value, in no promised order.
    #[cfg(test)]
    pub(super) fn values(&self) -> Vec<&T> {
        let mut found: Vec<&T> = self.fixed.values().collect();
        let mut open = vec![&self.root];
        while let Some(node) = open.pop() {
            found.extend(node.value.iter().chain(&node.rest));
            open.extend(node.fixed.iter().map(|(_, child)| child));
            open.extend(node.patterns.iter().map(|(_, child)| child).chain(node.param.as_deref()));
        }
        found
    }
}

/// The path that a template of text alone stands for.
fn fixed_path(segments: &[Segment]) -> Option<Box<[u8]>> {
    let mut path = Vec::new();
    for segment in segments {
        let Segment::Static(text) = segment else { return None };
        path.push(b'/');
        path.extend_from_slice(text.as_bytes());
    }
    Some(path.into())
}

/// Hashes a path, eight bytes at a step.
///
/// Not one that withstands an attacker: the keys of the table are the application's, so that no peer can make them
/// collide, and a look-up costs no more than the keys it is compared with.
#[derive(Default)]
struct PathHasher(u64);

impl Hasher for PathHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        /// An odd number of random bits (the golden ratio), so that each bit of a word reaches the high half.
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut rest = bytes;
        while let Some((word, more)) = rest.split_first_chunk::<8>() {
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(MIX);
            rest = more;
        }
        // The last eight bytes, some of them again, or all of a short path.
        let last = match bytes.last_chunk() {
            Some(last) => u64::from_le_bytes(*last),
            None => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        self.0 = (self.0.rotate_left(5) ^ last).wrapping_mul(MIX);
    }

    /// The length of a path says little about it.
    #[inline]
    fn write_usize(&mut self, len: usize) {
        self.0 ^= len as u64;
    }

    /// The table takes its place from the low bits and a tag from the high ones; a product is best in the middle.
    #[inline]
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

fn map_node<T, U>(node: Node<T>, f: &mut impl FnMut(T) -> U) -> Node<U> {
    Node {
        value: node.value.map(&mut *f),
        rest: node.rest.map(&mut *f),
        param: node.param.map(|child| Box::new(map_node(*child, f))),
        patterns: node.patterns.into_iter().map(|(pattern, child)| (pattern, map_node(child, f))).collect(),
        fixed: node.fixed.into_iter().map(|(text, child)| (text, map_node(child, f))).collect(),
    }
}

/// Goes on at `path[at..]`, which is behind a slash. The depth is that of the tree, whatever the path is.
fn walk<'t, T>(
    node: &'t Node<T>,
    path: &[u8],
    at: usize,
    params: &mut ParamSpans,
    passes: &impl Fn(&T) -> bool,
) -> Option<&'t T> {
    let rest = &path[at..];
    let len = rest.iter().position(|byte| *byte == b'/');
    let segment = &rest[..len.unwrap_or(rest.len())];

    if let Some(child) = node.child(segment)
        && let Some(value) = go_on(child, path, at, len, params, passes)
    {
        return Some(value);
    }
    if !segment.is_empty() {
        let before = params.as_slice().len();
        let patterns = node.patterns.iter().filter(|(pattern, _)| pattern.matches(segment));
        for child in patterns.map(|(_, child)| child).chain(node.param.as_deref()) {
            params.push(span_at(at, segment.len()));
            if let Some(value) = go_on(child, path, at, len, params, passes) {
                return Some(value);
            }
            params.truncate(before);
        }
    }
    let value = node.rest.as_ref().filter(|value| !rest.is_empty() && passes(value))?;
    params.push(span_at(at, rest.len()));
    Some(value)
}

/// Behind the segment at `at`, `len` bytes long if another one follows.
fn go_on<'t, T>(
    child: &'t Node<T>,
    path: &[u8],
    at: usize,
    len: Option<usize>,
    params: &mut ParamSpans,
    passes: &impl Fn(&T) -> bool,
) -> Option<&'t T> {
    match len {
        Some(len) => walk(child, path, at + len + 1, params, passes),
        None => child.value.as_ref().filter(|value| passes(value)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::template::Template;
    use super::*;

    fn tree(templates: &[&'static str]) -> Tree<&'static str> {
        let mut tree = Tree::new();
        for template in templates {
            let parsed = Template::parse(template).unwrap();
            tree.entry(&parsed.segments, || *template);
        }
        tree
    }

    fn find<'p>(tree: &Tree<&'static str>, path: &'p str) -> Option<(&'static str, Vec<&'p str>)> {
        let mut params = ParamSpans::new();
        let found = *tree.find(path.as_bytes(), &mut params)?;
        let values = params.as_slice().iter().map(|span| &path[span.start()..span.end()]).collect();
        Some((found, values))
    }

    #[test]
    fn text_wins_over_a_name_and_a_name_over_the_rest() {
        let tree = tree(&[
            "/",
            "/users",
            "/users/",
            "/users/{id}",
            "/users/me",
            "/users/{id}/posts/{post}",
            "/{name}/edit",
            "/new/{*rest}",
            "/files/{*path}",
            "/files/{dir}/index",
        ]);
        for (why, path, want) in [
            ("root", "/", Some(("/", vec![]))),
            ("text", "/users", Some(("/users", vec![]))),
            ("a slash at the end is another path", "/users/", Some(("/users/", vec![]))),
            ("name", "/users/7", Some(("/users/{id}", vec!["7"]))),
            ("text over name", "/users/me", Some(("/users/me", vec![]))),
            (
                "name once text has no more",
                "/users/me/posts/1",
                Some(("/users/{id}/posts/{post}", vec!["me", "1"])),
            ),
            ("wrong turn taken back, its parameters too", "/users/edit", Some(("/users/{id}", vec!["edit"]))),
            ("text, then rest, before name", "/new/edit", Some(("/new/{*rest}", vec!["edit"]))),
            ("name at the root", "/x/edit", Some(("/{name}/edit", vec!["x"]))),
            ("rest with slashes", "/files/a/b/", Some(("/files/{*path}", vec!["a/b/"]))),
            ("name over rest", "/files/a/index", Some(("/files/{dir}/index", vec!["a"]))),
            (
                "rest after a name that led nowhere",
                "/files/a/indexes",
                Some(("/files/{*path}", vec!["a/indexes"])),
            ),
            ("rest is not empty", "/files/", None),
            ("a name is not empty", "/users//posts/1", None),
            ("unknown", "/x/y", None),
            ("an encoded slash is no slash", "/users/a%2Fb", Some(("/users/{id}", vec!["a%2Fb"]))),
            ("prefix of text", "/user", None),
            ("no slash", "*", None),
            ("empty", "", None),
        ] {
            assert_eq!(find(&tree, path), want, "{why}: {path}");
        }
    }

    #[test]
    fn many_children_are_all_found() {
        for (why, tail, params) in [("looked up whole", "", vec![]), ("walked to", "/{tail}", vec!["{tail}"])]
        {
            let templates: Vec<&'static str> =
                (0..200).map(|n| &*Box::leak(format!("/{}{tail}", n * n * 7).into_boxed_str())).collect();
            for count in [1, 8, 9, 200] {
                let tree = tree(&templates[..count]);
                for (at, template) in templates.iter().enumerate() {
                    let want = (at < count).then_some((*template, params.clone()));
                    assert_eq!(find(&tree, template), want, "{why}: {template} of {count}");
                }
            }
        }
    }

    #[test]
    fn an_entry_is_one_whatever_its_parameters_are_called() {
        let mut tree = Tree::new();
        let shape = |text| Template::parse(text).unwrap().segments;
        *tree.entry(&shape("/a/{x}"), || 0) += 1;
        *tree.entry(&shape("/a/{y}"), || 0) += 1;
        *tree.entry(&shape("/a/{*y}"), || 0) += 1;
        let mut values: Vec<i32> = tree.values().into_iter().copied().collect();
        values.sort_unstable();
        assert_eq!(values, [1, 2]);
    }

    /// Templates of few words, so that paths made of the same words hit them. One name at each depth, as matchit
    /// refuses two names in one place.
    fn template() -> impl Strategy<Value = String> {
        let part = prop_oneof![4 => "[abc]{1,2}", 2 => Just("{p}".to_string()), 1 => Just(String::new())];
        (prop::collection::vec(part, 1..5), any::<bool>()).prop_map(|(parts, rest)| {
            let mut text = String::new();
            for (depth, part) in parts.iter().enumerate() {
                text.push('/');
                text.push_str(&part.replace('p', &format!("p{depth}")));
            }
            if rest {
                text.push_str("/{*rest}");
            }
            text
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Over templates that matchit accepts, both find the same, with the same parameters.
        #[test]
        fn finds_what_matchit_finds(
            templates in prop::collection::vec(template(), 1..12),
            paths in prop::collection::vec("(/[abc]{0,2}){1,5}", 1..20),
        ) {
            let mut ours = Tree::new();
            let mut oracle = matchit::Router::new();
            for template in &templates {
                if oracle.insert(template.clone(), template.clone()).is_ok() {
                    let parsed = Template::parse(template).unwrap();
                    ours.entry(&parsed.segments, || template.clone());
                }
            }
            let mut params = ParamSpans::new();
            for path in &paths {
                let found = ours.find(path.as_bytes(), &mut params);
                match oracle.at(path) {
                    Ok(hit) => {
                        prop_assert_eq!(found, Some(hit.value), "{}", path);
                        let values: Vec<&str> = hit.params.iter().map(|(_, value)| value).collect();
                        let spans: Vec<&str> =
                            params.as_slice().iter().map(|span| &path[span.start()..span.end()]).collect();
                        prop_assert_eq!(spans, values);
                    }
                    Err(_) => prop_assert_eq!(found, None, "{}", path),
                }
            }
        }
    }
}
