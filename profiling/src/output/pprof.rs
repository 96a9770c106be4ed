//! pprof's format: `profile.proto` of github.com/google/pprof, by a writer of the four things that it needs of protobuf.

use std::collections::HashMap;
use std::time::UNIX_EPOCH;

use crate::profile::Named;

/// Writes fields of a message (protobuf.dev/programming-guides/encoding).
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A number; zero is the default and is left out.
    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// Repeated numbers in one field.
    fn packed(&mut self, field: u64, values: impl IntoIterator<Item = u64>) {
        let mut inner = Message::default();
        for value in values {
            inner.varint(value);
        }
        self.bytes(field, &inner.0);
    }
}

/// Each string once; the first is empty, as the format wants it.
struct Strings<'a> {
    index: HashMap<&'a str, u64>,
    all: Vec<&'a str>,
}

impl<'a> Strings<'a> {
    fn add(&mut self, text: &'a str) -> u64 {
        *self.index.entry(text).or_insert_with(|| {
            self.all.push(text);
            self.all.len() as u64 - 1
        })
    }
}

pub(super) fn encode(profile: &Named) -> Vec<u8> {
    let mut strings = Strings { index: HashMap::from([("", 0)]), all: vec![""] };
    let mut functions: HashMap<(u64, u64), u64> = HashMap::new();
    let mut locations: HashMap<(u64, u32), u64> = HashMap::new();
    let mut out = Message::default();
    let (kind, unit) = profile.unit.names();
    for (kind, unit) in [("samples", "count"), (kind, unit)] {
        let (kind, unit) = (strings.add(kind), strings.add(unit));
        out.message(1, |value_type| {
            value_type.number(1, kind);
            value_type.number(2, unit);
        });
    }
    let mut tables = Message::default();
    for stack in &profile.stacks {
        let mut ids = Vec::with_capacity(stack.frames.len());
        // The format wants the innermost first.
        for frame in stack.frames.iter().rev() {
            let name = strings.add(&frame.function);
            let file = strings.add(frame.file.as_deref().unwrap_or(""));
            let next = functions.len() as u64 + 1;
            let function = *functions.entry((name, file)).or_insert_with(|| {
                tables.message(5, |function| {
                    function.number(1, next);
                    function.number(2, name);
                    function.number(3, name);
                    function.number(4, file);
                });
                next
            });
            let next = locations.len() as u64 + 1;
            let location = *locations.entry((function, frame.line)).or_insert_with(|| {
                tables.message(4, |location| {
                    location.number(1, next);
                    location.message(4, |line| {
                        line.number(1, function);
                        line.number(2, u64::from(frame.line));
                    });
                });
                next
            });
            ids.push(location);
        }
        let route = stack.route.as_deref().map(|route| (strings.add("route"), strings.add(route)));
        let thread = stack.thread.as_deref().map(|thread| (strings.add("thread"), strings.add(thread)));
        let core = stack.core.map(|core| (strings.add("core"), core as u64));
        out.message(2, |sample| {
            sample.packed(1, ids);
            sample.packed(2, [stack.count, stack.value]);
            for (key, text) in route.into_iter().chain(thread) {
                sample.message(3, |label| {
                    label.number(1, key);
                    label.number(2, text);
                });
            }
            if let Some((key, core)) = core {
                sample.message(3, |label| {
                    label.number(1, key);
                    // Written even if zero: a label without a value would be none.
                    label.varint(3 << 3);
                    label.varint(core);
                });
            }
        });
    }
    out.0.extend_from_slice(&tables.0);
    let (kind, unit) = (strings.add(kind), strings.add(unit));
    for text in &strings.all {
        out.bytes(6, text.as_bytes());
    }
    let began = profile.began.duration_since(UNIX_EPOCH).unwrap_or_default();
    out.number(9, u64::try_from(began.as_nanos()).unwrap_or(0));
    out.number(10, u64::try_from(profile.duration.as_nanos()).unwrap_or(0));
    if profile.hz > 0 {
        out.message(11, |period_type| {
            period_type.number(1, kind);
            period_type.number(2, unit);
        });
        out.number(12, 1_000_000_000 / u64::from(profile.hz));
    }
    out.0
}
