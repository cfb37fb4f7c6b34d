//! One load for many callers, and a fill that none of them waits for; and what is not shared.

use std::future::ready;

use super::*;
use crate::{codec::Cacheable, overrides::observe};

#[tokio::test(start_paused = true)]
async fn an_error_is_shared_and_not_stored() {
    let world = World::new();
    let reads: Vec<_> = (0..50).map(|_| tokio::spawn(world.read(Body::Fails))).collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), Err(Failed("body".to_owned())));
    }
    // The first runs before the others have come; those share the next.
    assert_eq!(world.bodies.load(SeqCst), 2);
    assert_eq!(world.cache.stats().total.shared, 48);
    assert_eq!(world.read(Body::Succeeds).await, Ok(1), "the error was not stored");
    world.is_well("after errors").await;
}

/// An error that can't be cloned is given to nobody: each runs the body, but not all at once.
#[tokio::test(start_paused = true)]
async fn an_error_that_cannot_be_shared_costs_few_bodies_at_a_time() {
    let world = World::new();
    world.store().set("acquire", Gate::Slow);
    let (running, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let reads: Vec<_> = (0..50)
        .map(|_| {
            let (world, running, most) = (world.clone(), running.clone(), most.clone());
            tokio::spawn(async move {
                let body = async {
                    world.bodies.fetch_add(1, SeqCst);
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    sleep(BODY).await;
                    running.fetch_sub(1, SeqCst);
                    Err::<u64, _>(Failed("body".to_owned()))
                };
                let (key, coding) = (AnyKey::new("k"), coding::<u64, Bincode>(0));
                load::<_, 2, _>(
                    &LOAD,
                    Some(&world.cache.inner),
                    key,
                    coding,
                    ReturnAdapter::unshared(),
                    pin!(body),
                )
                .await
            })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), Err(Failed("body".to_owned())));
    }
    assert_eq!((world.bodies.load(SeqCst), most.load(SeqCst)), (50, 8));
    world.is_well("after errors").await;
}

/// While nothing can be stored, those who come during a load share the next one.
#[tokio::test(start_paused = true)]
async fn without_a_store_loads_still_run_one_at_a_time() {
    let world = World::new();
    for verb in ["read", "acquire"] {
        world.store().set(verb, Gate::Fails);
    }
    let mut reads = Vec::new();
    for number in 0..300 {
        reads.push(tokio::spawn(world.read(Body::Succeeds)));
        if number == 99 || number == 199 {
            sleep(BODY / 2).await;
        }
    }
    for read in reads {
        assert_eq!(read.await.unwrap(), Ok(1));
    }
    assert_eq!(world.bodies.load(SeqCst), 2, "300 callers, of whom 200 came during the first load");
}

/// A key that is written all the time costs a caller two bodies at the most.
#[tokio::test(start_paused = true)]
async fn a_caller_waits_for_two_bodies_at_the_most() {
    let world = World::new();
    let _guard = world.cache.guard([AnyKey::new("k")]).await.unwrap();
    let storm: Vec<_> = (0..40_u32)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move {
                sleep(number * BODY / 7).await;
                let begun = Instant::now();
                world.read(Body::Succeeds).await.unwrap();
                begun.elapsed()
            })
        })
        .collect();
    for caller in storm {
        let took = caller.await.unwrap();
        assert!(took <= 2 * BODY + Duration::from_millis(5), "{took:?}");
    }
}

/// A follower waits so long and no longer, then runs the body itself.
#[tokio::test(start_paused = true)]
async fn the_wait_for_another_is_bounded() {
    let world = World::new();
    let leader = tokio::spawn(timeout(Duration::from_secs(60), world.read(Body::IsCancelled)));
    sleep(BODY * 2).await;
    let begun = Instant::now();
    assert_eq!(world.read(Body::Succeeds).await, Ok(1));
    assert_eq!(begun.elapsed(), WAIT + BODY);
    leader.abort();
    world.is_well("after the wait").await;
}

/// Whatever the fill comes to: who loaded a missing entry has its value when the body has given it. Who came meanwhile is told
/// when the fill was answered. Without an answer in time it may not be given what may not be stored, and waits until the fill is
/// given up to run a body of its own.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_fill_of_his_own_load() {
    let gates = [(Gate::Passes, Duration::ZERO), (Gate::Slow, SLOW), (Gate::Hangs, FILL + BODY)];
    for (gate, told) in gates {
        let world = World::new();
        world.store().set("fill", gate);
        let begun = Instant::now();
        let late = async {
            sleep(BODY / 2).await;
            assert_eq!(world.read(Body::Succeeds).await, Ok(1), "{gate:?}");
            begun.elapsed()
        };
        let own = async {
            assert_eq!(world.read(Body::Succeeds).await, Ok(1), "{gate:?}");
            begun.elapsed()
        };
        let (own, late) = tokio::join!(own, late);
        assert_eq!(own, BODY, "{gate:?}");
        let until = BODY + told;
        assert!(late + TICK >= until && late <= until + TICK * 2, "{gate:?}: {late:?}");
        world.is_well(&format!("a fill that {gate:?}")).await;
    }
}

/// The fill of a caller that has gone away is not lost with it.
#[tokio::test(start_paused = true)]
async fn a_fill_goes_on_when_its_caller_goes_away() {
    let world = World::new();
    world.store().set("fill", Gate::Slow);
    let reader = tokio::spawn(world.read(Body::Succeeds));
    sleep(BODY + SLOW / 4).await;
    reader.abort();
    sleep(SLOW).await;
    assert_eq!(world.read(Body::Succeeds).await, Ok(1));
    assert_eq!(world.bodies.load(SeqCst), 1, "the second read is a hit");
}

/// A generic function whose instances share a key: a value tells its type itself, and `None` does not.
#[tokio::test(start_paused = true)]
async fn another_type_is_given_no_copy_of_none() {
    static MAYBE: ReadFunction = ReadFunction::declare(module_path!(), "maybe", "maybe:{key}", TTL)
        .jitter(0)
        .none_ttl(TTL)
        .local(Duration::from_secs(1));

    async fn maybe<V>(world: &World, row: Option<V>) -> Option<V>
    where
        V: Cacheable + Clone + Send + Sync + 'static,
    {
        let (key, coding) = (AnyKey::new("k"), coding::<V, Bincode>(0).local());
        let returns = ReturnAdapter::<Option<V>, 1>::unshared();
        load::<_, 1, _>(&MAYBE, Some(&world.cache.inner), key, coding, returns, pin!(ready(row))).await
    }

    let world = World::new();
    while world.cache.stats().total.local_hits == 0 {
        assert_eq!(maybe::<u64>(&world, None).await, None);
        sleep(TICK).await;
    }
    for observed in [false, true] {
        let other = maybe(&world, Some("row".to_owned()));
        let given = if observed { observe(other).await.0 } else { other.await };
        assert_eq!(given.as_deref(), Some("row"), "observed: {observed}");
    }
}
