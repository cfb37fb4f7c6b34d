//! Verification: an entry that is not what its body gives is found, and annotated writes raise no alarm.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::AtomicUsize,
};

use cached_aside_protocol::steps::{Register, Remove};

use super::*;
use crate::{
    Counts, Tag,
    codec::Cacheable,
    overrides::{bypass, only_cached},
    transaction,
};

const fn verified(name: &'static str, share: f64) -> ReadFunction {
    ReadFunction::declare(module_path!(), name, "version:{key}", TTL)
        .jitter(0)
        .lease(LEASE)
        .wait(WAIT)
        .verify(share)
}

static ALWAYS: ReadFunction = verified("always", 1.0);
static NEVER: ReadFunction = verified("never", 0.0);
static SELDOM: ReadFunction = verified("seldom", 1e-9);
static NONE_TOO: ReadFunction = verified("none_too", 1.0).none_ttl(TTL);
static COPIED: ReadFunction = verified("copied", 1.0).local(COPY);
const COPY: Duration = Duration::from_secs(1);
/// The pause before an entry is looked at again, and the look.
const PAUSE: Duration = Duration::from_millis(600);

impl World {
    /// The first version is in the store, and was written in the database again without a word.
    async fn unannotated(function: &'static ReadFunction) -> World {
        let world = World::new();
        assert_eq!(world.read_by(function, Body::Succeeds).await, Ok(1));
        sleep(FILL).await;
        world.version.store(2, SeqCst);
        world.bodies.store(0, SeqCst);
        world
    }

    /// A hit, and the look after it.
    async fn hit(&self, function: &'static ReadFunction) -> Result<u64, Failed> {
        let hit = self.read_by(function, Body::Succeeds).await;
        sleep(PAUSE).await;
        hit
    }

    fn found(&self) -> (u64, u64, u64) {
        let Counts { verified, mismatched, unverifiable, .. } = self.cache.stats().total;
        (verified, mismatched, unverifiable)
    }

    fn bodies(&self) -> u64 {
        self.bodies.swap(0, SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_annotated_is_found() {
    let world = World::unannotated(&ALWAYS).await;
    assert_eq!(world.hit(&ALWAYS).await, Ok(1), "the caller is given the entry");
    assert_eq!((world.bodies(), world.found()), (1, (0, 0, 0)), "one difference proves nothing");
    assert_eq!(world.hit(&ALWAYS).await, Ok(1));
    assert_eq!((world.bodies(), world.found()), (1, (0, 1, 0)));
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(2), "the entry is removed");
    sleep(FILL).await;
    assert_eq!(world.hit(&ALWAYS).await, Ok(2));
    assert_eq!(world.found(), (1, 1, 0));
    let total = world.cache.stats().total;
    assert_eq!((total.hits, total.loads), (3, 2), "those of verification are no loads");
}

/// The first hit in ten minutes is a sample; the next one decides, however small the share is.
#[tokio::test(start_paused = true)]
async fn a_doubt_is_settled_by_the_next_hit() {
    let world = World::new();
    assert_eq!(world.read_by(&SELDOM, Body::Succeeds).await, Ok(1));
    sleep(FILL).await;
    for _ in 0..20 {
        assert_eq!(world.hit(&SELDOM).await, Ok(1));
    }
    assert_eq!(world.bodies(), 1, "none is due yet");
    assert!(world.cache.inner.verification.suspects.accuse("k", Token::numbered(9), 7).is_some());
    world.cache.inner.verification.suspects.adjourn("k");
    assert_eq!(world.hit(&SELDOM).await, Ok(1));
    assert_eq!((world.bodies(), world.found()), (1, (1, 0, 0)), "it was of another entry");
    assert_eq!(world.hit(&SELDOM).await, Ok(1));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_beside_a_hit_without_it() {
    for function in [&LOAD, &NEVER] {
        let world = World::unannotated(function).await;
        for _ in 0..100 {
            assert_eq!(world.read_by(function, Body::Succeeds).await, Ok(1));
        }
        assert_eq!((world.bodies(), world.found()), (0, (0, 0, 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_panics_or_hangs_changes_nothing_for_the_caller() {
    quietly();
    for body in [Body::Fails, Body::Panics, Body::IsCancelled] {
        let world = World::unannotated(&ALWAYS).await;
        for _ in 0..3 {
            let begun = Instant::now();
            assert_eq!(caught(world.read_by(&ALWAYS, body)).await, Some(Ok(1)), "{body:?}");
            assert!(begun.elapsed() <= WAIT + TICK, "{body:?}");
            sleep(PAUSE).await;
        }
        assert_eq!((world.bodies(), world.found()), (3, (0, 0, 0)), "{body:?}");
    }
}

/// Whatever the store does, the caller is given the entry, and nothing of a look stays.
#[tokio::test(start_paused = true)]
async fn a_look_whatever_the_store_does() {
    for read in GATES {
        for elect in GATES {
            for abandon in GATES {
                let what = format!("read {read:?} elect {elect:?} abandon {abandon:?}");
                let world = World::unannotated(&ALWAYS).await;
                assert_eq!(world.hit(&ALWAYS).await, Ok(1), "{what}");
                for (verb, gate) in [("read_timed", read), ("elect", elect), ("abandon", abandon)] {
                    world.store().set(verb, gate);
                }
                assert_eq!(world.hit(&ALWAYS).await, Ok(1), "{what}");
                sleep(2 * TIMEOUT).await;
                let answers = |gate| matches!(gate, Gate::Passes | Gate::Slow);
                assert_eq!(world.found(), (0, u64::from(answers(read)), 0), "{what}");
                world.store().heal();
                sleep(Duration::from_secs(5)).await;
                let removed = [read, elect, abandon].into_iter().all(answers);
                let now = world.hit(&ALWAYS).await;
                assert!(now == Ok(2) || !removed && now == Ok(1), "{what}: {now:?}");
                // Whatever is left is found again.
                world.hit(&ALWAYS).await.unwrap();
                world.hit(&ALWAYS).await.unwrap();
                assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(2), "{what}");
            }
        }
    }
}

/// A deletion that arrives between two looks, at either time.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_under_way_is_waited_for() {
    let remove = async |world: &World| {
        sleep(TIMEOUT).await;
        world.store().inside.run("k", &Remove).await.unwrap();
        sleep(PAUSE).await;
    };
    // Beside the first difference.
    let world = World::unannotated(&ALWAYS).await;
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(1));
    remove(&world).await;
    assert!(!world.cache.inner.verification.suspects.waits_for("k"));
    // Beside the second.
    let world = World::unannotated(&ALWAYS).await;
    assert_eq!(world.hit(&ALWAYS).await, Ok(1));
    assert!(world.cache.inner.verification.suspects.waits_for("k"));
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(1));
    remove(&world).await;
    assert_eq!(world.found(), (0, 0, 0));
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(2));
    // So does what was loaded after it.
    let world = World::unannotated(&ALWAYS).await;
    assert_eq!(world.hit(&ALWAYS).await, Ok(1));
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(1));
    world.store().inside.run("k", &Remove).await.unwrap();
    assert_eq!(world.read_by(&NEVER, Body::Succeeds).await, Ok(2));
    sleep(PAUSE).await;
    assert_eq!(world.found(), (0, 0, 0));
    // And the entry that comes after it is another one, although it says the same.
    let world = World::unannotated(&ALWAYS).await;
    assert_eq!(world.hit(&ALWAYS).await, Ok(1));
    world.store().inside.run("k", &Remove).await.unwrap();
    world.version.store(1, SeqCst);
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(1));
    sleep(FILL).await;
    world.version.store(2, SeqCst);
    assert_eq!(world.hit(&ALWAYS).await, Ok(1));
    assert_eq!(world.found(), (0, 0, 0), "that is its first difference");
}

/// What comes in the place of the entry while it is removed stays.
#[tokio::test(start_paused = true)]
async fn only_the_entry_that_was_compared_is_removed() {
    let world = World::unannotated(&ALWAYS).await;
    assert_eq!(world.hit(&ALWAYS).await, Ok(1));
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(1));
    world.store().set("elect", Gate::Slow);
    // The look is over, and the election on its way.
    sleep(2 * TIMEOUT + SLOW / 4).await;
    assert_eq!(world.found(), (0, 1, 0));
    world.store().inside.run("k", &Remove).await.unwrap();
    assert_eq!(world.read_by(&NEVER, Body::Succeeds).await, Ok(2));
    sleep(FILL).await;
    world.bodies();
    assert_eq!(world.read_by(&NEVER, Body::Succeeds).await, Ok(2));
    assert_eq!(world.bodies(), 0, "it is still there");
}

#[tokio::test(start_paused = true)]
async fn copies_of_the_entry_are_waited_for() {
    let world = World::unannotated(&COPIED).await;
    assert_eq!(world.hit(&COPIED).await, Ok(1));
    assert_eq!(world.read_by(&COPIED, Body::Succeeds).await, Ok(1));
    let inside = &world.store().inside;
    let expected = entry::header_of(&inside.read("k").await.unwrap().unwrap());
    assert!(inside.run("k", &Register { expected, local: COPY }).await.unwrap().is_some());
    sleep(PAUSE).await;
    assert_eq!(world.found(), (0, 1, 0));
    let there = inside.read("k").await.unwrap();
    assert!(
        matches!(entry::parse(&there.unwrap(), 0), entry::Entry::Guard),
        "nothing is stored while there are copies"
    );
    sleep(COPY).await;
    assert_eq!(inside.read("k").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_verified_inside_of_writes_transactions_and_overrides() {
    let world = World::unannotated(&ALWAYS).await;
    for _ in 0..3 {
        let read = || world.read_by(&ALWAYS, Body::Succeeds);
        assert_eq!(only_cached(read()).await, Ok(1));
        assert_eq!(world.bodies(), 0);
        assert_eq!((bypass(read()).await, world.bodies()), (Ok(2), 1));
        assert_eq!((transaction(read()).await, world.bodies()), (Ok(2), 1));
        let body = async {
            let hit = world.read_by(&ALWAYS, Body::Succeeds).await;
            (hit, world.bodies())
        };
        let keys = vec![AnyKey::new("another")];
        let inside = Some(&world.cache.inner);
        let written = write::<_, _, _>(&SAVE, inside, keys, None, pin!(body), |_| Vec::new()).await;
        assert_eq!(written, (Ok(1), 0));
        sleep(PAUSE).await;
    }
    assert_eq!(world.found(), (0, 0, 0));
}

/// One call of a function whose values are of any type, with these tags.
async fn call<V: Cacheable>(world: &World, tags: &[Tag], body: impl Future<Output = Option<V>>) -> Option<V> {
    let key = AnyKey::new("k").tagged(tags.iter().cloned());
    let returns = ReturnAdapter::<Option<V>, 1>::unshared();
    let cache = Some(&world.cache.inner);
    load::<_, 1, _>(&NONE_TOO, cache, key, coding::<V, Bincode>(0), returns, pin!(body)).await
}

/// A body that asks for its own key is given the entry, and not verified again inside of itself.
#[tokio::test(start_paused = true)]
async fn a_body_that_asks_for_its_own_key_is_verified_once() {
    let (world, bodies) = (World::new(), AtomicUsize::new(0));
    let body = async || {
        assert!(bodies.fetch_add(1, SeqCst) < 10, "it runs inside of itself");
        let inside = Box::pin(call(&world, &[], async {
            bodies.fetch_add(100, SeqCst);
            Some(1_u64)
        }));
        inside.await
    };
    assert_eq!(call(&world, &[], async { Some(1_u64) }).await, Some(1));
    sleep(FILL).await;
    assert_eq!(call(&world, &[], body()).await, Some(1));
    assert_eq!((bodies.load(SeqCst), world.found()), (1, (1, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_differs_each_time_is_told_unverifiable() {
    let world = World::new();
    let clock = AtomicUsize::new(0);
    for _ in 0..5 {
        call(&world, &[], async { Some(clock.fetch_add(1, SeqCst) as u64) }).await;
        sleep(FILL).await;
    }
    // Each second difference.
    assert_eq!(world.found(), (0, 0, 2));
    // What it gave once it gives no more.
    let (world, thrown) = (World::new(), AtomicUsize::new(0));
    for side in [1_u64, 2, 1] {
        call(&world, &[], async { Some(side) }).await;
        thrown.fetch_add(1, SeqCst);
        sleep(FILL).await;
    }
    assert_eq!((world.found(), thrown.load(SeqCst)), ((0, 0, 1), 3));
}

/// The order of a `HashMap` is another one each time; no chance may turn that into an alarm.
#[tokio::test(start_paused = true)]
async fn what_has_no_order_is_told_unverifiable() {
    let world = World::new();
    for _ in 0..200 {
        call(&world, &[], async { Some(HashMap::from([(1_u8, 1_u8), (2, 2)])) }).await;
        sleep(FILL / 10).await;
    }
    let (same, mismatched, unordered) = world.found();
    assert_eq!((same + unordered, mismatched), (199, 0));
    assert!(same > 40 && unordered > 40, "{same} {unordered}");
    let world = World::new();
    for value in [1_u8, 2, 2, 2] {
        call(&world, &[], async { Some(BTreeMap::from([(1_u8, value), (2, 2)])) }).await;
        sleep(FILL).await;
    }
    assert_eq!(world.found(), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_gone_or_new_is_found() {
    for (stored, now) in [(Some(1_u64), None), (None, Some(1))] {
        let world = World::new();
        assert_eq!(call(&world, &[], async { stored }).await, stored);
        sleep(FILL).await;
        for _ in 0..2 {
            assert_eq!(call(&world, &[], async { now }).await, stored);
            sleep(FILL).await;
        }
        assert_eq!(world.found(), (0, 1, 0));
        assert_eq!(call(&world, &[], async { now }).await, now);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_was_invalidated_explains_a_difference() {
    let tags = [Tag::new("tag")];
    for tag_ends in [false, true] {
        let world = World::new();
        for value in [1_u64, 2, 2] {
            assert_eq!(call(&world, &tags, async { Some(value) }).await, Some(1));
            sleep(PAUSE).await;
        }
        assert_eq!(world.found(), (0, 1, 0), "without a write it is found");
        let world = World::new();
        assert_eq!(call(&world, &tags, async { Some(1_u64) }).await, Some(1));
        sleep(FILL).await;
        for hit in 1..=2 {
            call(&world, &tags, async { Some(2_u64) }).await;
            sleep(TIMEOUT).await;
            if tag_ends && hit == 2 {
                world.store().inside.run(tags[0].key(), &Remove).await.unwrap();
            }
            sleep(FILL).await;
        }
        assert_eq!(world.found(), (0, u64::from(!tag_ends), 0));
    }
}

/// It keeps no cache alive, and a cache that is gone is not looked at.
#[tokio::test(start_paused = true)]
async fn a_look_does_not_outlive_its_cache() {
    let world = World::unannotated(&ALWAYS).await;
    assert_eq!(world.read_by(&ALWAYS, Body::Succeeds).await, Ok(1));
    let cache = Arc::downgrade(&world.cache.inner);
    drop(world);
    assert!(cache.upgrade().is_none());
    sleep(PAUSE).await;
}
