//! Sixty-four bytes in two vectors.
//!
//! The ends of lines come from masks over whole blocks, which do not hang on where a line starts: the processor
//! works on the next block while it still takes apart the lines of this one. Searching each line's end from
//! its start was tried first; the chain of load, compare and count then bounds the speed, at 22 cycles a line.

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_add_epi8, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16,
};

use super::{BLOCK, Block, Class, FieldLine, Job, Scan, TargetByte, Token, swar};
use crate::name::{self, Name};

/// Bytes in one vector.
const LANES: usize = 32;

/// Proof that this machine has AVX2, BMI1 and BMI2: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof, if it holds.
    pub(super) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has_all.then_some(Self(()))
    }

    /// Does `job` in a function that may use the instructions.
    #[inline]
    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        fn run<J: Job>(job: J, avx2: Avx2) -> J::Output {
            job.run(avx2)
        }
        debug_assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2"));
        // SAFETY: `self` exists, so `detect` has seen the three features on this machine.
        unsafe { run(job, self) }
    }

    /// The vector at `bytes[at..at + 32]`.
    #[inline(always)]
    fn load(self, bytes: &[u8], at: usize) -> __m256i {
        let lanes: &[u8; LANES] = bytes[at..at + LANES].try_into().expect("the range has that length");
        // SAFETY: `lanes` are 32 readable bytes, the load asks for no alignment, and `self` proves AVX2.
        unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
    }

    /// The vector at `at`, or the last one of the input and how many of its bytes stand before `at`.
    #[inline(always)]
    fn window(self, bytes: &[u8], at: usize) -> Option<(__m256i, usize)> {
        debug_assert!(at < bytes.len());
        if at + LANES <= bytes.len() {
            return Some((self.load(bytes, at), 0));
        }
        let last = bytes.len().checked_sub(LANES)?;
        Some((self.load(bytes, last), at - last))
    }

    /// Bits of the bytes of `vector` that are not of class `C`.
    #[inline(always)]
    fn outside<C: Class>(self, vector: __m256i) -> u32 {
        // A shuffle by the low nibble gives the set of rows in which a byte of that nibble belongs to the class,
        // and zero for bytes from 0x80 on; a shuffle by the high nibble gives the bit of the byte's own row.
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: both loads read 16 bytes of an array of 16; `self` proves AVX2.
        unsafe {
            let rows = _mm256_broadcastsi128_si256(_mm_loadu_si128(C::ROWS.as_ptr().cast()));
            let bits = _mm256_broadcastsi128_si256(_mm_loadu_si128(BITS.as_ptr().cast()));
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(vector), _mm256_set1_epi8(15));
            let inside = _mm256_and_si256(_mm256_shuffle_epi8(rows, vector), _mm256_shuffle_epi8(bits, high));
            mask(_mm256_cmpeq_epi8(inside, _mm256_setzero_si256()))
        }
    }

    /// Bits of the control bytes of `vector` other than tab.
    #[inline(always)]
    fn control(self, vector: __m256i) -> u32 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let below_space = _mm256_cmpeq_epi8(_mm256_min_epu8(vector, _mm256_set1_epi8(0x1f)), vector);
            let tab = _mm256_cmpeq_epi8(vector, _mm256_set1_epi8(0x09));
            let delete = _mm256_cmpeq_epi8(vector, _mm256_set1_epi8(0x7f));
            mask(_mm256_or_si256(_mm256_andnot_si256(tab, below_space), delete))
        }
    }

    /// Bits of the bytes of `vector` that are `byte`.
    #[inline(always)]
    fn equal(self, vector: __m256i, byte: u8) -> u32 {
        // SAFETY: `self` proves AVX2.
        unsafe { mask(_mm256_cmpeq_epi8(vector, _mm256_set1_epi8(byte.cast_signed()))) }
    }

    /// Bits of the bytes of `vector` that are not from 0x20 to 0x7e.
    #[inline(always)]
    fn unprintable(self, vector: __m256i) -> u32 {
        // One more makes 0x7f negative, so that a single signed comparison sees both ends.
        // SAFETY: `self` proves AVX2.
        unsafe {
            let next = _mm256_add_epi8(vector, _mm256_set1_epi8(1));
            mask(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), next))
        }
    }

    /// A block in two vectors of which the second starts `distance` bytes after the first.
    #[inline(always)]
    fn block_of(self, first: __m256i, second: __m256i, distance: usize) -> Block {
        let join = |first: u32, second: u32| u64::from(first) | u64::from(second) << distance;
        let lf = join(self.equal(first, b'\n'), self.equal(second, b'\n'));
        let unprintable = join(self.unprintable(first), self.unprintable(second));
        Block { lf, other: unprintable & !lf }
    }

    /// The block at `at` of which less than 64 bytes are there.
    #[inline(always)]
    fn last_block(self, bytes: &[u8], at: usize) -> Block {
        debug_assert!(at < bytes.len() && bytes.len() - at < BLOCK);
        // The last 64 bytes of the input, or two vectors that overlap, without the bytes before `at`.
        let Some(second_at) = bytes.len().checked_sub(LANES) else { return swar::Swar.block(bytes, at) };
        let first_at = second_at.saturating_sub(LANES);
        let block =
            self.block_of(self.load(bytes, first_at), self.load(bytes, second_at), second_at - first_at);
        let skip = at - first_at;
        Block { lf: block.lf >> skip, other: block.other >> skip }
    }

    /// The name that `window` holds from lane `skip` on, a token of `len` bytes.
    #[inline(always)]
    fn name(self, window: __m256i, skip: usize, len: usize, key: u64) -> Name {
        let Some((name, spelling)) = name::candidate(key, len) else { return Name::Other };
        // Zeros before the spelling bring its start to lane `skip`.
        let spelling = self.load(spelling, LANES - skip);
        // SAFETY: `self` proves AVX2.
        let equal =
            unsafe { mask(_mm256_cmpeq_epi8(_mm256_or_si256(window, _mm256_set1_epi8(0x20)), spelling)) };
        // The lowest `len` bits of what remains; `len` is 3 to 31.
        if !(equal >> skip) << (LANES - len) == 0 { name } else { Name::Other }
    }
}

impl Scan for Avx2 {
    const HAS_BLOCKS: bool = true;

    #[inline(always)]
    fn block(self, bytes: &[u8], at: usize) -> Block {
        match bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
            Some(block) => self.block_of(self.load(block, 0), self.load(block, LANES), LANES),
            None => self.last_block(bytes, at),
        }
    }

    #[inline(always)]
    fn field(self, bytes: &[u8], start: usize, lf: usize) -> Option<FieldLine> {
        let last_window = bytes.len().checked_sub(LANES)?;
        if start == 0 || lf >= bytes.len() || start + 5 > lf {
            return None;
        }
        let window_at = start.min(last_window);
        let skip = start - window_at;
        // SAFETY: `window_at` is at most the length less 32.
        let window = unsafe { load(bytes, window_at) };
        let len = (self.outside::<Token>(window) >> skip).trailing_zeros() as usize;
        let colon = start + len;
        if !(3..LANES).contains(&len) || colon + 2 > lf {
            return None;
        }
        // SAFETY: `0 < start`, `start + 3 <= colon`, `colon + 2 <= lf` and `lf < bytes.len()` were tested above,
        // so that all of these lie within `bytes`.
        let (first, last, separator, end) = unsafe {
            (
                peek::<4>(bytes, start),
                peek::<4>(bytes, colon - 4),
                peek::<3>(bytes, colon),
                peek::<2>(bytes, lf - 2),
            )
        };
        if separator[0] != b':' || end[1] != b'\r' {
            return None;
        }
        // Nearly always one space stands before the value and none behind it. An empty value fails the test,
        // because then one of the two bytes is the CR.
        let (value_start, value_end) = if separator[1] == b' ' && separator[2] > b' ' && end[0] > b' ' {
            (colon + 2, lf - 1)
        } else {
            super::trimmed(bytes, colon + 1, lf - 1)
        };
        let name = self.name(window, skip, len, name::key(first, last));
        Some(FieldLine { name, colon, value_start, value_end })
    }

    #[inline(always)]
    fn control_from(self, bytes: &[u8], from: usize) -> usize {
        let mut at = from;
        while at + LANES <= bytes.len() {
            let control = self.control(self.load(bytes, at));
            if control != 0 {
                return at + control.trailing_zeros() as usize;
            }
            at += LANES;
        }
        swar::Swar.control_from(bytes, at)
    }

    #[inline(always)]
    fn target_end(self, bytes: &[u8], at: usize) -> (usize, usize) {
        let mut query = None;
        let mut end = at;
        while end < bytes.len() {
            let Some((vector, skip)) = self.window(bytes, end) else { break };
            let stop = self.outside::<TargetByte>(vector) >> skip;
            // Question marks behind the end of the target do not count.
            let question = (self.equal(vector, b'?') >> skip) & stop.wrapping_sub(1) & !stop;
            if question != 0 && query.is_none() {
                query = Some(end + question.trailing_zeros() as usize);
            }
            if stop != 0 {
                end += stop.trailing_zeros() as usize;
                return (end, query.unwrap_or(end));
            }
            end += LANES - skip;
        }
        let (end, late) = swar::Swar.target_end(bytes, end);
        (end, query.unwrap_or(late))
    }

    #[inline(always)]
    fn class_end<C: Class>(self, bytes: &[u8], at: usize) -> usize {
        let mut end = at;
        while end < bytes.len() {
            let Some((vector, skip)) = self.window(bytes, end) else { break };
            let outside = self.outside::<C>(vector) >> skip;
            if outside != 0 {
                return end + outside.trailing_zeros() as usize;
            }
            end += LANES - skip;
        }
        swar::Swar.class_end::<C>(bytes, end)
    }
}

/// The vector at `bytes[at..at + 32]`.
///
/// # Safety
///
/// `at + 32 <= bytes.len()`, and the machine has AVX2.
#[inline(always)]
unsafe fn load(bytes: &[u8], at: usize) -> __m256i {
    debug_assert!(at + LANES <= bytes.len());
    // SAFETY: the caller vouches for both; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) }
}

/// `bytes[at..at + N]`.
///
/// # Safety
///
/// `at + N <= bytes.len()`.
#[inline(always)]
unsafe fn peek<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    debug_assert!(at + N <= bytes.len());
    // SAFETY: the caller vouches for the range; an array of bytes has no alignment.
    unsafe { bytes.as_ptr().add(at).cast::<[u8; N]>().read() }
}

/// The high bit of each byte.
///
/// # Safety
///
/// The machine has AVX2.
#[inline(always)]
unsafe fn mask(vector: __m256i) -> u32 {
    // SAFETY: the caller vouches for AVX2.
    unsafe { _mm256_movemask_epi8(vector) }.cast_unsigned()
}
