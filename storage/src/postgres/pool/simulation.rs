//! The pool over connections that are only pretended: random callers, drops, deaths and outages, from a seed that is printed.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use corelane_runtime as runtime;
use corelane_runtime::time;

use super::link::{Link, LinkError, Source};
use super::{Budget, PoolConfig, PoolHandle, Refusal, Reset, Want};

/// What all connections of a test share.
#[derive(Default)]
struct World {
    random: Cell<u64>,
    is_away: Cell<bool>,
    /// Time an opening takes at most, in milliseconds.
    open_ms_max: Cell<u64>,
    live: RefCell<Vec<Rc<Wire>>>,
    most: Cell<usize>,
    opened: Cell<usize>,
    resets: Cell<usize>,
}

/// The server's end of a connection.
#[derive(Default)]
struct Wire {
    is_dead: Cell<bool>,
    /// The network has forgotten it: it looks alive, and nothing answers.
    is_deaf: Cell<bool>,
    users: Cell<usize>,
    is_exclusive: Cell<bool>,
    is_unfinished: Cell<bool>,
    is_touched: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Wire {
    fn end(&self) {
        self.is_dead.set(true);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

impl World {
    fn new(seed: u64) -> Rc<World> {
        let world = World::default();
        world.random.set(seed);
        Rc::new(world)
    }

    fn below(&self, n: u64) -> u64 {
        // splitmix64.
        self.random.set(self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.random.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn some(&self, n: u64) -> usize {
        usize::try_from(self.below(n)).unwrap()
    }

    fn alive(&self) -> usize {
        self.live.borrow_mut().retain(|wire| !wire.is_dead.get());
        self.live.borrow().len()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble(&'static str);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl LinkError for Trouble {
    fn is_absent(&self) -> bool {
        true
    }
}

struct Pretended {
    wire: Rc<Wire>,
    world: Rc<World>,
}

impl Link for Pretended {
    type Error = Trouble;

    fn is_fit(&self) -> bool {
        !self.wire.is_dead.get()
    }

    fn is_clean(&self) -> bool {
        self.is_fit() && !self.wire.is_unfinished.get()
    }

    fn pending(&self) -> usize {
        self.wire.users.get()
    }

    fn needs_reset(&self) -> bool {
        self.wire.is_touched.get()
    }

    async fn check(&self) -> Result<(), Trouble> {
        runtime::yield_now().await;
        if self.wire.is_deaf.get() {
            std::future::pending::<()>().await;
        }
        if self.is_fit() { Ok(()) } else { Err(Trouble("dead")) }
    }

    async fn reset(&self) -> Result<(), Trouble> {
        self.check().await?;
        self.wire.is_touched.set(false);
        self.world.resets.set(self.world.resets.get() + 1);
        Ok(())
    }

    fn close(&self) {
        self.wire.end();
    }

    fn ended(&self) -> impl Future<Output = Trouble> + 'static {
        let wire = Rc::clone(&self.wire);
        poll_fn(move |cx| {
            if wire.is_dead.get() {
                return Poll::Ready(Trouble("dead"));
            }
            wire.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
    }
}

struct Server(Rc<World>);

impl Source for Server {
    type Link = Pretended;

    async fn open(&self) -> Result<Pretended, Trouble> {
        let world = &self.0;
        if world.open_ms_max.get() > 0 {
            time::sleep(Duration::from_millis(world.below(world.open_ms_max.get()))).await;
        }
        if world.is_away.get() {
            return Err(Trouble("away"));
        }
        let wire = Rc::new(Wire::default());
        world.live.borrow_mut().push(Rc::clone(&wire));
        world.opened.set(world.opened.get() + 1);
        world.most.set(world.most.get().max(world.alive()));
        Ok(Pretended { wire, world: Rc::clone(world) })
    }
}

fn config(max: usize) -> PoolConfig {
    PoolConfig { max, acquire_timeout: Duration::from_secs(60), ..PoolConfig::default() }
}

fn pool(world: &Rc<World>, config: PoolConfig) -> Rc<PoolHandle<Server>> {
    Rc::new(PoolHandle::start(Server(Rc::clone(world)), config, None))
}

/// Uses a connection for a while; fails the test if somebody else does what they must not meanwhile.
async fn use_it(world: &World, wire: &Wire, want: Want) {
    assert!(!wire.is_exclusive.get(), "somebody has it for themselves");
    assert!(!wire.is_unfinished.get(), "it was handed on with something unfinished");
    assert!(!wire.is_touched.get(), "it was handed on without a reset");
    wire.users.set(wire.users.get() + 1);
    if want == Want::Exclusive {
        assert_eq!(wire.users.get(), 1, "others use it");
        wire.is_exclusive.set(true);
    }
    match world.below(4) {
        0 => time::sleep(Duration::from_millis(1)).await,
        1 => {}
        _ => runtime::yield_now().await,
    }
    wire.is_exclusive.set(false);
    wire.users.set(wire.users.get() - 1);
}

/// Polls `future` up to `polls` times, once a turn of the core; then drops it.
async fn poll_at_most<F: Future>(future: F, polls: u64) -> Option<F::Output> {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await {
            return Some(output);
        }
        runtime::yield_now().await;
    }
    None
}

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        time::sleep(Duration::from_millis(1)).await;
    }
    panic!("waited in vain for: {what}");
}

/// More with `PG_POOL_ROUNDS`; one that failed again with `PG_POOL_SEED`.
#[test]
fn nobody_is_forgotten_whatever_happens() {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().unwrap());
    let rounds = number("PG_POOL_ROUNDS").unwrap_or(4);
    for round in 0..rounds {
        let seed = number("PG_POOL_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 1000 + round);
        println!("PG_POOL_SEED={seed}");
        runtime::block_on(async move {
            time::timeout(Duration::from_secs(60), storm(seed)).await.expect("somebody waits for ever");
        });
    }
}

async fn storm(seed: u64) {
    let world = World::new(seed);
    world.open_ms_max.set(world.below(4));
    let mut config = config(1 + world.some(6));
    config.min = world.some(3);
    config.shared_max = 1 + world.some(4);
    config.pipeline_max = 1 + world.some(20);
    config.lifetime = Duration::from_millis(20 + world.below(200));
    config.idle_timeout = Duration::from_millis(1 + world.below(50));
    config.check_after = Duration::from_millis(world.below(5));
    config.check_timeout = Duration::from_millis(5);
    let max = config.max;
    let pool = pool(&world, config);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (world, pool) = (Rc::clone(&world), Rc::clone(&pool));
            runtime::spawn(async move {
                for _ in 0..20 {
                    one(&world, &pool).await;
                }
            })
        })
        .collect();
    let trouble = runtime::spawn({
        let (world, pool) = (Rc::clone(&world), Rc::clone(&pool));
        async move {
            for _ in 0..20 {
                time::sleep(Duration::from_millis(world.below(10))).await;
                world.alive();
                let live = world.live.borrow().clone();
                if let Some(wire) = live.get(world.some(8)) {
                    if world.below(2) == 0 { wire.end() } else { wire.is_deaf.set(true) }
                }
                world.is_away.set(world.below(4) == 0);
            }
            world.is_away.set(false);
            drop(pool);
        }
    });
    for task in tasks {
        task.await.unwrap();
    }
    trouble.await.unwrap();
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.exclusive, stats.shared), (0, 0, 0), "{stats:?}");
    assert!(stats.size <= max && world.most.get() <= max, "{} of {max} open", world.most.get());
    drop(pool);
    eventually("all are closed", || world.alive() == 0).await;
}

/// What a caller does: some give up while they wait, some leave something unfinished.
async fn one(world: &World, pool: &PoolHandle<Server>) {
    let want = if world.below(3) == 0 { Want::Exclusive } else { Want::Statement };
    let polls = if world.below(4) == 0 { world.below(4) } else { u64::MAX };
    let Some(taken) = poll_at_most(pool.take(want), polls).await else { return };
    match taken {
        Ok(lent) => {
            let wire = Rc::clone(&lent.link().wire);
            use_it(world, &wire, want).await;
            if want == Want::Exclusive {
                wire.is_unfinished.set(world.below(10) == 0);
                wire.is_touched.set(world.below(10) == 0);
            }
        }
        Err(Refusal::Away(_)) => time::sleep(Duration::from_millis(5)).await,
        Err(other) => panic!("{other:?}"),
    }
}

/// The sign of failure is an order that differs from that of the asking, for either kind of caller.
#[test]
fn ten_thousand_callers_are_served_in_the_order_they_came() {
    let world = World::new(1);
    runtime::block_on(async {
        let pool = pool(&world, PoolConfig { shared_max: 2, pipeline_max: 4, ..config(8) });
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..10_000u32)
            .map(|n| {
                let (world, pool, order) = (Rc::clone(&world), Rc::clone(&pool), Rc::clone(&order));
                runtime::spawn(async move {
                    let want = if n % 4 == 0 { Want::Exclusive } else { Want::Statement };
                    let lent = pool.take(want).await.unwrap();
                    order.borrow_mut().push((want, n));
                    use_it(&world, &lent.link().wire, want).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        for kind in [Want::Exclusive, Want::Statement] {
            let served: Vec<u32> =
                order.borrow().iter().filter(|(want, _)| *want == kind).map(|&(_, n)| n).collect();
            assert!(served.is_sorted(), "{kind:?}");
        }
        assert_eq!(order.borrow().len(), 10_000);
        let stats = pool.stats();
        assert!(stats.waits > 9_000 && stats.waits <= stats.acquired, "{stats:?}");
        assert!(world.most.get() <= 8);
    });
}

#[test]
fn at_each_bound_callers_are_told() {
    let world = World::new(1);
    runtime::block_on(async {
        let mut config = config(2);
        (config.min, config.waiting_max, config.acquire_timeout) = (2, 1, Duration::from_millis(20));
        let pool = pool(&world, config);
        eventually("the pool is warm", || pool.stats().size == 2).await;
        let held = pool.take(Want::Exclusive).await.unwrap();
        let second = runtime::spawn({
            let pool = Rc::clone(&pool);
            async move { pool.take(Want::Exclusive).await.err() }
        });
        runtime::yield_now().await;
        let third = pool.take(Want::Exclusive).await.err();
        assert!(matches!(third, Some(Refusal::Overloaded(1))), "{third:?}");
        assert!(pool.take(Want::Statement).await.is_ok(), "one connection is kept for statements");
        let second = second.await.unwrap();
        assert!(matches!(second, Some(Refusal::Deadline(after)) if after == Duration::from_millis(20)));
        drop(held);
        assert!(pool.take(Want::Exclusive).await.is_ok());
        let stats = pool.stats();
        assert_eq!(
            (stats.timeouts, stats.refused, stats.waiting, stats.exclusive),
            (1, 1, 0, 0),
            "{stats:?}"
        );
    });
}

#[test]
fn while_the_server_is_away_callers_fail_at_once_and_it_is_full_again_soon_after() {
    let world = World::new(1);
    runtime::block_on(async {
        let pool = pool(&world, PoolConfig { min: 8, ..config(8) });
        eventually("the pool is warm", || pool.stats().size == 8).await;
        time::sleep(super::roster::upkeep::SETTLED).await;
        world.is_away.set(true);
        world.live.borrow().iter().for_each(|wire| wire.end());
        eventually("it is noticed", || pool.stats().away).await;
        assert_eq!(pool.stats().lost, 8);
        for _ in 0..100 {
            assert!(matches!(pool.take(Want::Statement).await.err(), Some(Refusal::Away(Trouble("away")))));
        }
        time::sleep(Duration::from_millis(500)).await;
        let tries = pool.stats().open_failures;
        assert!((2..40).contains(&tries), "{tries} tries in half a second");
        world.is_away.set(false);
        let back = std::time::Instant::now();
        while pool.stats().size < 8 {
            drop(pool.take(Want::Statement).await);
            time::sleep(Duration::from_millis(1)).await;
        }
        assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
    });
}

#[test]
fn a_deaf_connection_is_found_before_it_is_used() {
    let world = World::new(1);
    runtime::block_on(async {
        let mut config = config(4);
        (config.check_after, config.check_timeout) = (Duration::from_millis(5), Duration::from_millis(10));
        let pool = pool(&world, config);
        for want in [Want::Statement, Want::Exclusive] {
            drop(pool.take(want).await.unwrap());
            time::sleep(Duration::from_millis(10)).await;
            world.live.borrow().iter().for_each(|wire| wire.is_deaf.set(true));
            let lent = pool.take(want).await.unwrap();
            assert!(!lent.link().wire.is_deaf.get(), "{want:?}");
        }
        let stats = pool.stats();
        assert_eq!((stats.stale, stats.exclusive, stats.shared), (2, 0, 0), "{stats:?}");
    });
}

#[test]
fn what_was_left_in_a_session_is_gone_and_what_is_unfinished_is_closed() {
    let world = World::new(1);
    runtime::block_on(async {
        for (reset, touched, unfinished, resets, opened) in [
            (Reset::Changed, false, false, 0, 1),
            (Reset::Changed, true, false, 1, 1),
            (Reset::Always, false, false, 2, 1),
            (Reset::Changed, true, true, 0, 2),
        ] {
            let why = format!("{reset:?}, touched: {touched}, unfinished: {unfinished}");
            world.opened.set(0);
            world.resets.set(0);
            let pool = pool(&world, PoolConfig { reset, ..config(1) });
            let lent = pool.take(Want::Exclusive).await.unwrap();
            lent.link().wire.is_touched.set(touched);
            lent.link().wire.is_unfinished.set(unfinished);
            drop(lent);
            let lent = pool.take(Want::Exclusive).await.unwrap();
            assert!(!lent.link().wire.is_touched.get(), "{why}");
            drop(lent);
            eventually("it is back", || pool.stats().exclusive == 0).await;
            assert_eq!((world.resets.get(), world.opened.get()), (resets, opened), "{why}");
        }
    });
}

#[test]
fn unused_and_old_connections_are_closed() {
    let world = World::new(1);
    runtime::block_on(async {
        let mut config = config(4);
        (config.min, config.idle_timeout) = (1, Duration::from_millis(20));
        let pool = pool(&world, config.clone());
        let all = [
            pool.take(Want::Exclusive).await,
            pool.take(Want::Exclusive).await,
            pool.take(Want::Exclusive).await,
        ];
        assert_eq!(world.alive(), 3);
        drop(all);
        eventually("all but one are closed", || world.alive() == 1).await;
        time::sleep(Duration::from_millis(50)).await;
        assert_eq!((world.alive(), pool.stats().retired), (1, 2), "one is kept");
        drop(pool);

        config.lifetime = Duration::from_millis(30);
        let pool = self::pool(&world, config);
        world.opened.set(0);
        eventually("the old is closed and a new one opened", || world.opened.get() >= 3).await;
        assert!(pool.stats().retired >= 2);
    });
}

/// Two cores, one of which has everything: the other gets its share, busy or not.
#[test]
fn a_core_in_need_gets_a_connection_from_another() {
    for busy in [false, true] {
        let budget = Budget::new(4);
        let total = budget.clone();
        let runtime = runtime::Runtime::builder().cores(Some(2)).pin(false).start(move |core| {
            let budget = budget.clone();
            async move {
                let world = World::new(1);
                let config = PoolConfig { min: 0, budget: Some(budget.clone()), ..config(4) };
                let pool = pool(&world, config);
                if core.index() == 0 {
                    let mut held = Vec::new();
                    for want in [Want::Exclusive, Want::Statement, Want::Exclusive, Want::Exclusive] {
                        held.push((want, pool.take(want).await.unwrap()));
                    }
                    assert_eq!(budget.taken(), 4);
                    runtime::mesh::broadcast(|| TAKEN.set(true)).await;
                    if busy {
                        // They are given back only to be taken again.
                        let users = held.drain(..).map(|(want, lent)| {
                            let pool = Rc::clone(&pool);
                            runtime::spawn(async move {
                                let mut lent = lent;
                                while !OVER.get() {
                                    time::sleep(Duration::from_millis(1)).await;
                                    drop(lent);
                                    lent = pool.take(want).await.unwrap();
                                }
                            })
                        });
                        for user in users.collect::<Vec<_>>() {
                            user.await.unwrap();
                        }
                    }
                    drop(held);
                    eventually("the other has had its share", || OVER.get()).await;
                    runtime::mesh::broadcast(runtime::shutdown::drain).await;
                } else {
                    eventually("the first has them all", || TAKEN.get()).await;
                    let first = pool.take(Want::Exclusive).await.unwrap();
                    let second = pool.take(Want::Statement).await.unwrap();
                    assert!(budget.taken() <= 4);
                    drop((first, second));
                    runtime::mesh::broadcast(|| OVER.set(true)).await;
                    time::timeout(Duration::from_secs(10), runtime::shutdown::draining()).await.unwrap();
                }
            }
        });
        runtime.unwrap().join().unwrap();
        assert!(total.taken() <= 4);
    }
}

thread_local! {
    static TAKEN: Cell<bool> = const { Cell::new(false) };
    static OVER: Cell<bool> = const { Cell::new(false) };
}
