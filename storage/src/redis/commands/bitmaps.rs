//! [Bitmaps](https://redis.io/docs/latest/commands/?group=bitmap).

use super::each_key;
use crate::redis::{Call, Redis, ToArg, cmd};

/// How bits are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOp {
    /// Set in all.
    And,
    /// Set in any.
    Or,
    /// Set in an odd number.
    Xor,
    /// Not set; of one key.
    Not,
}

impl BitOp {
    fn word(self) -> &'static str {
        match self {
            BitOp::And => "AND",
            BitOp::Or => "OR",
            BitOp::Xor => "XOR",
            BitOp::Not => "NOT",
        }
    }
}

/// # Bitmaps
impl Redis {
    /// [`SETBIT`](https://redis.io/docs/latest/commands/setbit/): sets one bit; what it was.
    pub fn setbit(&self, key: impl ToArg, offset: u64, bit: bool) -> Call<'_, bool> {
        self.run(cmd("SETBIT").key(key).arg(offset).arg(u8::from(bit)))
    }

    /// [`GETBIT`](https://redis.io/docs/latest/commands/getbit/): one bit; false beyond the end.
    pub fn getbit(&self, key: impl ToArg, offset: u64) -> Call<'_, bool> {
        self.run(cmd("GETBIT").key(key).arg(offset).read_only())
    }

    /// [`BITCOUNT`](https://redis.io/docs/latest/commands/bitcount/): how many bits are set.
    pub fn bitcount(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("BITCOUNT").key(key).read_only())
    }

    /// [`BITCOUNT`](https://redis.io/docs/latest/commands/bitcount/): how many bits are set in bytes `start` to `end`, both included; negative ones count from the end.
    pub fn bitcount_range(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, u64> {
        self.run(cmd("BITCOUNT").key(key).arg(start).arg(end).read_only())
    }

    /// [`BITPOS`](https://redis.io/docs/latest/commands/bitpos/): the first bit that is `bit`; -1 if there is none.
    pub fn bitpos(&self, key: impl ToArg, bit: bool) -> Call<'_, i64> {
        self.run(cmd("BITPOS").key(key).arg(u8::from(bit)).read_only())
    }

    /// [`BITOP`](https://redis.io/docs/latest/commands/bitop/): stores the bits of several keys combined; the length in bytes.
    pub fn bitop(
        &self,
        operation: BitOp,
        to: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<'_, u64> {
        self.run(each_key(cmd("BITOP").arg(operation.word()).key(to), keys))
    }
}
