//! Flame graphs as SVG: boxes whose width is their value, the root at the bottom, and a short script to zoom and search.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::profile::{Named, Unit};

/// Width of the drawing and height of a row, in pixels; the browser scales the width.
const WIDTH: f64 = 1200.0;
const ROW: usize = 17;
/// Room above for the title and below for what the mouse points at.
const HEAD: usize = 44;
const FOOT: usize = 26;
/// A box narrower than this part of the whole is left out: nobody could see it.
const NARROWEST: f64 = 0.0004;

/// Stacks as a tree: what calls what.
#[derive(Default)]
struct Node {
    value: u64,
    /// The other profile's, where two are compared.
    before: u64,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, names: impl Iterator<Item = String>, value: u64, before: u64) {
        self.value += value;
        self.before += before;
        let mut node = self;
        for name in names {
            node = node.children.entry(name).or_default();
            node.value += value;
            node.before += before;
        }
    }

    fn depth(&self, whole: f64) -> usize {
        let wide = self.children.values().filter(|child| child.value as f64 / whole >= NARROWEST);
        wide.map(|child| child.depth(whole) + 1).max().unwrap_or(0)
    }
}

/// A flame graph of one profile.
pub(super) fn svg(profile: &Named) -> String {
    let mut root = Node::default();
    for stack in &profile.stacks {
        root.add(stack.names(), stack.value, 0);
    }
    let (kind, _) = profile.unit.names();
    let title = format!("{kind}, {:.1} s", profile.duration.as_secs_f64());
    draw(&root, &title, profile.unit, None)
}

/// A flame graph of `after` whose colours say what changed since `before`: red takes a greater part than it did, blue a
/// lesser. What only `before` had has no box, and is told in the title.
pub fn diff_svg(before: &Named, after: &Named) -> String {
    let mut root = Node::default();
    for stack in &after.stacks {
        root.add(stack.names(), stack.value, 0);
    }
    for stack in &before.stacks {
        root.add(stack.names(), 0, stack.value);
    }
    let (was, is) = (before.total(), after.total());
    let gone: u64 = vanished(&root);
    let part = if was == 0 { 0.0 } else { 100.0 * gone as f64 / was as f64 };
    let (kind, _) = after.unit.names();
    let title = format!("{kind}, second against first; {part:.1} % of the first has no box here");
    draw(&root, &title, after.unit, Some((was.max(1) as f64, is.max(1) as f64)))
}

/// What `before` has in stacks that the other profile does not have.
fn vanished(node: &Node) -> u64 {
    node.children.values().map(|child| if child.value == 0 { child.before } else { vanished(child) }).sum()
}

fn draw(root: &Node, title: &str, unit: Unit, totals: Option<(f64, f64)>) -> String {
    let whole = root.value.max(1) as f64;
    let height = HEAD + FOOT + (root.depth(whole) + 1) * ROW;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" \
         font-family=\"monospace\" font-size=\"12\">\n<style>g.f:hover rect{{stroke:#000}}g.f{{cursor:pointer}}\
         g.m rect{{fill:#c0f}}text{{pointer-events:none}}#q,#z{{cursor:pointer;pointer-events:auto;fill:#05c}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fffdf5\"/>\n\
         <text x=\"600\" y=\"20\" text-anchor=\"middle\" font-size=\"15\">{}</text>\n\
         <text id=\"z\" x=\"8\" y=\"20\">whole</text><text id=\"q\" x=\"1192\" y=\"20\" text-anchor=\"end\">search</text>\n\
         <text id=\"d\" x=\"8\" y=\"{}\"> </text>\n",
        escaped(title),
        height - 8
    );
    let mut pen = Pen { out: &mut out, whole, unit, totals, height };
    pen.node("all", root, 0.0, 0);
    out.push_str("<script><![CDATA[\n");
    out.push_str(include_str!("flame.js"));
    out.push_str("]]></script>\n</svg>\n");
    out
}

struct Pen<'a> {
    out: &'a mut String,
    whole: f64,
    unit: Unit,
    totals: Option<(f64, f64)>,
    height: usize,
}

impl Pen<'_> {
    fn node(&mut self, name: &str, node: &Node, left: f64, row: usize) {
        let part = node.value as f64 / self.whole;
        if part < NARROWEST {
            return;
        }
        let y = self.height - FOOT - (row + 1) * ROW;
        let (x, width) = (left * WIDTH, part * WIDTH);
        let mut says = format!("{name}: {}, {:.2} %", self.amount(node.value), 100.0 * part);
        let colour = match self.totals {
            None => warm(name),
            Some((was, is)) => {
                let change = node.value as f64 / is - node.before as f64 / was;
                let _ = write!(says, ", {:+.2} points", 100.0 * change);
                two_sided(change)
            }
        };
        let letters = (width / 7.3) as usize;
        let text: String = match name.chars().count() {
            count if count <= letters => name.to_owned(),
            _ if letters < 4 => String::new(),
            _ => name.chars().take(letters - 2).chain("..".chars()).collect(),
        };
        let _ = writeln!(
            self.out,
            "<g class=\"f\" data-n=\"{}\"><title>{}</title><rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{}\" \
             rx=\"1\" fill=\"{colour}\"/><text x=\"{:.2}\" y=\"{}\">{}</text></g>",
            escaped(name),
            escaped(&says),
            ROW - 1,
            x + 3.0,
            y + 12,
            escaped(&text),
        );
        let mut left = left;
        for (name, child) in &node.children {
            self.node(name, child, left, row + 1);
            left += child.value as f64 / self.whole;
        }
    }

    fn amount(&self, value: u64) -> String {
        match self.unit {
            Unit::CpuNanos | Unit::WaitNanos => format!("{:.3} s", value as f64 / 1e9),
            Unit::HeapBytes => format!("{:.1} KiB", value as f64 / 1024.0),
        }
    }
}

/// A warm colour that a name always has, so that a function is found again in the next graph.
fn warm(name: &str) -> String {
    let hash =
        name.bytes().fold(0xcbf2_9ce4_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("rgb({},{},{})", 205 + hash % 50, 90 + (hash >> 8) % 130, 40 + (hash >> 16) % 40)
}

/// White for no change; full red and blue for ten points.
fn two_sided(change: f64) -> String {
    let pale = 255 - (change.abs() * 10.0 * 255.0).min(255.0) as u32;
    if change >= 0.0 { format!("rgb(255,{pale},{pale})") } else { format!("rgb({pale},{pale},255)") }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
