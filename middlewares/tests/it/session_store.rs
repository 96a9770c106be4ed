//! The promises that every store has to keep. Each store's tests call [`keeps_its_promises`] with two clients of one store.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use corelane_middlewares::session::{MemoryStore, Saved, SessionStore, StoreKey};
use corelane_runtime::time;

const TTL: Duration = Duration::from_secs(60);

/// What is kept, and its version.
async fn kept(store: &impl SessionStore, key: &StoreKey) -> Option<(Vec<u8>, u64)> {
    let stored = store.load(key).await.unwrap()?;
    assert!(!stored.expires_in().is_zero(), "what has expired is absent");
    Some((stored.data().to_vec(), stored.version()))
}

pub(crate) async fn keeps_its_promises(one: &impl SessionStore, two: &impl SessionStore) {
    let key = StoreKey::of("a session");
    for (why, data, version, want) in [
        ("there is nothing to replace", &b"x"[..], Some(0), Saved::Gone),
        ("a new one", b"a\0\xff", None, Saved::Done),
        ("a new one where there is one", b"b", None, Saved::Conflict),
        ("over the version that was read", b"b", Some(0), Saved::Done),
        ("over a version that is past", b"c", Some(0), Saved::Conflict),
        ("over a version that is to come", b"c", Some(7), Saved::Conflict),
        ("nothing is data, too", b"", Some(1), Saved::Done),
        ("and can be replaced", b"d", Some(2), Saved::Done),
    ] {
        assert_eq!(one.save(&key, data.to_vec(), version, TTL).await.unwrap(), want, "{why}");
        if want == Saved::Done {
            let version = version.map_or(0, |version| version + 1);
            assert_eq!(kept(two, &key).await, Some((data.to_vec(), version)), "{why}");
        }
    }
    assert_eq!(kept(two, &StoreKey::of("another")).await, None);
    two.delete(&key).await.unwrap();
    two.delete(&key).await.unwrap();
    assert_eq!(kept(one, &key).await, None);
    assert_eq!(one.save(&key, b"e".to_vec(), Some(3), TTL).await.unwrap(), Saved::Gone, "it stays gone");
    assert!(!one.touch(&key, TTL).await.unwrap());

    // Of two that have read the same version one writes.
    one.save(&key, b"0".to_vec(), None, TTL).await.unwrap();
    for version in 0..50 {
        let first = one.save(&key, b"1".to_vec(), Some(version), TTL);
        let second = two.save(&key, b"2".to_vec(), Some(version), TTL);
        let (first, second) = both(first, second).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(
            matches!((first, second), (Saved::Done, Saved::Conflict) | (Saved::Conflict, Saved::Done)),
            "version {version}: {first:?}, {second:?}"
        );
    }

    // Time.
    let short = Duration::from_millis(80);
    let (gone, touched) = (StoreKey::of("gone"), StoreKey::of("touched"));
    one.save(&gone, b"x".to_vec(), None, short).await.unwrap();
    one.save(&touched, b"x".to_vec(), None, Duration::from_secs(5)).await.unwrap();
    assert!(two.touch(&touched, TTL).await.unwrap());
    time::sleep(2 * short).await;
    assert_eq!(kept(two, &gone).await, None);
    assert_eq!(one.save(&gone, b"y".to_vec(), Some(0), TTL).await.unwrap(), Saved::Gone);
    assert_eq!(kept(one, &touched).await, Some((b"x".to_vec(), 0)));
    let left = one.load(&touched).await.unwrap().unwrap().expires_in();
    assert!(left > TTL / 2 && left <= TTL, "{left:?}");
    let for_ever = StoreKey::of("for ever");
    assert_eq!(one.save(&for_ever, b"x".to_vec(), None, Duration::MAX).await.unwrap(), Saved::Done);
    assert!(one.touch(&for_ever, Duration::MAX).await.unwrap() && kept(two, &for_ever).await.is_some());
    for key in [key, touched, for_ever] {
        one.delete(&key).await.unwrap();
    }
}

/// Both at the same time.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    fn step<F: Future>(future: Pin<&mut F>, output: &mut Option<F::Output>, cx: &mut Context<'_>) {
        if output.is_none()
            && let Poll::Ready(ready) = future.poll(cx)
        {
            *output = Some(ready);
        }
    }
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        step(a.as_mut(), &mut first, cx);
        step(b.as_mut(), &mut second, cx);
        if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (first.unwrap(), second.unwrap())
}

#[test]
fn memory_keeps_them() {
    let store = MemoryStore::new();
    corelane_runtime::block_on(async { keeps_its_promises(&store, &store.clone()).await });
}
