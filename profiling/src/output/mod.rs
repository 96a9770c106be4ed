//! What profiles are written as.
//!
//! | form | for |
//! | --- | --- |
//! | [`svg`](Named::svg) | a browser: a flame graph that zooms and searches, in one file |
//! | [`collapsed`](Named::collapsed) | other flame graph tools, Speedscope, `grep` |
//! | [`pprof`](Named::pprof) | `go tool pprof`, Speedscope, Grafana Pyroscope |
//!
//! [`diff_svg`] draws what changed between two profiles.

mod flame;
mod pprof;

use crate::profile::Named;

pub use self::flame::diff_svg;

impl Named {
    /// One line per stack: names from the root inwards, separated by semicolons, and the value.
    pub fn collapsed(&self) -> String {
        let mut out = String::new();
        for stack in &self.stacks {
            for (index, name) in stack.names().enumerate() {
                if index > 0 {
                    out.push(';');
                }
                // A semicolon or a line break in a name would be another frame, or another stack.
                out.extend(name.chars().map(|c| if matches!(c, ';' | '\n' | '\r') { ' ' } else { c }));
            }
            out.push_str(&format!(" {}\n", stack.value));
        }
        out
    }

    /// A flame graph that zooms on click and searches, as one SVG file without anything from elsewhere.
    pub fn svg(&self) -> String {
        flame::svg(self)
    }

    /// The format of pprof, protobuf, not compressed: readers take both.
    pub fn pprof(&self) -> Vec<u8> {
        pprof::encode(self)
    }
}
