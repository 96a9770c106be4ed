//! Commands to bytes.

use std::borrow::Cow;

use bytes::Bytes;
use smallvec::SmallVec;

/// Bytes of arguments that a command holds without an allocation: a name, a key and a short value.
const INLINE: usize = 96;

/// Which arguments are keys, without a list: the first one, and a regular row of others, as all of Redis' own commands
/// have them (`MGET k k k`, `MSET k v k v`, `ZUNIONSTORE k 2 k k`). Costs nothing where there is one key.
#[derive(Clone, Copy, Debug, Default)]
struct KeyPlaces {
    count: u32,
    first: u32,
    second: u32,
    /// From one to the next, from the second on.
    step: u32,
    last: u32,
}

impl KeyPlaces {
    #[inline]
    fn note(&mut self, place: u32) {
        match self.count {
            0 => self.first = place,
            1 => self.second = place,
            2 => self.step = place - self.last,
            // Not in the row: nobody else sends such a command, and the server still looks at this key.
            _ if place - self.last != self.step => return,
            _ => {}
        }
        self.last = place;
        self.count += 1;
    }

    fn contains(&self, place: u32) -> bool {
        match self.count {
            0 => false,
            1 => place == self.first,
            2 => place == self.first || place == self.second,
            _ => {
                place == self.first
                    || (self.second..=self.last).contains(&place)
                        && (place - self.second).is_multiple_of(self.step)
            }
        }
    }
}

/// A command, encoded while its arguments are added.
///
/// It is written by hand and not through redis-protocol's encoder, which wants each command as a
/// tree of frames on the heap first; the tests compare the two.
///
/// The first argument is taken for the key of most commands; [`key`](Self::key) says so where it is
/// another one.
///
/// ```
/// use corelane_storage_proto::resp::Command;
///
/// let command = Command::new("SET").key("counter").arg(42);
/// assert_eq!(command.first_key(), Some(&b"counter"[..]));
/// let mut out = Vec::new();
/// command.write_to(&mut out);
/// assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$7\r\ncounter\r\n$2\r\n42\r\n");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a command does nothing until it is sent"]
pub struct Command {
    /// Every argument so far as `$len`, bytes. Without the `*count` in front, which is known last.
    args: SmallVec<[u8; INLINE]>,
    count: u32,
    /// Where the first key's bytes are in `args`; empty and at 0 if there is none.
    key: (u32, u32),
    keys: KeyPlaces,
    read_only: bool,
    blocking: bool,
}

impl Command {
    /// A command of this name; of several words for commands that have them (`CLIENT INFO`).
    pub fn new(name: &str) -> Command {
        let mut command = Command {
            args: SmallVec::new(),
            count: 0,
            key: (0, 0),
            keys: KeyPlaces::default(),
            read_only: false,
            blocking: false,
        };
        for word in name.split(' ') {
            command.push(word.as_bytes());
        }
        command
    }

    /// Adds an argument, or several: see [`ToArg`].
    pub fn arg(mut self, arg: impl ToArg) -> Command {
        arg.write_arg(&mut self);
        self
    }

    /// Adds each argument of an iterator.
    pub fn args<A: ToArg>(mut self, args: impl IntoIterator<Item = A>) -> Command {
        for arg in args {
            arg.write_arg(&mut self);
        }
        self
    }

    /// Adds all arguments of another command, its name included.
    pub fn append(mut self, other: &Command) -> Command {
        self.args.extend_from_slice(&other.args);
        self.count += other.count;
        self
    }

    /// Adds an argument that is a key. In a cluster the first one decides which node gets the command, and the others
    /// must be in the same slot.
    pub fn key(mut self, key: impl ToArg) -> Command {
        let before = self.count;
        let start = self.args.len();
        key.write_arg(&mut self);
        if self.key.0 == 0 && self.count > before {
            // The bytes stand behind the `$len` line of their own.
            let line = memchr::memchr(b'\n', &self.args[start..]).unwrap_or(0);
            let first = start + line + 1;
            let len = length_of(&self.args[start..]);
            self.key = (offset(first), offset(first + len));
        }
        for place in before..self.count {
            self.keys.note(place);
        }
        self
    }

    /// Says that the command changes nothing, so that it may be sent again if it was lost, and to a
    /// replica.
    pub fn read_only(mut self) -> Command {
        self.read_only = true;
        self
    }

    /// Says that the server may keep the connection waiting for it (`BLPOP`), so that it is sent on one
    /// of its own.
    pub fn blocking(mut self) -> Command {
        self.blocking = true;
        self
    }

    /// Appends one argument of these bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.args.reserve(bytes.len() + 16);
        let mut digits = itoa::Buffer::new();
        self.args.push(b'$');
        if bytes.len() < 10 {
            #[expect(clippy::cast_possible_truncation, reason = "one digit")]
            self.args.push(b'0' + bytes.len() as u8);
        } else {
            self.args.extend_from_slice(digits.format(bytes.len()).as_bytes());
        }
        self.args.extend_from_slice(b"\r\n");
        self.args.extend_from_slice(bytes);
        self.args.extend_from_slice(b"\r\n");
        self.count += 1;
    }

    /// Bytes that [`write_to`](Self::write_to) appends at most.
    #[inline]
    pub fn encoded_len_max(&self) -> usize {
        // `*`, ten digits, CR LF.
        self.args.len() + 13
    }

    /// Appends the command to `out`.
    #[inline]
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len_max());
        self.pieces(|piece| out.extend_from_slice(piece));
    }

    /// Gives the encoded command in pieces, in order.
    #[inline]
    pub fn pieces(&self, mut take: impl FnMut(&[u8])) {
        if self.count < 10 {
            #[expect(clippy::cast_possible_truncation, reason = "one digit")]
            take(&[b'*', b'0' + self.count as u8, b'\r', b'\n']);
        } else {
            let mut digits = itoa::Buffer::new();
            take(b"*");
            take(digits.format(self.count).as_bytes());
            take(b"\r\n");
        }
        take(&self.args);
    }

    /// The first key, if one was named by [`key`](Self::key).
    pub fn first_key(&self) -> Option<&[u8]> {
        (self.key.0 > 0).then(|| &self.args[self.key.0 as usize..self.key.1 as usize])
    }

    /// The keys that were named by [`key`](Self::key), in order. From the third on only those are found that stand as far
    /// apart as the second and the third.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let keys = self.keys;
        (0..).zip(self.arguments()).filter(move |(place, _)| keys.contains(*place)).map(|(_, key)| key)
    }

    /// All arguments in order, the name included.
    ///
    /// ```
    /// use corelane_storage_proto::resp::Command;
    ///
    /// let command = Command::new("MSET").key("a").arg(1).key("b").arg(2);
    /// assert!(command.arguments().eq(["MSET", "a", "1", "b", "2"].map(str::as_bytes)));
    /// assert!(command.keys().eq(["a", "b"].map(str::as_bytes)));
    /// ```
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.args[..];
        std::iter::from_fn(move || {
            let line = memchr::memchr(b'\n', rest)?;
            let (argument, after) = rest[line + 1..].split_at(length_of(rest));
            // CR LF.
            rest = &after[2..];
            Some(argument)
        })
    }

    /// The name: its first word.
    pub fn name(&self) -> &[u8] {
        let start = memchr::memchr(b'\n', &self.args).map_or(0, |at| at + 1);
        &self.args[start..start + length_of(&self.args)]
    }

    /// See [`read_only`](Self::read_only).
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// See [`blocking`](Self::blocking).
    pub fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// Arguments so far, the name included.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Always false: a command has a name.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// The length that a `$len` line at the front says.
fn length_of(args: &[u8]) -> usize {
    args.iter()
        .skip(1)
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |n, digit| n * 10 + usize::from(digit - b'0'))
}

/// Offsets are kept in 32 bits: a command of 4 GiB would be refused by any server (`proto-max-bulk-len`).
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What can be an argument of a command: strings, bytes and numbers are one, tuples and slices several, `None` is
/// none.
///
/// ```
/// use corelane_storage_proto::resp::Command;
///
/// let fields = [("name", "Ada"), ("year", "1815")];
/// let command = Command::new("HSET").key("user:1").args(fields);
/// assert_eq!(command.len(), 6);
/// ```
pub trait ToArg {
    /// Appends this to `command`.
    fn write_arg(&self, command: &mut Command);
}

impl<T: ToArg + ?Sized> ToArg for &T {
    #[inline]
    fn write_arg(&self, command: &mut Command) {
        (**self).write_arg(command);
    }
}

macro_rules! bytes_args {
    ($($type:ty),*) => {$(
        impl ToArg for $type {
            #[inline]
            fn write_arg(&self, command: &mut Command) {
                command.push(self.as_ref());
            }
        }
    )*};
}

// `[u8]`, not `[T]`: a byte slice is one argument, and slices of other things are given to `args`.
bytes_args!(str, String, [u8], Vec<u8>, Bytes);

impl<T: ToArg + ToOwned + ?Sized> ToArg for Cow<'_, T> {
    fn write_arg(&self, command: &mut Command) {
        (**self).write_arg(command);
    }
}

impl<const N: usize> ToArg for [u8; N] {
    #[inline]
    fn write_arg(&self, command: &mut Command) {
        command.push(self);
    }
}

macro_rules! integer_args {
    ($($type:ty),*) => {$(
        impl ToArg for $type {
            #[inline]
            fn write_arg(&self, command: &mut Command) {
                command.push(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )*};
}

integer_args!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! float_args {
    ($($type:ty),*) => {$(
        /// Infinities are written as Redis reads them, `inf` and `-inf`.
        impl ToArg for $type {
            fn write_arg(&self, command: &mut Command) {
                if self.is_finite() {
                    command.push(ryu::Buffer::new().format_finite(*self).as_bytes());
                } else if self.is_nan() {
                    command.push(b"nan");
                } else {
                    command.push(if *self > 0.0 { b"inf" } else { b"-inf" });
                }
            }
        }
    )*};
}

float_args!(f32, f64);

impl<T: ToArg> ToArg for Option<T> {
    fn write_arg(&self, command: &mut Command) {
        if let Some(arg) = self {
            arg.write_arg(command);
        }
    }
}

impl ToArg for () {
    fn write_arg(&self, _command: &mut Command) {}
}

macro_rules! tuple_args {
    ($($name:ident),*) => {
        impl<$($name: ToArg),*> ToArg for ($($name,)*) {
            fn write_arg(&self, command: &mut Command) {
                #[allow(non_snake_case, reason = "a type's name serves as its value's")]
                let ($($name,)*) = self;
                $($name.write_arg(command);)*
            }
        }
    };
}

tuple_args!(A, B);
tuple_args!(A, B, C);
tuple_args!(A, B, C, D);
