//! Batches: as many single reads, whose bodies run together.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use super::{refresh::STALE, *};
use crate::{
    __private::{
        batch::{ErrorOf, ids as of_list, keys_in_cache},
        key,
    },
    Tag,
    engine::nested::{loading, step},
    function::staleness::Staleness,
    options::Source,
    overrides::{bypass, observe, only_cached},
    transaction,
};

mod answers;
mod crossing;
mod stale;
mod tagged;

pub(super) type ByKey = BTreeMap<u64, u64>;
/// The ids that each body was given.
type Bodies = Arc<Mutex<Vec<Vec<u64>>>>;

/// One call of a batch, and what its body does.
#[derive(Clone)]
pub(super) struct Asked {
    world: World,
    function: &'static ReadFunction,
    bodies: Bodies,
    body: Body,
    twice: bool,
    wait: Option<Duration>,
    /// What the origin has no row of.
    absent: Vec<u64>,
    /// What each entry carries.
    tags: &'static [&'static str],
}

fn key_of(id: u64) -> AnyKey {
    AnyKey::new(&if id == 0 { "k".to_owned() } else { format!("k{id}") })
}

impl World {
    fn asked(&self, function: &'static ReadFunction) -> Asked {
        let (world, bodies, absent) = (self.clone(), Bodies::default(), Vec::new());
        Asked { world, function, bodies, body: Body::Succeeds, twice: true, wait: None, absent, tags: &[] }
    }

    pub(super) fn asked_for(&self, function: &'static ReadFunction, body: Body) -> Asked {
        Asked { body, ..self.asked(function) }
    }
}

impl Asked {
    pub(super) fn batch(&self, ids: &[u64]) -> impl Future<Output = Result<ByKey, Failed>> + Send + use<> {
        let (asked, ids) = (self.clone(), ids.to_vec());
        async move {
            let keyed = keys_in_cache(of_list(ids), |id| {
                let entry = key_of(*id).tagged(asked.tags.iter().map(|tag| Tag::new(tag)));
                key(asked.function, entry, coding::<u64, Bincode>(0))
            });
            let errors = ErrorOf::<Result<ByKey, Failed>>::ERRORS.shared().or_given_up();
            let mut batch = keyed.answered_by(errors).in_cache(&asked.world.cache).twice(asked.twice);
            if let Some(wait) = asked.wait {
                batch = batch.wait(wait);
            }
            while let Some(missing) = batch.missing().await {
                let body = pin!(asked.origin(missing.clone()));
                batch.load(&missing, body).await;
            }
            batch.finish()
        }
    }

    async fn origin(&self, ids: Vec<u64>) -> Result<ByKey, Failed> {
        self.bodies.lock().unwrap().push(ids.clone());
        let version = self.world.version.load(SeqCst);
        sleep(BODY).await;
        match self.body {
            Body::Succeeds => {
                let there = ids.into_iter().filter(|id| !self.absent.contains(id));
                Ok(there.map(|id| (id, version)).collect())
            }
            Body::Fails => Err(Failed("body".to_owned())),
            Body::Panics => panic!("the body panics"),
            Body::IsCancelled => pending().await,
        }
    }

    fn given(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a batch gives")]
pub(super) fn all(ids: &[u64], version: u64) -> Result<ByKey, Failed> {
    Ok(ids.iter().map(|id| (*id, version)).collect())
}

#[tokio::test(start_paused = true)]
async fn a_batch_whatever_the_store_and_the_body_do() {
    quietly();
    for read in GATES {
        for acquire in GATES {
            for fill in GATES {
                for body in BODIES {
                    let what = format!("read {read:?} acquire {acquire:?} fill {fill:?} {body:?}");
                    let world = World::new();
                    let gates = [("read", read), ("acquire", acquire), ("fill", fill), ("abandon", fill)];
                    for (verb, gate) in gates {
                        world.store().set(verb, gate);
                    }
                    let asked = Asked { body, ..world.asked(&LOAD) };
                    let begun = Instant::now();
                    let result = timeout(Duration::from_secs(1), caught(asked.batch(&[0, 1, 2]))).await;
                    let took = begun.elapsed();
                    let expected = match body {
                        Body::Succeeds => Ok(Some(all(&[0, 1, 2], 1))),
                        Body::Fails => Ok(Some(Err(Failed("body".to_owned())))),
                        Body::Panics => Ok(None),
                        Body::IsCancelled => Err(()),
                    };
                    assert_eq!(result.map_err(drop), expected, "{what}");
                    assert_eq!(asked.given(), [[0, 1, 2]], "{what}: one body for all");
                    let bound = BODY + TIMEOUT + Duration::from_millis(5);
                    assert!(took <= bound || body == Body::IsCancelled, "{what}: {took:?}");
                    world.is_well(&what).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_given_what_is_missing_and_each_key_once() {
    let world = World::new();
    assert_eq!(world.read(Body::Succeeds).await, Ok(1));
    let asked = world.asked(&LOAD);
    assert_eq!(asked.batch(&[3, 0, 1, 3, 1]).await, all(&[0, 1, 3], 1));
    assert_eq!(asked.given(), [[3, 1]], "in the caller's order");
    world.version.store(2, SeqCst);
    assert_eq!(asked.batch(&[1, 2, 3]).await, Ok(ByKey::from([(1, 1), (2, 2), (3, 1)])));
    assert_eq!(asked.given(), [[2]]);
    assert_eq!(asked.batch(&[1, 2, 3]).await, Ok(ByKey::from([(1, 1), (2, 2), (3, 1)])));
    assert_eq!(asked.batch(&[]).await, Ok(ByKey::new()));
    assert!(asked.given().is_empty(), "hits, and an empty list, run no body");
    let counts = world.cache.stats().total;
    assert_eq!((counts.hits, counts.misses, counts.loads, counts.stored), (6, 4, 4, 4), "key by key");
}

#[tokio::test(start_paused = true)]
async fn a_batch_leads_its_keys_for_single_calls_and_follows_theirs() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let batch = tokio::spawn(asked.batch(&[0, 1]));
    tokio::task::yield_now().await;
    // The batch waits for its body: the leases are taken.
    sleep(BODY / 2).await;
    assert_eq!(world.read(Body::Succeeds).await, Ok(1));
    assert_eq!((batch.await.unwrap(), world.bodies.load(SeqCst)), (all(&[0, 1], 1), 0), "it follows");
    world.cache.invalidate(&key(&LOAD, key_of(0), coding::<u64, Bincode>(0))).await.unwrap();
    asked.given();

    let single = tokio::spawn(world.read(Body::Succeeds));
    sleep(BODY / 2).await;
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 1));
    assert_eq!(asked.given(), [[2]], "1 is a hit, 0 is what the single call loads");
    assert_eq!((single.await.unwrap(), world.bodies.load(SeqCst)), (Ok(1), 1));
    assert!(world.cache.stats().total.shared >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_under_a_guard_is_loaded_with_the_others_and_not_stored() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let guard = world.cache.guard([key_of(1)]).await.unwrap();
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 1));
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 1));
    assert_eq!(asked.given(), [vec![0, 1, 2], vec![1]]);
    guard.release().await.unwrap();
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 1));
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 1));
    assert_eq!(asked.given(), [[1]], "it is stored when the write is over");
}

/// A write between the acquire and the fill of one key: the others are stored.
#[tokio::test(start_paused = true)]
async fn a_refused_fill_spoils_no_other() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let batch = tokio::spawn(asked.batch(&[0, 1, 2]));
    sleep(BODY / 2).await;
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2), "it writes the row of `k`");
    assert_eq!(batch.await.unwrap(), all(&[0, 1, 2], 1));
    asked.given();
    assert_eq!(asked.batch(&[0, 1, 2]).await, Ok(ByKey::from([(0, 2), (1, 1), (2, 1)])));
    assert_eq!(asked.given(), [[0]]);
    assert_eq!(world.cache.stats().total.fills_refused, 1);
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_while_the_body_runs() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let slow = Asked { body: Body::IsCancelled, ..asked.clone() };
    let batch = tokio::spawn(slow.batch(&[0, 1]));
    sleep(LEASE * 3).await;
    for id in [0, 1] {
        let there = world.store().inside.read(key_of(id).as_str()).await.unwrap().unwrap();
        assert_eq!(there[3], format::LEASE, "{id}");
    }
    batch.abort();
    let _ = batch.await;
    sleep(SLOW).await;
    for id in [0, 1] {
        assert_eq!(world.store().inside.read(key_of(id).as_str()).await.unwrap(), None, "given up at once");
    }
    assert_eq!(world.cache.inner.flights.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_asks_for_what_it_loads_runs_it_again() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let cache = &world.cache.inner;
    let inside = loading(cache, ["k", "k1"]);
    let mut nested = pin!(asked.batch(&[0, 1, 2]));
    let begun = Instant::now();
    let given = std::future::poll_fn(|context| step(&inside, || nested.as_mut().poll(context))).await;
    assert_eq!(given, all(&[0, 1, 2], 1));
    assert_eq!(asked.given(), [[0, 1, 2]]);
    assert!(begun.elapsed() < BODY * 2);
    assert_eq!(world.cache.stats().total.unstored, 2, "what is being loaded is not stored by who is inside");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_asks_for_one_of_its_keys_does_not_wait_for_itself() {
    let world = World::new();
    let keyed = keys_in_cache(of_list([0, 1]), |id| key(&LOAD, key_of(*id), coding::<u64, Bincode>(0)));
    let errors = ErrorOf::<Result<ByKey, Failed>>::ERRORS.shared();
    let mut batch = keyed.answered_by(errors).in_cache(&world.cache);
    let missing = batch.missing().await.unwrap();
    let body = async {
        let version = world.read(Body::Succeeds).await?;
        Ok(missing.iter().map(|id| (*id, version)).collect())
    };
    assert!(timeout(BODY * 2, batch.load(&missing, pin!(body))).await.is_ok(), "it follows its own flight");
    assert_eq!((batch.missing().await, batch.finish()), (None, all(&[0, 1], 1)));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_call_is_asked_of_each_key() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    assert_eq!(only_cached(asked.batch(&[0, 1])).await, Ok(ByKey::new()), "there is nothing");
    assert!(asked.given().is_empty());
    assert_eq!(asked.batch(&[0, 1]).await, all(&[0, 1], 1));
    asked.given();
    assert_eq!(only_cached(asked.batch(&[0, 1, 2])).await, all(&[0, 1], 1));
    assert!(asked.given().is_empty());
    world.version.store(2, SeqCst);
    assert_eq!(bypass(asked.batch(&[1, 0, 1])).await, all(&[0, 1], 2));
    assert_eq!(asked.given(), [[1, 0, 1]], "the list as it is");
    assert_eq!(world.cache.stats().total.bypassed, 3);
    assert_eq!(refresh(asked.batch(&[1, 0])).await, all(&[0, 1], 2));
    assert_eq!(asked.given(), [[1, 0]]);
    world.version.store(3, SeqCst);
    assert_eq!(asked.batch(&[0, 1]).await, all(&[0, 1], 2), "what was loaded anew is stored");
    assert!(asked.given().is_empty());
    let in_transaction = transaction(async { asked.batch(&[0, 0, 1]).await }).await;
    assert_eq!((in_transaction, asked.given()), (all(&[0, 1], 3), vec![vec![0, 0, 1]]), "its own view");

    let (given, observed) = observe(asked.batch(&[0, 1, 2])).await;
    assert!(given.is_ok());
    let calls: Vec<_> = observed.calls().iter().map(|call| (call.key.as_str(), call.source)).collect();
    assert_eq!(calls, [("k", Source::Hit), ("k1", Source::Hit), ("k2", Source::Loaded)]);
    assert!(observed.calls().iter().all(|call| call.function == "version"));
}

/// Nothing that a transaction reads is stored or shared, also where it uses hits of another origin.
#[tokio::test(start_paused = true)]
async fn a_refresh_inside_of_a_transaction_changes_nothing() {
    static ELSEWHERE: ReadFunction =
        ReadFunction::declare(module_path!(), "elsewhere", "version:{key}", TTL).cached_in_transaction();
    let world = World::new();
    let asked = world.asked(&ELSEWHERE);
    assert_eq!(asked.batch(&[0, 1]).await, all(&[0, 1], 1));
    asked.given();
    world.version.store(2, SeqCst);
    let alongside = async {
        sleep(BODY / 2).await;
        asked.batch(&[0, 1, 2]).await
    };
    let both = async { tokio::join!(refresh(asked.batch(&[0, 1, 2])), alongside) };
    let (anew, alongside) = transaction(async { Ok::<_, Failed>(both.await) }).await.unwrap();
    assert_eq!(anew, all(&[0, 1, 2], 2));
    assert_eq!(alongside, Ok(ByKey::from([(0, 1), (1, 1), (2, 2)])));
    assert_eq!(asked.given(), [vec![0, 1, 2], vec![2]], "nothing is shared");
    let counts = world.cache.stats().total;
    assert_eq!((counts.stored, counts.unstored, counts.shared), (2, 4, 0));
    assert_eq!(only_cached(asked.batch(&[0, 1, 2])).await, all(&[0, 1], 1));

    let single = || world.read_by(&ELSEWHERE, Body::Succeeds);
    assert_eq!(transaction(refresh(single())).await, Ok(2));
    assert_eq!(single().await, Ok(1));
    assert_eq!(world.cache.stats().total.stored, 2);
}

/// A deadline that is further away than a clock can count to would panic.
#[tokio::test(start_paused = true)]
async fn a_batch_may_wait_for_ever() {
    let world = World::new();
    let asked = Asked { wait: Some(Duration::MAX), ..world.asked(&LOAD) };
    let first = tokio::spawn(asked.batch(&[0, 1]));
    sleep(BODY / 2).await;
    assert_eq!(asked.batch(&[0, 1]).await, all(&[0, 1], 1), "it follows");
    assert_eq!((first.await.unwrap(), asked.given()), (all(&[0, 1], 1), vec![vec![0, 1]]));
}

#[tokio::test(start_paused = true)]
async fn loading_several_anew_whatever_the_store_and_the_body_do() {
    quietly();
    for read in GATES {
        for elect in GATES {
            for fill in GATES {
                for body in BODIES {
                    let what = format!("read {read:?} elect {elect:?} fill {fill:?} {body:?}");
                    let world = World::new();
                    let asked = world.asked(&LOAD);
                    assert!(asked.batch(&[0, 1]).await.is_ok());
                    world.version.store(2, SeqCst);
                    let gates = [("read", read), ("elect", elect), ("fill", fill), ("remove", fill)];
                    for (verb, gate) in gates {
                        world.store().set(verb, gate);
                    }
                    let anew = Asked { body, ..asked };
                    let begun = Instant::now();
                    let result =
                        timeout(Duration::from_secs(1), caught(refresh(anew.batch(&[0, 1, 2])))).await;
                    let took = begun.elapsed();
                    assert_eq!(
                        result.is_ok_and(|given| given == Some(all(&[0, 1, 2], 2))),
                        body == Body::Succeeds
                    );
                    let bound = BODY + TIMEOUT + Duration::from_millis(5);
                    assert!(took <= bound || body == Body::IsCancelled, "{what}: {took:?}");
                    world.store().heal();
                    sleep(Duration::from_secs(15)).await;
                    let now = Asked { body: Body::Succeeds, ..anew }.batch(&[0, 1]).await;
                    let version = if body == Body::Succeeds { 2 } else { 1 };
                    assert_eq!(now, all(&[0, 1], version), "{what}: given something older");
                    assert_eq!(world.cache.stats().recovering, 0, "{what}");
                    assert_eq!(world.cache.inner.flights.len(), 0, "{what}");
                }
            }
        }
    }
}
