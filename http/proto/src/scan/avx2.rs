//! Thirty-two bytes in a vector.
//!
//! The ends of lines come from masks over whole blocks, which do not hang on where a line starts: the processor
//! works on the next block while it still takes apart the lines of this one. Searching each line's end from
//! its start was tried first; the chain of load, compare and count then bounds the speed, at 22 cycles a line.

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_add_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
};

use super::lines::{BLOCK, Block, LineEnds};
use super::{CommonRequest, Taken, trimmed};
use crate::class::{is_reg_name_byte, is_target_byte, is_token_byte};
use crate::head::{Field, Span};
use crate::name::{self, Name};

/// Bytes in one vector.
const LANES: usize = 32;

/// Proof that this machine has AVX2, BMI1 and BMI2: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, if it holds.
    pub(super) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has_all.then_some(Self(()))
    }

    /// See [`Kernel::take`](super::Kernel::take). Inputs shorter than a vector are left alone: the shortest
    /// request that HTTP/1.1 allows has 26 bytes, real ones have more.
    #[inline(always)]
    pub(super) fn take(self, bytes: &[u8], line: usize, room: &mut [Field]) -> Taken {
        debug_assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2"));
        if bytes.len() < LANES {
            return Taken { request: None, count: 0, line };
        }
        // SAFETY: `self` exists, so `detect` has seen the three features on this machine. The length was tested.
        unsafe { take(bytes, line, room) }
    }

    /// See [`Kernel::is_plain_authority`](super::Kernel::is_plain_authority).
    #[inline(always)]
    pub(super) fn is_plain_authority(self, bytes: &[u8], value: Span) -> bool {
        debug_assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2"));
        let (start, len) = (value.start(), value.len());
        if !(1..=LANES).contains(&len) || value.end() > bytes.len() || bytes.len() < LANES {
            return false;
        }
        // SAFETY: `self` exists, so `detect` has seen the three features on this machine. The rest was tested.
        unsafe { is_plain_authority(bytes, start, len) }
    }
}

/// What [`Avx2::is_plain_authority`] does, once it is known that it may.
///
/// # Safety
///
/// `bytes` holds a vector or more, and `len` bytes from `start` on, 1 to 32.
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn is_plain_authority(bytes: &[u8], start: usize, len: usize) -> bool {
    debug_assert!((1..=LANES).contains(&len) && start + len <= bytes.len());
    // SAFETY: `start` lies within the bytes, which hold a vector or more.
    let (window, skip) = unsafe { window(bytes, start) };
    let here = u32::MAX >> (LANES - len);
    let others = (outside(&REG_NAME, window) >> skip) & here;
    if others == 0 {
        return true;
    }
    let colon = others.trailing_zeros() as usize;
    // The ten digits are what a shift brings to the top of the signed range.
    let digits =
        _mm256_cmpgt_epi8(_mm256_add_epi8(window, _mm256_set1_epi8(127 - 57)), _mm256_set1_epi8(127 - 10));
    // Bits above the colon's.
    let port = here & !(others ^ (others - 1));
    // SAFETY: `colon` is less than `len`.
    let is_colon = unsafe { peek::<1>(bytes, start + colon) } == *b":";
    is_colon && colon > 0 && port & !(mask(digits) >> skip) == 0 && len - colon <= 5
}

/// What [`Avx2::take`] does, once it is known that it may.
///
/// # Safety
///
/// `bytes` holds a vector or more.
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn take(bytes: &[u8], mut line: usize, room: &mut [Field]) -> Taken {
    let mut ends = LineEnds::new(bytes, line);
    let last_window = bytes.len() - LANES;
    // SAFETY: the caller vouches for the length; `LineEnds` asks for blocks within the bytes.
    let block = |at| unsafe { block(bytes, at) };
    let mut request = None;
    if line == 0 {
        let Some(lf) = ends.next(block) else { return Taken { request, count: 0, line } };
        // SAFETY: the caller vouches for the length; `lf` lies within the bytes.
        request = unsafe { common_request(bytes, lf) };
        if request.is_none() {
            return Taken { request, count: 0, line };
        }
        line = lf + 1;
    }
    let len = room.len();
    let mut room = room.iter_mut();
    while let Some(lf) = ends.next(block) {
        // The blank line is for the caller, and no field is that short.
        if lf <= line + 1 {
            break;
        }
        // SAFETY: `line` is more than the LF before it, which lies within the bytes. LFs come in order, and each is
        // one of `bytes`. The test says the rest.
        let field = unsafe {
            if line <= last_window {
                field::<false>(bytes, line, lf, last_window)
            } else {
                field::<true>(bytes, line, lf, last_window)
            }
        };
        let Some(field) = field else { break };
        let Some(slot) = room.next() else { break };
        *slot = field;
        line = lf + 1;
    }
    Taken { request, count: len - room.len(), line }
}

/// The request line that ends with the LF at `lf` and holds printable bytes but for the one before that.
///
/// # Safety
///
/// `lf < bytes.len()`, and `bytes` holds a vector or more.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn common_request(bytes: &[u8], lf: usize) -> Option<CommonRequest> {
    const REST: usize = b" HTTP/1.1\r".len();
    if lf < b"GET / HTTP/1.1\r".len() {
        return None;
    }
    let end = lf - REST;
    // SAFETY: `lf` is at least 15 and within the bytes.
    let (first, version, cr) =
        unsafe { (peek::<5>(bytes, 0), peek::<9>(bytes, end), peek::<1>(bytes, lf - 1)) };
    let (is_post, start) = if first[..4] == *b"GET " {
        (false, 4)
    } else if first == *b"POST " {
        (true, 5)
    } else {
        return None;
    };
    if version != *b" HTTP/1.1" || cr != *b"\r" {
        return None;
    }
    let mut question = end;
    let mut at = start;
    while at < end {
        // SAFETY: `at` lies within the bytes, which hold a vector or more.
        let (window, skip) = unsafe { window(bytes, at) };
        // Bits of the target's bytes in this window.
        let here = u32::MAX >> (LANES - (end - at).min(LANES - skip));
        if (outside(&TARGET, window) >> skip) & here != 0 {
            return None;
        }
        let marks = (equal(window, b'?') >> skip) & here;
        if marks != 0 {
            question = question.min(at + marks.trailing_zeros() as usize);
        }
        at += LANES - skip;
    }
    // SAFETY: `start` is at most 5, and `lf` at least 15.
    let slash = unsafe { peek::<1>(bytes, start) };
    (slash == *b"/" && start < end).then_some(CommonRequest { is_post, start, question, end })
}

/// Takes apart the line from `start` to the LF at `lf`, all of whose bytes but the last two are printable.
/// `LAST` is true for lines that start behind `last_window`, the start of the last vector of `bytes`.
///
/// # Safety
///
/// `0 < start <= lf < bytes.len()`, `bytes[lf]` is an LF, `last_window + 32 == bytes.len()`, and
/// `start <= last_window` unless `LAST`.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn field<const LAST: bool>(
    bytes: &[u8],
    start: usize,
    lf: usize,
    last_window: usize,
) -> Option<Field> {
    debug_assert!(0 < start && start <= lf && bytes[lf] == b'\n' && (LAST || start <= last_window));
    let skip = if LAST { start - last_window } else { 0 };
    // SAFETY: `start - skip` is at most `last_window`.
    let window = unsafe { load(bytes, start - skip) };
    let len = (outside(&TOKEN, window) >> skip).trailing_zeros() as usize;
    let colon = start + len;
    // An LF is no token byte, so that a name which ends within the window ends at `lf` or before it.
    if !(3..LANES).contains(&len) || colon + 2 > lf {
        return None;
    }
    // SAFETY: `0 < start`, `start + 3 <= colon`, `colon + 2 <= lf` and `lf < bytes.len()`, so that all of these
    // lie within `bytes`.
    let (first, last, separator, value, end, cr) = unsafe {
        (
            peek::<4>(bytes, start),
            peek::<4>(bytes, colon - 4),
            peek::<2>(bytes, colon),
            peek::<1>(bytes, colon + 2)[0],
            peek::<1>(bytes, lf - 2)[0],
            peek::<1>(bytes, lf - 1)[0],
        )
    };
    if separator[0] != b':' || cr != b'\r' {
        return None;
    }
    // Nearly always one space stands before the value and none behind it. An empty value fails the test,
    // because then the CR stands in one of the places.
    let (value_start, value_end) = if separator == *b": " && value > b' ' && end > b' ' {
        (colon + 2, lf - 1)
    } else {
        trimmed(bytes, colon + 1, lf - 1)
    };
    // SAFETY: `skip` is 0, or `start` lies in the last window and `skip` is its distance from that window's start.
    let name = unsafe { known_name(window, skip, len, name::key(first, last)) };
    Some(Field { name, name_span: Span::between(start, colon), value: Span::between(value_start, value_end) })
}

/// The name that `window` holds from lane `skip` on, a token of `len` bytes, 3 to 31.
///
/// # Safety
///
/// `skip` is 32 or less.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn known_name(window: __m256i, skip: usize, len: usize, key: u64) -> Name {
    debug_assert!(skip + len < LANES);
    let Some((name, spelling)) = name::candidate(key, len) else { return Name::Other };
    // Zeros before the spelling bring its start to lane `skip`.
    // SAFETY: `skip` is 32 or less, and a spelling has 64 bytes.
    let spelling = unsafe { load(spelling, LANES - skip) };
    let equal = mask(_mm256_cmpeq_epi8(_mm256_or_si256(window, _mm256_set1_epi8(0x20)), spelling));
    // The lowest `len` bits of what remains.
    if !(equal >> skip) << (LANES - len) == 0 { name } else { Name::Other }
}

/// A set of printable bytes. By low nibble: bit `h` is set if the byte with high nibble `h` belongs to it.
struct Set([u8; 16]);

macro_rules! set {
    ($belongs:ident) => {{
        let mut set = [0; 16];
        let mut byte = 0x20_u8;
        while byte < 0x7f {
            set[(byte & 15) as usize] |= ($belongs(byte) as u8) << (byte >> 4);
            byte += 1;
        }
        Set(set)
    }};
}

static TOKEN: Set = set!(is_token_byte);
static TARGET: Set = set!(is_target_byte);
static REG_NAME: Set = set!(is_reg_name_byte);

/// Bits of the bytes of `vector` that are not in `set`.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn outside(set: &Set, vector: __m256i) -> u32 {
    // A shuffle by the low nibble gives the rows in which a byte of that nibble belongs to the set, and zero for bytes
    // from 0x80 on; a shuffle by the high nibble gives the bit of the byte's own row.
    const ROW: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: both loads read 16 bytes of an array of 16.
    let (set, row) =
        unsafe { (_mm_loadu_si128(set.0.as_ptr().cast()), _mm_loadu_si128(ROW.as_ptr().cast())) };
    let rows = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(set), vector);
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(vector), _mm256_set1_epi8(15));
    let own = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), high);
    mask(_mm256_cmpeq_epi8(_mm256_and_si256(rows, own), _mm256_setzero_si256()))
}

/// Bits of the bytes of `vector` that are `byte`.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn equal(vector: __m256i, byte: u8) -> u32 {
    mask(_mm256_cmpeq_epi8(vector, _mm256_set1_epi8(byte.cast_signed())))
}

/// Bits of the bytes of `vector` that are not from 0x20 to 0x7e.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn unprintable(vector: __m256i) -> u32 {
    // One more makes 0x7f negative, so that a single signed comparison sees both ends.
    let next = _mm256_add_epi8(vector, _mm256_set1_epi8(1));
    mask(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), next))
}

/// The high bit of each byte.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn mask(vector: __m256i) -> u32 {
    _mm256_movemask_epi8(vector).cast_unsigned()
}

/// The block at `at`, or what is left of it.
///
/// # Safety
///
/// `at < bytes.len()`, and `bytes` holds a vector or more.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn block(bytes: &[u8], at: usize) -> Block {
    debug_assert!(at < bytes.len() && bytes.len() >= LANES);
    if at + BLOCK <= bytes.len() {
        // SAFETY: the test says so.
        let (first, second) = unsafe { (load(bytes, at), load(bytes, at + LANES)) };
        return join(first, second, LANES);
    }
    // The last 64 bytes, or two vectors that overlap, without the bytes before `at`.
    let second_at = bytes.len() - LANES;
    let first_at = second_at.saturating_sub(LANES);
    // SAFETY: both are at most the length less 32.
    let (first, second) = unsafe { (load(bytes, first_at), load(bytes, second_at)) };
    let block = join(first, second, second_at - first_at);
    let skip = at - first_at;
    Block { lf: block.lf >> skip, other: block.other >> skip }
}

/// A block in two vectors of which the second starts `distance` bytes after the first, 32 or less.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn join(first: __m256i, second: __m256i, distance: usize) -> Block {
    let lf = u64::from(equal(first, b'\n')) | u64::from(equal(second, b'\n')) << distance;
    let unprintable = u64::from(unprintable(first)) | u64::from(unprintable(second)) << distance;
    Block { lf, other: unprintable & !lf }
}

/// The vector at `at`, or the last one and how many of its bytes stand before `at`.
///
/// # Safety
///
/// `at < bytes.len()`, and `bytes` holds a vector or more.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn window(bytes: &[u8], at: usize) -> (__m256i, usize) {
    let start = at.min(bytes.len() - LANES);
    // SAFETY: `start` is at most the length less 32.
    (unsafe { load(bytes, start) }, at - start)
}

/// The vector at `bytes[at..at + 32]`.
///
/// # Safety
///
/// `at + 32 <= bytes.len()`.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn load(bytes: &[u8], at: usize) -> __m256i {
    debug_assert!(at + LANES <= bytes.len());
    // SAFETY: the caller vouches for the range; the load asks for no alignment.
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
