//! Which servers a command concerns, and how the replies of several become one. No I/O happens here.

use std::collections::BTreeMap;

use crate::redis::error::Kind;
use crate::redis::proto::{Command, ErrorReply, Value, key_slot};

/// Where a command goes.
#[derive(Debug)]
pub(super) enum Way {
    /// To whoever serves the slot.
    Slot(u16),
    /// To some primary: it has no keys.
    Any,
    /// To every primary.
    Every(Merge),
    /// In parts, each to whoever serves its slot.
    Split(Vec<(u16, Command)>, Merge),
}

/// How replies become one. An error among them is the reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// The first.
    First,
    /// Their sum.
    Sum,
    /// All their elements.
    Concat,
    /// Lists of 0 and 1, with 1 where all of them have it.
    All,
    /// Elements, each at the place that its key had. In the order of the parts.
    Places(Vec<usize>),
}

impl Way {
    /// Where `command` goes.
    ///
    /// # Errors
    /// If its keys are in different slots and it cannot be split, or if it makes no sense on a server of our choice.
    pub(super) fn of(command: &Command) -> Result<Way, Kind> {
        let mut keys = command.keys();
        let Some(first) = keys.next() else { return Way::unmarked(command, &Name::of(command)) };
        let slot = key_slot(first);
        if keys.all(|key| key_slot(key) == slot) {
            return Ok(Way::Slot(slot));
        }
        split(command, &Name::of(command)).ok_or(Kind::CrossSlot)
    }

    /// A command whose keys the caller did not name: by what Redis' own commands have.
    fn unmarked(command: &Command, name: &Name) -> Result<Way, Kind> {
        let argument = |n: usize| command.arguments().nth(n);
        let counted = |n: usize| match argument(n) {
            Some(b"0") => None,
            _ => argument(n + 1),
        };
        let key = match name.as_str() {
            "DBSIZE" => return Ok(Way::Every(Merge::Sum)),
            "KEYS" => return Ok(Way::Every(Merge::Concat)),
            "FLUSHDB" | "FLUSHALL" => return Ok(Way::Every(Merge::First)),
            "SCRIPT" | "FUNCTION" => return Ok(programs(argument(1))),
            "SCAN" => {
                return Err(Kind::Misuse("a cursor belongs to one server of the cluster: use `Redis::scan`"));
            }
            "MGET" | "DEL" | "UNLINK" | "EXISTS" | "TOUCH" => {
                let mut slots = command.arguments().skip(1).map(key_slot);
                let first = slots.next();
                return match first {
                    Some(slot) if slots.any(|other| other != slot) => {
                        split(command, name).ok_or(Kind::CrossSlot)
                    }
                    Some(slot) => Ok(Way::Slot(slot)),
                    None => Ok(Way::Any),
                };
            }
            name if KEYLESS.contains(&name) => None,
            "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" | "BLMPOP" | "BZMPOP" => {
                counted(2)
            }
            "ZUNION" | "ZINTER" | "ZDIFF" | "ZINTERCARD" | "SINTERCARD" | "LMPOP" | "ZMPOP" => counted(1),
            "XREAD" | "XREADGROUP" => {
                let mut from_streams =
                    command.arguments().skip_while(|word| !word.eq_ignore_ascii_case(b"STREAMS"));
                from_streams.nth(1)
            }
            "OBJECT" | "XINFO" | "XGROUP" | "MEMORY" | "BITOP" => argument(2),
            "MIGRATE" => argument(3),
            _ => argument(1),
        };
        Ok(key.map_or(Way::Any, |key| Way::Slot(key_slot(key))))
    }
}

/// Commands without keys that go to some primary. Sorted.
const KEYLESS: &[&str] = &[
    "ACL",
    "ASKING",
    "AUTH",
    "BGREWRITEAOF",
    "BGSAVE",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "CONFIG",
    "DEBUG",
    "DISCARD",
    "ECHO",
    "EXEC",
    "FAILOVER",
    "HELLO",
    "INFO",
    "LASTSAVE",
    "LATENCY",
    "LOLWUT",
    "MODULE",
    "MONITOR",
    "MULTI",
    "PING",
    "PSUBSCRIBE",
    "PUBLISH",
    "PUBSUB",
    "PUNSUBSCRIBE",
    "QUIT",
    "RANDOMKEY",
    "READONLY",
    "READWRITE",
    "REPLICAOF",
    "RESET",
    "ROLE",
    "SAVE",
    "SELECT",
    "SHUTDOWN",
    "SLAVEOF",
    "SLOWLOG",
    "SUBSCRIBE",
    "SWAPDB",
    "TIME",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WAIT",
];

/// Scripts and functions live on every primary.
fn programs(subcommand: Option<&[u8]>) -> Way {
    let subcommand = subcommand.unwrap_or_default().to_ascii_uppercase();
    match &subcommand[..] {
        b"LOAD" | b"FLUSH" | b"DELETE" | b"RESTORE" => Way::Every(Merge::First),
        b"EXISTS" => Way::Every(Merge::All),
        _ => Way::Any,
    }
}

/// The parts of a command that means the same for each key alone.
fn split(command: &Command, name: &Name) -> Option<Way> {
    let is_list = match name.as_str() {
        "MGET" => true,
        "DEL" | "UNLINK" | "EXISTS" | "TOUCH" => false,
        _ => return None,
    };
    // By slot, with the places of its keys. Slots in order, which keeps the parts of one server together.
    let mut parts: BTreeMap<u16, (Command, Vec<usize>)> = BTreeMap::new();
    for (place, key) in command.arguments().skip(1).enumerate() {
        let (part, places) = parts.entry(key_slot(key)).or_insert_with(|| {
            let part = Command::new(name.as_str());
            (if command.is_read_only() { part.read_only() } else { part }, Vec::new())
        });
        *part = std::mem::replace(part, Command::new("")).key(key);
        places.push(place);
    }
    let mut all_places = Vec::with_capacity(command.len());
    let parts = parts.into_iter().map(|(slot, (part, places))| {
        all_places.extend(places);
        (slot, part)
    });
    let parts = parts.collect();
    Some(Way::Split(parts, if is_list { Merge::Places(all_places) } else { Merge::Sum }))
}

/// A command's name in capitals.
struct Name {
    bytes: [u8; 16],
    len: usize,
}

impl Name {
    fn of(command: &Command) -> Name {
        let mut name = Name { bytes: [0; 16], len: 0 };
        // Longer than any name that is asked for here; cut off, it is none of them.
        for (to, from) in name.bytes.iter_mut().zip(command.name()) {
            *to = from.to_ascii_uppercase();
            name.len += 1;
        }
        name
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Merge {
    /// One of several, in the order they were sent. What does not fit together is an error that says so.
    pub(super) fn merge(&self, replies: Vec<Value>) -> Value {
        if let Some(error) = replies.iter().find(|reply| matches!(reply, Value::Error(_))) {
            return error.clone();
        }
        let merged = match self {
            Merge::First => replies.into_iter().next(),
            Merge::Sum => replies
                .iter()
                .try_fold(0i64, |sum, reply| match reply {
                    Value::Int(n) => sum.checked_add(*n),
                    _ => None,
                })
                .map(Value::Int),
            Merge::Concat => lists(replies).map(|lists| Value::Array(lists.concat())),
            Merge::All => lists(replies).and_then(|lists| {
                let mut lists = lists.into_iter();
                let mut all = lists.next()?;
                for list in lists {
                    for (all, one) in all.iter_mut().zip(list) {
                        if one == Value::Int(0) {
                            *all = one;
                        }
                    }
                }
                Some(Value::Array(all))
            }),
            Merge::Places(places) => lists(replies).and_then(|lists| placed(places, lists)),
        };
        let misfit =
            || Value::Error(ErrorReply::new("ERR the replies of several servers do not fit together"));
        merged.unwrap_or_else(misfit)
    }
}

fn lists(replies: Vec<Value>) -> Option<Vec<Vec<Value>>> {
    let list = |reply| match reply {
        Value::Array(list) | Value::Set(list) => Some(list),
        _ => None,
    };
    replies.into_iter().map(list).collect()
}

/// `None` if there is not exactly one element for each place.
fn placed(places: &[usize], lists: Vec<Vec<Value>>) -> Option<Value> {
    let mut values = vec![Value::Null; places.len()];
    let mut elements = lists.into_iter().flatten();
    for &place in places {
        *values.get_mut(place)? = elements.next()?;
    }
    elements.next().is_none().then_some(Value::Array(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(command: Command) -> String {
        match Way::of(&command) {
            Ok(Way::Slot(slot)) if slot == key_slot(b"k") => "k".to_owned(),
            Ok(Way::Slot(slot)) => format!("slot {slot}"),
            Ok(Way::Any) => "any".to_owned(),
            Ok(Way::Every(merge)) => format!("{merge:?}"),
            Ok(Way::Split(parts, merge)) => format!("{} parts, {merge:?}", parts.len()),
            Err(Kind::CrossSlot) => "cross".to_owned(),
            Err(Kind::Misuse(_)) => "misuse".to_owned(),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn each_command_goes_where_its_keys_are() {
        let cmd = Command::new;
        for (command, want) in [
            (cmd("GET").key("k"), "k"),
            (cmd("LMOVE").key("k").key("{k}2").arg("LEFT"), "k"),
            (cmd("LMOVE").key("k").key("l").arg("LEFT"), "cross"),
            (cmd("ZUNIONSTORE").key("k").arg(2).key("{k}1").key("l"), "cross"),
            (cmd("EVAL").arg("return 1").arg(2).key("k").key("l"), "cross"),
            (cmd("EVAL").arg("return 1").arg(0), "any"),
            (cmd("evalsha").arg("abc").arg(1).arg("k").arg("x"), "k"),
            (cmd("MGET").key("k").key("{k}1"), "k"),
            (cmd("MGET").key("k").key("l").key("k"), "2 parts, Places([0, 2, 1])"),
            (cmd("mget").arg("k").arg("k"), "k"),
            (cmd("mget").arg("k").arg("l"), "2 parts, Places([0, 1])"),
            (cmd("DEL").key("k").key("l"), "2 parts, Sum"),
            (cmd("UNLINK").key("k").key("l"), "2 parts, Sum"),
            (cmd("EXISTS").key("k").key("l"), "2 parts, Sum"),
            (cmd("TOUCH").key("k").key("l"), "2 parts, Sum"),
            (cmd("MSET").key("k").arg(1).key("l").arg(2), "cross"),
            (cmd("SINTER").key("k").key("l"), "cross"),
            (cmd("GET").arg("k"), "k"),
            (cmd("OBJECT ENCODING").arg("k"), "k"),
            (cmd("XREAD").arg("COUNT").arg(1).arg("streams").arg("k").arg("$"), "k"),
            (cmd("ZUNION").arg(1).arg("k"), "k"),
            (cmd("BLMPOP").arg(0.5).arg(1).arg("k").arg("LEFT"), "k"),
            (cmd("SPUBLISH").arg("k").arg("news"), "k"),
            (cmd("PUBLISH").arg("k").arg("news"), "any"),
            (cmd("PING"), "any"),
            (cmd("ping").arg("k"), "any"),
            (cmd("CLIENT INFO"), "any"),
            (cmd("A_NAME_LONGER_THAN_ANY").arg("k"), "k"),
            (cmd("DBSIZE"), "Sum"),
            (cmd("FLUSHALL"), "First"),
            (cmd("KEYS").arg("*"), "Concat"),
            (cmd("SCRIPT LOAD").arg("return 1"), "First"),
            (cmd("SCRIPT EXISTS").arg("abc"), "All"),
            (cmd("SCRIPT KILL"), "any"),
            (cmd("FUNCTION").arg("load").arg("…"), "First"),
            (cmd("FUNCTION LIST"), "any"),
            (cmd("SCAN").arg(0), "misuse"),
        ] {
            assert_eq!(way(command.clone()), want, "{command:?}");
        }
        assert!(KEYLESS.is_sorted());
    }

    #[test]
    fn replies_become_one() {
        let int = Value::Int;
        let list = |values: &[i64]| Value::Array(values.iter().copied().map(Value::Int).collect());
        for (why, merge, replies, want) in [
            ("sum", Merge::Sum, vec![int(1), int(0), int(2)], Some(int(3))),
            ("no sum", Merge::Sum, vec![int(1), Value::Null], None),
            ("too large a sum", Merge::Sum, vec![int(i64::MAX), int(1)], None),
            ("first", Merge::First, vec![int(1), int(2)], Some(int(1))),
            ("nothing", Merge::First, vec![], None),
            ("all", Merge::All, vec![list(&[1, 1, 0]), list(&[1, 0, 1])], Some(list(&[1, 0, 0]))),
            ("all elements", Merge::Concat, vec![list(&[1]), list(&[]), list(&[2])], Some(list(&[1, 2]))),
            ("places", Merge::Places(vec![2, 0, 1]), vec![list(&[7]), list(&[8, 9])], Some(list(&[8, 9, 7]))),
            ("too few", Merge::Places(vec![2, 0, 1]), vec![list(&[7]), list(&[8])], None),
            ("too many", Merge::Places(vec![0]), vec![list(&[7, 8])], None),
        ] {
            let got = merge.merge(replies);
            match want {
                Some(want) => assert_eq!(got, want, "{why}"),
                None => assert!(matches!(got, Value::Error(_)), "{why}"),
            }
        }
        let error = Value::Error(ErrorReply::new("NOPERM"));
        assert_eq!(Merge::Sum.merge(vec![int(1), error.clone()]), error);
    }
}
