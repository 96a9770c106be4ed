//! Leases against a plain vector, and the pool's books.

use std::io::Write as _;

use proptest::prelude::*;

use super::super::{Chunk, pool_stats, set_bytes_max};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Extend(Vec<u8>),
    Advance(usize),
    Truncate(usize),
    Compact,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..2000).prop_map(Step::Extend),
        2 => (0..3000usize).prop_map(Step::Advance),
        1 => (0..3000usize).prop_map(Step::Truncate),
        1 => Just(Step::Compact),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn a_lease_holds_what_a_vector_holds(steps in prop::collection::vec(step(), 1..40)) {
        let mut lease = Lease::take(LARGE_ENOUGH).unwrap();
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Step::Extend(bytes) => {
                    let fits = bytes.len() <= lease.spare_len();
                    prop_assert_eq!(lease.extend_from_slice(&bytes).is_ok(), fits);
                    if fits {
                        model.extend_from_slice(&bytes);
                    }
                }
                Step::Advance(n) => {
                    let n = n.min(model.len());
                    lease.advance(n);
                    model.drain(..n);
                }
                Step::Truncate(n) => {
                    lease.truncate(n);
                    model.truncate(n);
                }
                Step::Compact => {
                    lease.compact();
                    prop_assert_eq!(lease.spare_len(), lease.capacity() - model.len());
                }
                Step::Clear => {
                    lease.clear();
                    model.clear();
                }
            }
            prop_assert_eq!(&lease[..], &model[..]);
        }
    }

    #[test]
    fn the_books_balance(takes in prop::collection::vec((0..70_000usize, any::<bool>()), 1..60)) {
        let before = pool_stats();
        let mut held = Vec::new();
        let mut bytes = 0;
        for (capacity, keep) in takes {
            match Lease::take(capacity) {
                Ok(lease) => {
                    prop_assert!(lease.capacity() >= capacity);
                    if keep {
                        bytes += lease.capacity();
                        held.push(lease);
                    }
                }
                Err(refused) => prop_assert!(refused.is_too_large() && capacity > 64 * 1024),
            }
            prop_assert_eq!(pool_stats().bytes_in_use, before.bytes_in_use + bytes);
            prop_assert_eq!(pool_stats().leases_in_use, before.leases_in_use + held.len());
        }
        drop(held);
        prop_assert_eq!(pool_stats().bytes_in_use, before.bytes_in_use);
        prop_assert!(pool_stats().bytes_kept <= 3 * 1024 * 1024);
    }
}

const LARGE_ENOUGH: usize = 10_000;

#[test]
fn the_bound_refuses_and_recovers() {
    std::thread::spawn(|| {
        set_bytes_max(10_000);
        let first = Lease::take(1).unwrap();
        let _second = Lease::take(1).unwrap();
        let refused = Lease::take(1).unwrap_err();
        assert!(!refused.is_too_large());
        assert_eq!(pool_stats().refused, 1);
        drop(first);
        assert!(Lease::take(1).is_ok(), "room again");
    })
    .join()
    .unwrap();
}

#[test]
fn a_lease_dropped_elsewhere_is_counted_at_home() {
    let before = pool_stats();
    let lease = Lease::take(1).unwrap();
    assert_eq!(pool_stats().bytes_in_use, before.bytes_in_use + 4096);
    std::thread::spawn(move || drop(lease)).join().unwrap();
    assert_eq!(pool_stats().bytes_in_use, before.bytes_in_use);
    assert_eq!(pool_stats().leases_in_use, before.leases_in_use);
}

#[test]
fn a_lease_may_outlive_its_thread() {
    let mut lease = std::thread::spawn(|| Lease::take(1).unwrap()).join().unwrap();
    lease.extend_from_slice(b"still here").unwrap();
    assert_eq!(&lease[..], b"still here");
}

#[test]
fn views_share_and_give_back() {
    let before = pool_stats().leases_in_use;
    let mut lease = Lease::take(1).unwrap();
    lease.extend_from_slice(b"0123456789").unwrap();
    let view = lease.freeze();
    let mut tail = view.slice(5..);
    tail.advance(1);
    assert_eq!(&tail[..], b"6789");
    assert_eq!(&tail.slice(1..=2)[..], b"78");

    let copied = tail.clone().into_bytes();
    drop(view);
    let moved = tail.into_bytes();
    assert_eq!(copied, moved);
    assert_eq!(pool_stats().leases_in_use, before + 1, "the bytes made without a copy hold the lease");
    drop(moved);
    assert_eq!(pool_stats().leases_in_use, before);
    assert_eq!(&copied[..], b"6789", "the copy is independent");
}

#[test]
fn writing_stops_at_the_end() {
    let mut lease = Lease::take(4096).unwrap();
    assert_eq!(lease.write(&[7; 5000]).unwrap(), 4096);
    assert_eq!(lease.write(&[7]).unwrap(), 0);
    assert!(lease.write_all(b"x").is_err());
    lease.advance(4096);
    assert_eq!(lease.spare_len(), 4096, "an emptied lease is all room");
}

#[test]
fn every_chunk_derefs_to_its_bytes() {
    let lease = |text: &[u8]| {
        let mut lease = Lease::take(text.len()).unwrap();
        lease.extend_from_slice(text).unwrap();
        lease
    };
    for chunk in [
        Chunk::from(lease(b"same")),
        Chunk::from(lease(b"same").freeze()),
        Chunk::from(Bytes::from_static(b"same")),
        Chunk::from("same"),
        Chunk::from(b"same"),
        Chunk::from(b"same".to_vec()),
        Chunk::from(String::from("same")),
    ] {
        assert_eq!(&chunk[..], b"same", "{chunk:?}");
    }
}
