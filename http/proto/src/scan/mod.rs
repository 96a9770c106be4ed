//! Finding the ends of names, values and targets, many bytes at a time.
//!
//! The same few questions are answered by three twins: `naive` reads byte by byte and is the truth the
//! tests hold the others to; `swar` reads eight bytes in a word, on any machine; `avx2` reads 64. The
//! choice is made once ([`Kernel::detect`]) and kept by whoever parses. A whole head is then parsed inside
//! one function compiled for each twin, so that a question costs no call and no test of the machine.
//!
//! This is the only module of the crate with `unsafe` code.
//!
//! ```
//! use corelane_http_proto::scan::Kernel;
//!
//! let kernel = Kernel::detect();
//! // What this machine uses; every kernel gives the same answers.
//! assert!(["avx2", "swar"].contains(&kernel.name()));
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
mod class;
#[cfg(test)]
mod naive;
mod swar;
#[cfg(test)]
mod tests;

use crate::name::Name;

pub(crate) use class::{Class, RegName, TargetByte, Token};

/// Bytes in one block.
pub(crate) const BLOCK: usize = 64;

/// Where lines may end in a block. Bit `i` is the byte `i` after the block's start; bits past the end of the
/// input are clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// LF.
    pub(crate) lf: u64,
    /// Bytes that are neither LF nor from 0x20 to 0x7e: CR, and what the block reader leaves to others.
    pub(crate) other: u64,
}

/// A well-formed field line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldLine {
    pub(crate) name: Name,
    /// Position of the colon.
    pub(crate) colon: usize,
    /// Start of the value, spaces skipped.
    pub(crate) value_start: usize,
    /// End of the value, spaces left out.
    pub(crate) value_end: usize,
}

/// The questions a parser asks. A position that is not found is `bytes.len()`.
pub(crate) trait Scan: Copy {
    /// True if [`block`](Self::block) and [`field`](Self::field) are worth asking; otherwise lines are searched
    /// one by one.
    const HAS_BLOCKS: bool;

    /// Looks at the 64 bytes from `at` on, or at as many as there are.
    fn block(self, bytes: &[u8], at: usize) -> Block;

    /// Takes apart the line from `start` to the LF at `lf`, all of whose bytes but the last two are from 0x20
    /// to 0x7e. `None` if it is no field line, or is left to others: a name of less than 3 or more than 31 bytes.
    fn field(self, bytes: &[u8], start: usize, lf: usize) -> Option<FieldLine>;

    /// The first control byte other than tab at or after `from`.
    fn control_from(self, bytes: &[u8], from: usize) -> usize;

    /// Where the target that starts at `at` ends, and its first `?`, or the same position again.
    fn target_end(self, bytes: &[u8], at: usize) -> (usize, usize);

    /// The first byte from `at` on that is not of class `C`.
    fn class_end<C: Class>(self, bytes: &[u8], at: usize) -> usize;
}

/// Work to be compiled for every kernel. `run` has to be `#[inline(always)]`, else it is compiled without
/// the instructions of the kernel it runs on.
pub(crate) trait Job {
    /// What comes out.
    type Output;

    /// Does the work with the questions `scan` answers.
    fn run<S: Scan>(self, scan: S) -> Self::Output;
}

/// Which instructions scanning uses: chosen once, then kept.
#[derive(Clone, Copy, Debug)]
pub struct Kernel(Choice);

#[derive(Clone, Copy, Debug)]
enum Choice {
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    Swar,
}

impl Kernel {
    /// The fastest kernel this machine has.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = avx2::Avx2::detect() {
            return Self(Choice::Avx2(avx2));
        }
        Self::portable()
    }

    /// The kernel that runs everywhere: for comparing with the fastest.
    #[must_use]
    pub const fn portable() -> Self {
        Self(Choice::Swar)
    }

    /// Name of the kernel, for logs and benchmark records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(_) => "avx2",
            Choice::Swar => "swar",
        }
    }

    /// Does `job` with this kernel.
    #[inline]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(avx2) => avx2.run(job),
            Choice::Swar => job.run(swar::Swar),
        }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::detect()
    }
}

/// `start..end` without spaces and tabs at its ends.
#[inline(always)]
pub(crate) fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && matches!(bytes[start], b' ' | b'\t') {
        start += 1;
    }
    while end > start && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    (start, end)
}
