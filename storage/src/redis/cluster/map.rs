//! The servers of a cluster, and which of them serves which slot.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::layout::{Range, SERVERS_MAX};
use crate::redis::config::{Config, Endpoint};
use crate::redis::exclusive::Target;
use crate::redis::node::Node;
use crate::redis::pool::Pool;
use crate::redis::proto::SLOTS;
use crate::redis::stats::Stats;
use crate::redis::transport::Encryption;

/// A server. It is connected to when it is first used.
pub(in crate::redis) struct Member {
    target: Target,
    node: OnceCell<Node>,
    pool: OnceCell<Rc<Pool>>,
}

impl Member {
    fn new(target: Target) -> Rc<Member> {
        Rc::new(Member { target, node: OnceCell::new(), pool: OnceCell::new() })
    }

    pub(in crate::redis) fn node(&self) -> &Node {
        self.node.get_or_init(|| Node::start(self.target.clone(), None))
    }

    /// Connections of one's own to it.
    pub(in crate::redis) fn pool(&self) -> &Rc<Pool> {
        self.pool.get_or_init(|| Pool::new(self.target.clone()))
    }

    pub(in crate::redis) fn endpoint(&self) -> &Endpoint {
        &self.target.endpoint
    }

    pub(in crate::redis) fn target(&self) -> &Target {
        &self.target
    }

    /// Its node, if it was used.
    pub(super) fn started(&self) -> Option<&Node> {
        self.node.get()
    }

    pub(super) fn is_away(&self) -> bool {
        self.node.get().is_some_and(Node::is_away)
    }

    pub(super) fn is_up(&self) -> bool {
        self.node.get().is_some_and(Node::is_up)
    }
}

/// A primary and its replicas.
pub(super) struct Shard {
    pub(super) primary: Rc<Member>,
    pub(super) replicas: Vec<Rc<Member>>,
    /// Whose turn it is among the replicas.
    turn: Cell<usize>,
}

impl Shard {
    /// The next replica that is not known to be away.
    pub(super) fn replica(&self) -> Option<&Rc<Member>> {
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        let count = self.replicas.len();
        (0..count).map(|n| &self.replicas[(turn % count + n) % count]).find(|replica| !replica.is_away())
    }
}

/// Nobody.
const NOBODY: u16 = u16::MAX;
const _: () = assert!(SERVERS_MAX < NOBODY as usize, "shards are counted in 16 bits");

/// What is known of a cluster. Part of it may be out of date at any time: the servers know better and say so.
pub(super) struct SlotMap {
    /// Invariant: at most [`SERVERS_MAX`].
    shards: Vec<Shard>,
    /// For each slot the number of its shard.
    owners: Box<[u16]>,
    turn: Cell<usize>,
}

impl SlotMap {
    /// The map of these ranges, with the members of `old` that are in them.
    pub(super) fn new(
        ranges: &[Range],
        old: Option<&SlotMap>,
        config: &Rc<Config>,
        encryption: &Encryption,
    ) -> SlotMap {
        let mut map = SlotMap {
            shards: Vec::new(),
            owners: vec![NOBODY; usize::from(SLOTS)].into(),
            turn: Cell::new(old.map_or(0, |old| old.turn.get())),
        };
        for range in ranges {
            let known = map.shards.iter().position(|shard| *shard.primary.endpoint() == range.primary);
            let shard = known.unwrap_or_else(|| {
                let find = |endpoint: &Endpoint| {
                    let known = old.and_then(|old| old.member(endpoint)).or_else(|| map.member(endpoint));
                    known.unwrap_or_else(|| create(endpoint, config, encryption))
                };
                let replicas = range.replicas.iter().map(find).collect();
                let shard = Shard { primary: find(&range.primary), replicas, turn: Cell::new(0) };
                map.shards.push(shard);
                map.shards.len() - 1
            });
            for owner in &mut map.owners[usize::from(range.first)..=usize::from(range.last)] {
                // Of overlapping ranges the first holds; the servers will correct it.
                if *owner == NOBODY {
                    *owner = number(shard);
                }
            }
        }
        map
    }

    /// Notes that a slot has moved.
    pub(super) fn moved(&mut self, slot: u16, to: &Rc<Member>) {
        if let Some(shard) = self.shard_of(to)
            && let Some(owner) = self.owners.get_mut(usize::from(slot))
        {
            *owner = number(shard);
        }
    }

    /// The shard of a primary, a new one without slots if there is none. `None` if there are as many as may be.
    pub(super) fn shard_of(&mut self, primary: &Rc<Member>) -> Option<usize> {
        let known = self.shards.iter().position(|shard| shard.primary.endpoint() == primary.endpoint());
        if known.is_none() && self.shards.len() < SERVERS_MAX {
            self.shards.push(Shard { primary: Rc::clone(primary), replicas: Vec::new(), turn: Cell::new(0) });
            return Some(self.shards.len() - 1);
        }
        known
    }

    #[inline]
    pub(super) fn shard(&self, slot: u16) -> Option<&Shard> {
        self.shards.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    /// Primaries in turn, those that are known to be away left out as long as there is another.
    pub(super) fn any(&self) -> Option<&Rc<Member>> {
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        let count = self.shards.len();
        let mut in_turn = (0..count).map(|n| &self.shards[(turn % count + n) % count].primary);
        let first = in_turn.next()?;
        if !first.is_away() {
            return Some(first);
        }
        in_turn.find(|member| !member.is_away()).or(Some(first))
    }

    /// Those that serve slots, each with the first of them.
    pub(super) fn primaries(&self) -> Vec<(u16, Rc<Member>)> {
        let mut seen = vec![false; self.shards.len()];
        let mut primaries = Vec::new();
        for (slot, &owner) in (0..).zip(&self.owners) {
            if let Some(seen) = seen.get_mut(usize::from(owner))
                && !std::mem::replace(seen, true)
            {
                primaries.push((slot, Rc::clone(&self.shards[usize::from(owner)].primary)));
            }
        }
        primaries
    }

    /// Everybody; some may come twice.
    pub(super) fn members(&self) -> impl Iterator<Item = &Rc<Member>> {
        self.shards.iter().flat_map(|shard| std::iter::once(&shard.primary).chain(&shard.replicas))
    }

    pub(super) fn member(&self, endpoint: &Endpoint) -> Option<Rc<Member>> {
        self.members().find(|member| member.endpoint() == endpoint).cloned()
    }

    /// True if every slot has the same primary in both, and the same replicas.
    pub(super) fn is_same(&self, other: &SlotMap) -> bool {
        let names = |shard: &Shard| -> Vec<Endpoint> {
            std::iter::once(&shard.primary).chain(&shard.replicas).map(|one| one.endpoint().clone()).collect()
        };
        let equal = self.shards.len() == other.shards.len()
            && self.shards.iter().zip(&other.shards).all(|(one, two)| names(one) == names(two));
        equal && self.owners == other.owners
    }

    /// Adds up what those of its members have done that are not in `next`.
    pub(super) fn retire(&self, next: &SlotMap, into: &mut Stats) {
        let mut seen: Vec<*const Member> = Vec::new();
        for member in self.members() {
            let is_new = !seen.contains(&Rc::as_ptr(member));
            if is_new && next.member(member.endpoint()).is_none() {
                seen.push(Rc::as_ptr(member));
                if let Some(node) = member.started() {
                    into.add(&node.stats());
                }
            }
        }
    }

    /// The nodes that were started, each once.
    pub(super) fn nodes(&self) -> Vec<&Node> {
        let mut members: Vec<&Rc<Member>> = self.members().collect();
        members.sort_by_key(|member| Rc::as_ptr(member));
        members.dedup_by_key(|member| Rc::as_ptr(member));
        members.into_iter().filter_map(|member| member.started()).collect()
    }
}

/// A server that was not known so far.
pub(super) fn create(endpoint: &Endpoint, config: &Rc<Config>, encryption: &Encryption) -> Rc<Member> {
    Member::new(Target::at(config, endpoint.clone(), encryption))
}

fn number(shard: usize) -> u16 {
    u16::try_from(shard).unwrap_or(NOBODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port: 1 }
    }

    fn range(first: u16, last: u16, primary: &str, replicas: &[&str]) -> Range {
        Range {
            first,
            last,
            primary: tcp(primary),
            replicas: replicas.iter().map(|host| tcp(host)).collect(),
        }
    }

    fn map(ranges: &[Range], old: Option<&SlotMap>) -> SlotMap {
        let config = Config::from_url("redis-cluster://seed").unwrap();
        SlotMap::new(ranges, old, &Rc::new(config), &Encryption::default())
    }

    fn owner(map: &SlotMap, slot: u16) -> Option<String> {
        map.shard(slot).map(|shard| shard.primary.endpoint().to_string())
    }

    #[test]
    fn slots_have_the_owner_that_was_named_first_or_none() {
        let map = map(&[range(0, 9, "a", &[]), range(5, 20, "b", &[]), range(30, 30, "a", &[])], None);
        for (slot, want) in [
            (0, Some("a:1")),
            (9, Some("a:1")),
            (10, Some("b:1")),
            (20, Some("b:1")),
            (21, None),
            (30, Some("a:1")),
            (16_383, None),
            (16_384, None),
            (u16::MAX, None),
        ] {
            assert_eq!(owner(&map, slot).as_deref(), want, "slot {slot}");
        }
        assert_eq!(map.primaries().len(), 2);
    }

    #[test]
    fn members_outlive_a_new_map_and_slots_move() {
        let first = map(&[range(0, 9, "a", &["c"]), range(10, 20, "b", &[])], None);
        let second = map(&[range(0, 9, "c", &["a"]), range(10, 20, "b", &[])], Some(&first));
        for host in ["a", "b", "c"] {
            let (one, two) = (first.member(&tcp(host)).unwrap(), second.member(&tcp(host)).unwrap());
            assert!(Rc::ptr_eq(&one, &two), "{host}");
        }
        assert!(!first.is_same(&second) && second.is_same(&second));
        let mut third = map(&[range(0, 20, "a", &[])], Some(&second));
        let (b, a) = (second.member(&tcp("b")).unwrap(), third.member(&tcp("a")).unwrap());
        third.moved(7, &b);
        assert_eq!(owner(&third, 7).as_deref(), Some("b:1"), "to a server that was not in the map");
        third.moved(7, &a);
        assert_eq!(owner(&third, 7).as_deref(), Some("a:1"));
        third.moved(16_384, &a);
        assert_eq!(third.primaries().len(), 1, "who serves nothing is no primary");
    }

    #[test]
    fn a_cluster_that_lies_about_new_servers_is_bounded() {
        let mut map = map(&[range(0, 9, "a", &[])], None);
        let config = Rc::new(Config::from_url("redis-cluster://seed").unwrap());
        for n in 0..SERVERS_MAX + 10 {
            map.moved(0, &create(&tcp(&n.to_string()), &config, &Encryption::default()));
        }
        assert_eq!(map.shards.len(), SERVERS_MAX);
    }
}
