//! Stacks: how they are walked, and what names their addresses.
//!
//! ```
//! use corelane_profiling::stacks::{Symbols, capture};
//!
//! let mut symbols = Symbols::new();
//! for (index, address) in capture().into_iter().enumerate() {
//!     for frame in symbols.name(address, index > 0).iter() {
//!         println!("{} at {}:{}", frame.function, frame.file.as_deref().unwrap_or("?"), frame.line);
//!     }
//! }
//! ```

mod modules;
mod ranges;
mod symbols;
mod unwind;

pub(crate) use self::ranges::Ranges;
pub use self::symbols::{Frame, Symbols};
pub(crate) use self::unwind::{FRAMES_MAX, Registers, Scratch, Unwinder};

/// The stack of the calling thread, innermost first: an address in this function, then return addresses.
pub fn capture() -> Vec<u64> {
    let mut found = Vec::with_capacity(FRAMES_MAX);
    Unwinder::get().walk_here(&mut Scratch::default(), |address| found.push(address));
    found
}
