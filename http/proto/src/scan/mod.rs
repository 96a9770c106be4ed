//! Reading what is as it should be, many bytes at a time.
//!
//! A [`Kernel`] takes request line and fields as far as they are of the usual kind and well-formed, and stops at
//! the first line that is not; it never decides what is an error. The careful readers of [`head`](crate::head)
//! go on from there. So a kernel may take less than it could, but what it takes must be right: its twin that reads
//! byte by byte is the truth the tests hold it to.
//!
//! AVX2 is chosen once, at run time, where the machine has it, and kept by whoever parses. Elsewhere the
//! portable kernel searches values eight bytes at a time, in a word.
//!
//! This is the only module of the crate with `unsafe` code.
//!
//! ```
//! use corelane_http_proto::scan::Kernel;
//!
//! let kernel = Kernel::detect();
//! // What this machine uses; every kernel gives the same answers.
//! assert!(["avx2", "portable"].contains(&kernel.name()));
//! ```

use crate::head::{Field, Span};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod lines;
#[cfg(test)]
mod naive;
mod swar;
#[cfg(test)]
mod tests;

pub(crate) use swar::{control_from, token_end};

/// What a kernel took from the start of the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The request line, if it was asked for and is of the usual kind.
    pub(crate) request: Option<CommonRequest>,
    /// Fields put into the room.
    pub(crate) count: usize,
    /// Start of the first line that was not taken: the blank line, or one for the careful reader.
    pub(crate) line: usize,
}

/// A request line with a common method, a target in origin-form and version 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommonRequest {
    /// POST rather than GET. A [`Method`](crate::head::Method) would be written in part and read whole, which holds
    /// up the processor.
    pub(crate) is_post: bool,
    /// Start of the target, which is a `/`.
    pub(crate) start: usize,
    /// The first `?` of the target, or its end.
    pub(crate) question: usize,
    /// End of the target. All its bytes may stand in one.
    pub(crate) end: usize,
}

/// Which instructions scanning uses: chosen once, then kept.
#[derive(Clone, Copy, Debug)]
pub struct Kernel(Choice);

#[derive(Clone, Copy, Debug)]
enum Choice {
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    Portable,
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
        Self(Choice::Portable)
    }

    /// Name of the kernel, for logs and benchmark records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(_) => "avx2",
            Choice::Portable => "portable",
        }
    }

    /// Takes well-formed field lines from the line start `line` on, as many as `room` holds. If that is 0, a
    /// request line stands first; unless it is taken, nothing is.
    #[inline(always)]
    pub(crate) fn take(self, bytes: &[u8], line: usize, room: &mut [Field]) -> Taken {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(avx2) => avx2.take(bytes, line, room),
            Choice::Portable => swar::take(bytes, line, room),
        }
    }
}

impl Kernel {
    /// True if `value` is a host name or IPv4 address of up to 32 bytes with or without a port of up to four digits.
    /// Others may be valid too.
    #[inline(always)]
    pub(crate) fn is_plain_authority(self, bytes: &[u8], value: Span) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(avx2) => avx2.is_plain_authority(bytes, value),
            Choice::Portable => {
                // One look at each byte is all there is to gain here, and the careful check takes it anyway.
                let _ = (bytes, value);
                false
            }
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
