//! From addresses to functions, files and lines.

use std::collections::HashMap;
use std::sync::Arc;

use addr2line::Loader;

use super::modules::{self, Module};

/// Frames that one address stands for, at most: functions that were inlined into one another.
const INLINED_MAX: usize = 32;

/// A function on a stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its name, without the hash that the compiler adds; module and offset where there is no name.
    pub function: Arc<str>,
    /// The file it is in, if the debug information tells.
    pub file: Option<Arc<str>>,
    /// The line that ran, or 0.
    pub line: u32,
}

impl Frame {
    /// A frame that stands for something else than a function: a core, a route.
    pub fn label(text: &str) -> Frame {
        Frame { function: Arc::from(text), file: None, line: 0 }
    }
}

/// Names addresses of this process, by the symbol tables and debug information of the files it was loaded from.
///
/// Reads files and takes from microseconds to a second: not for cores. An executable that was stripped has modules and offsets
/// instead of names; `debug = "line-tables-only"` is what inlined functions and lines need.
pub struct Symbols {
    modules: Vec<(Module, Option<Loader>)>,
    /// Innermost first.
    known: HashMap<u64, Arc<[Frame]>>,
}

impl Default for Symbols {
    fn default() -> Symbols {
        Symbols::new()
    }
}

impl Symbols {
    /// For what is loaded now.
    pub fn new() -> Symbols {
        let modules = modules::loaded().into_iter().map(|module| {
            let loader = Loader::new(&module.path).ok();
            (module, loader)
        });
        Symbols { modules: modules.collect(), known: HashMap::new() }
    }

    /// What an address stands for, innermost first: never empty. `is_return` for all but the innermost address of a stack:
    /// the call is before it.
    pub fn name(&mut self, address: u64, is_return: bool) -> Arc<[Frame]> {
        let address = if is_return { address.saturating_sub(1) } else { address };
        if let Some(known) = self.known.get(&address) {
            return Arc::clone(known);
        }
        let found: Arc<[Frame]> = self.look_up(address).into();
        self.known.insert(address, Arc::clone(&found));
        found
    }

    fn look_up(&self, address: u64) -> Vec<Frame> {
        let Some((module, loader)) = self.modules.iter().find(|(module, _)| module.code.contains(&address))
        else {
            return vec![Frame::label(&format!("{address:#x}"))];
        };
        let offset = address - module.base;
        let mut found = Vec::new();
        if let Some(loader) = loader {
            if let Ok(mut frames) = loader.find_frames(offset) {
                while let Ok(Some(frame)) = frames.next() {
                    let Some(name) = frame.function.as_ref().and_then(|name| name.raw_name().ok()) else {
                        continue;
                    };
                    let location = frame.location.as_ref();
                    found.push(Frame {
                        function: demangled(&name),
                        file: location.and_then(|location| location.file).map(Arc::from),
                        line: location.and_then(|location| location.line).unwrap_or(0),
                    });
                    if found.len() == INLINED_MAX {
                        break;
                    }
                }
            }
            // With line tables only, the debug information has names without their paths. Of the function that the rest
            // was inlined into, the symbol table has the whole.
            if let Some(name) = loader.find_symbol(offset).map(demangled) {
                match found.last_mut() {
                    Some(outermost) => outermost.function = name,
                    None => found.push(Frame { function: name, file: None, line: 0 }),
                }
            }
        }
        if found.is_empty() {
            let file = module.path.file_name().map_or("[vdso]".into(), |name| name.to_string_lossy());
            found.push(Frame::label(&format!("{file}+{offset:#x}")));
        }
        found
    }
}

fn demangled(name: &str) -> Arc<str> {
    // Without the hash, which would make two builds of one function two functions.
    Arc::from(format!("{:#}", addr2line::demangle_auto(name.into(), None)).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_this_crate_is_named_with_its_file() {
        let address = (demangled as fn(&str) -> Arc<str>) as usize as u64;
        let mut symbols = Symbols::new();
        let found = symbols.name(address, false);
        let last = found.last().unwrap();
        assert_eq!(&*last.function, "corelane_profiling::stacks::symbols::demangled");
        assert!(last.file.as_deref().unwrap().ends_with("symbols.rs"), "{last:?}");
        assert_eq!(
            symbols.name(1, false)[0].function,
            Frame::label("0x1").function,
            "nothing is loaded there"
        );
    }
}
