//! Routing against an oracle that looks at every route for every path.

use corelane_http::app::App;
use corelane_http::request::Request;
use corelane_http::router::{get, guard};
use proptest::prelude::*;

use crate::support::call;

/// What stands between two slashes of a template.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Text(&'static str),
    Pattern(usize),
    Name,
    /// Only at the end.
    Rest,
}

/// A pattern, and what it matches told without it.
type Told = (&'static str, fn(&str) -> bool);

const PATTERNS: [Told; 4] = [
    ("[ab]", |text| text == "a" || text == "b"),
    ("a.*", |text| text.starts_with('a')),
    ("[0-9]{1,2}", |text| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())),
    ("b|1c", |text| text == "b" || text == "1c"),
];

#[derive(Clone, Debug)]
struct Wanted {
    parts: Vec<Part>,
    /// Passes requests that have the field.
    guarded: bool,
}

impl Wanted {
    fn template(&self) -> String {
        let parts = self.parts.iter().enumerate().map(|(at, part)| match part {
            Part::Text(text) => format!("/{text}"),
            Part::Pattern(which) => format!("/{{p{at}:{}}}", PATTERNS[*which].0),
            Part::Name => format!("/{{p{at}}}"),
            Part::Rest => format!("/{{*p{at}}}"),
        });
        parts.collect()
    }

    /// The values of its parameters, if it matches.
    fn matched(&self, path: &str) -> Option<Vec<String>> {
        let mut left = Some(&path[1..]);
        let mut values = Vec::new();
        for part in &self.parts {
            let rest = left?;
            let (segment, behind) = match rest.split_once('/') {
                Some((segment, behind)) => (segment, Some(behind)),
                None => (rest, None),
            };
            let fits = match part {
                Part::Text(text) => segment == *text,
                Part::Pattern(which) => !segment.is_empty() && PATTERNS[*which].1(segment),
                Part::Name => !segment.is_empty(),
                Part::Rest => {
                    values.push(rest.to_owned());
                    return (!rest.is_empty()).then_some(values);
                }
            };
            if !fits {
                return None;
            }
            if !matches!(part, Part::Text(_)) {
                values.push(segment.to_owned());
            }
            left = behind;
        }
        left.is_none().then_some(values)
    }
}

/// Which comes first, segment by segment: text, patterns in order of registration in their place, names, the rest.
fn rank(routes: &[Wanted], at: usize) -> (Vec<(u8, usize)>, bool, usize) {
    let parts = &routes[at].parts;
    let ranks = (0..parts.len()).map(|depth| match parts[depth] {
        Part::Text(_) => (0, 0),
        Part::Pattern(_) => {
            let same = |other: &Wanted| other.parts.get(..=depth) == Some(&parts[..=depth]);
            (1, routes.iter().position(same).unwrap())
        }
        Part::Name => (2, 0),
        Part::Rest => (3, 0),
    });
    (ranks.collect(), !routes[at].guarded, at)
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        3 => prop::sample::select(vec!["a", "b", "aa", "1", ""]).prop_map(Part::Text),
        3 => (0..PATTERNS.len()).prop_map(Part::Pattern),
        2 => Just(Part::Name),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (prop::collection::vec(part(), 1..4), any::<bool>(), prop::bool::weighted(0.3)).prop_map(
        |(mut parts, rest, guarded)| {
            if rest {
                parts.push(Part::Rest);
            }
            Wanted { parts, guarded }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_router_finds_what_a_look_at_every_route_finds(
        wanted in prop::collection::vec(wanted(), 1..12),
        paths in prop::collection::vec("(/(a|b|aa|ab|1|12|123|1c|c|)){1,4}", 1..16),
    ) {
        let mut routes: Vec<Wanted> = Vec::new();
        for new in wanted {
            if !routes.iter().any(|old| old.parts == new.parts && old.guarded == new.guarded) {
                routes.push(new);
            }
        }
        let mut app = App::new();
        for (at, route) in routes.iter().enumerate() {
            let handler = async move |request: Request| {
                let values: Vec<String> = request
                    .params()
                    .iter()
                    .map(|(_, value)| String::from_utf8(value.to_vec()).unwrap())
                    .collect();
                format!("{at} {values:?}")
            };
            let methods = if route.guarded { get(handler).guard(guard::header("x", "1")) } else { get(handler) };
            app = app.route(&route.template(), methods);
        }
        let service = app.into_service();
        for path in &paths {
            for passes in [false, true] {
                let found = (0..routes.len())
                    .filter(|at| passes || !routes[*at].guarded)
                    .filter(|at| routes[*at].matched(path).is_some())
                    .min_by_key(|at| rank(&routes, *at));
                let request = Request::builder("GET", path).header("x", if passes { "1" } else { "0" });
                let answer = call(&service, request);
                match found {
                    Some(at) => {
                        let values = routes[at].matched(path).unwrap();
                        prop_assert_eq!(answer.body, format!("{at} {values:?}"), "{} of {:?}", path, routes);
                    }
                    None => prop_assert_eq!(answer.status, 404, "{} of {:?}", path, routes),
                }
            }
        }
    }
}
