//! Refreshes against everything that the store and the body can do.

use cached_aside_protocol::steps::{Elect, Remove};

use super::{batches::all, *};
use crate::{
    codec::coding::error_coding, function::staleness::Staleness, outcome::stored_errors,
    overrides::only_cached, transaction,
};

pub(super) const WINDOW: Duration = Duration::from_secs(600);
/// Past the TTL, and long before the end of the window.
pub(super) const STALE: Duration = TTL.saturating_add(Duration::from_secs(1));

pub(super) const fn stale(name: &'static str, staleness: Staleness) -> ReadFunction {
    let mut function =
        ReadFunction::declare(module_path!(), name, "version:{key}", TTL).jitter(0).lease(LEASE).wait(WAIT);
    function.settings.staleness = staleness;
    function
}

pub(super) static REVALIDATES: ReadFunction =
    stale("revalidates", Staleness { while_revalidate: WINDOW, ..Staleness::NONE });
pub(super) static KEEPS: ReadFunction = stale("keeps", Staleness { if_error: WINDOW, ..Staleness::NONE });
pub(super) static IN_BACKGROUND: ReadFunction =
    stale("in_background", Staleness { while_revalidate: WINDOW, in_background: true, ..Staleness::NONE });

impl World {
    /// The first version is in the store and stale, and the database has the second.
    pub(super) async fn old(function: &'static ReadFunction) -> World {
        let world = World::new();
        assert_eq!(world.read_by(function, Body::Succeeds).await, Ok(1));
        sleep(STALE).await;
        world.version.store(2, SeqCst);
        world.bodies.store(0, SeqCst);
        world
    }

    /// Another process reloads, and goes on doing so.
    pub(super) async fn is_reloaded_elsewhere(&self) {
        let inside = &self.store().inside;
        let seen = entry::header_of(&inside.read("k").await.unwrap().unwrap());
        let elect =
            Elect { expected: seen, token: Token::fresh(), hold: Duration::from_secs(60), force: false };
        assert!(inside.run("k", &elect).await.unwrap());
    }

    /// After whatever happened: the next caller reloads, and nobody waits for anything.
    async fn refreshes_again(&self, function: &'static ReadFunction, what: &str) {
        self.store().heal();
        // Longer than a refresh goes unrenewed, and than the pause after one that has failed.
        sleep(Duration::from_secs(5)).await;
        let first = self.read_by(function, Body::Succeeds).await;
        assert!(matches!(first, Ok(1 | 2)), "{what}: {first:?}");
        // In the background it takes a while.
        sleep(Duration::from_secs(1)).await;
        let bodies = self.bodies.load(SeqCst);
        assert_eq!(self.read_by(function, Body::Succeeds).await, Ok(2), "{what}: stale for ever");
        assert_eq!(self.bodies.load(SeqCst), bodies, "{what}: the cache is not in use again");
        assert_eq!(self.cache.inner.flights.len(), 0, "{what}: a flight is left");
        assert_eq!(self.store().inside.watched(), 0, "{what}: a watch is left");
        assert_eq!(self.cache.inner.background.stop(), 0, "{what}: a place is left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whatever_the_store_and_the_body_do() {
    quietly();
    let mut runs = 0;
    for function in [&REVALIDATES, &KEEPS, &IN_BACKGROUND] {
        for read in GATES {
            for elect in GATES {
                for end in GATES {
                    for body in BODIES {
                        let name = function.settings.name;
                        let what = format!("{name} read {read:?} elect {elect:?} end {end:?} {body:?}");
                        let world = World::old(function).await;
                        let gates = [("read_timed", read), ("elect", elect), ("fill", end), ("abandon", end)];
                        for (verb, gate) in gates {
                            world.store().set(verb, gate);
                        }
                        let begun = Instant::now();
                        let call = caught(world.read_by(function, body));
                        let result = timeout(Duration::from_secs(1), call).await;
                        let took = begun.elapsed();
                        let answered = |gate| matches!(gate, Gate::Passes | Gate::Slow);
                        let Staleness { in_background, if_error, .. } = function.settings.staleness;
                        let waits = !if_error.is_zero() || answered(elect) && !in_background;
                        let expected = match body {
                            _ if answered(read) && !waits => Ok(Some(Ok(1))),
                            Body::Succeeds => Ok(Some(Ok(2))),
                            Body::Fails if answered(read) => Ok(Some(Ok(1))),
                            Body::Fails => Ok(Some(Err(Failed("body".to_owned())))),
                            Body::Panics => Ok(None),
                            Body::IsCancelled => Err(()),
                        };
                        assert_eq!(result.map_err(drop), expected, "{what}");
                        assert!(world.bodies.load(SeqCst) <= 1, "{what}: the body runs once at most");
                        let bound = BODY + TIMEOUT + Duration::from_millis(5);
                        assert!(took <= bound || body == Body::IsCancelled, "{what}: {took:?}");
                        if body != Body::IsCancelled || waits || !answered(read) {
                            world.refreshes_again(function, &what).await;
                        }
                        runs += 1;
                    }
                }
            }
        }
    }
    assert_eq!(runs, 1_500);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_cancelled_at_every_await_with_others_reading() {
    quietly();
    for function in [&REVALIDATES, &KEEPS, &IN_BACKGROUND] {
        for slow in [&["read_timed", "elect", "fill", "abandon"][..], &["fill"], &[]] {
            let mut ended = false;
            let mut polls = 0;
            while !ended {
                let what = format!("{} slow {slow:?}, {polls} polls", function.settings.name);
                let world = World::old(function).await;
                for verb in slow {
                    world.store().set(verb, Gate::Slow);
                }
                let others = async {
                    let reads: Vec<_> =
                        (0..3).map(|_| tokio::spawn(world.read_by(function, Body::Succeeds))).collect();
                    for read in reads {
                        let given = read.await.unwrap();
                        assert!(matches!(given, Ok(1 | 2)), "{what}: {given:?}");
                    }
                };
                let cancelled = cancelled_after(polls, world.read_by(function, Body::Succeeds));
                let begun = Instant::now();
                (ended, ()) = tokio::join!(cancelled, others);
                assert!(begun.elapsed() < Duration::from_millis(600), "{what}: {:?}", begun.elapsed());
                world.refreshes_again(function, &what).await;
                polls += 1;
            }
            assert!(polls > 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_of_another_process_is_waited_for_no_longer_than_the_wait() {
    let world = World::old(&KEEPS).await;
    world.is_reloaded_elsewhere().await;
    let begun = Instant::now();
    assert_eq!(world.read_by(&KEEPS, Body::Succeeds).await, Ok(2));
    let took = begun.elapsed();
    assert!((WAIT..WAIT + BODY * 2).contains(&took), "{took:?}");
    let begun = Instant::now();
    assert_eq!(world.read_by(&KEEPS, Body::Fails).await, Ok(1), "the old value is given all the same");
    assert!(begun.elapsed() >= WAIT);
    assert_eq!(world.cache.stats().total.unstored, 2);
}

/// The last look comes when there is no time left for its answer.
#[tokio::test(start_paused = true)]
async fn past_the_soft_limit_the_old_value_of_the_last_look_is_given() {
    const SOFT: Duration = Duration::from_millis(300);
    static FUNCTION: ReadFunction =
        stale("soft", Staleness { if_error: WINDOW, soft_limit: Some(SOFT), ..Staleness::NONE });
    let world = World::old(&FUNCTION).await;
    world.is_reloaded_elsewhere().await;
    world.store().set("watch", Gate::Slow);
    let begun = Instant::now();
    assert_eq!(world.read_by(&FUNCTION, Body::Succeeds).await, Ok(1));
    let took = begun.elapsed();
    assert!((SOFT..SOFT * 2).contains(&took), "{took:?}");
    assert_eq!(world.bodies.load(SeqCst), 0, "another process is loading it");
}

#[tokio::test(start_paused = true)]
async fn no_more_refreshes_than_there_are_places_run_in_the_background() {
    let world = World::old(&IN_BACKGROUND).await;
    let slots: Vec<_> = std::iter::from_fn(|| world.cache.inner.background.slot()).collect();
    assert_eq!(world.read_by(&IN_BACKGROUND, Body::Succeeds).await, Ok(1));
    sleep(BODY * 2).await;
    assert_eq!(world.bodies.load(SeqCst), 0, "crowded, the old value is given and nobody is elected");
    drop(slots);
    world.refreshes_again(&IN_BACKGROUND, "after a crowd").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_given_the_old_value_before_its_refresh_begins() {
    let world = World::old(&REVALIDATES).await;
    let store = world.store();
    let old = store.inside.read("k").await.unwrap().unwrap();
    assert_eq!(store.inside.run_all(&["k"], &[Remove]).await.unwrap(), [Ok(Duration::ZERO)]);
    store.set("acquire", Gate::Slow);
    let begun = Instant::now();
    let timed = async |number: u32| {
        sleep(SLOW / 10 * number).await;
        (world.read_by(&REVALIDATES, Body::Succeeds).await.unwrap(), begun.elapsed())
    };
    // Alongside find nothing; before the lease is there, an old value is.
    let comes = async {
        sleep(SLOW / 4).await;
        store.inside.plant("k", old.into());
    };
    let ((leads, led), (follows, followed), ()) = tokio::join!(timed(0), timed(1), comes);
    assert_eq!((leads, follows), (2, 1));
    assert!(followed < BODY && led >= BODY, "{followed:?}, and the refresh was over after {led:?}");
    assert_eq!(world.cache.stats().total.refreshes, 1);
}

/// What is replaced can be given to others until that is done.
#[tokio::test(start_paused = true)]
async fn who_replaces_a_value_waits_until_it_has_been_replaced() {
    for anew in [false, true] {
        let world = World::old(&REVALIDATES).await;
        world.store().set("fill", Gate::Slow);
        let begun = Instant::now();
        let read = world.read_by(&REVALIDATES, Body::Succeeds);
        let version = if anew { crate::refresh(read).await } else { read.await };
        assert_eq!(version, Ok(2));
        assert!(begun.elapsed() >= BODY + SLOW, "anew: {anew}");
    }
}

/// Its errors are answers, and are stored.
static ANSWERS: ReadFunction = ReadFunction::declare(module_path!(), "answers", "answer:{key}", TTL)
    .jitter(0)
    .lease(LEASE)
    .error_ttl(TTL);

impl World {
    fn answers(&self, answer: Result<u64, &str>) -> impl Future<Output = Result<u64, String>> + use<> {
        let (cache, answer) = (self.cache.clone(), answer.map_err(str::to_owned));
        async move {
            let origin = async {
                sleep(BODY).await;
                answer
            };
            let returns = ReturnAdapter::<Result<u64, String>, 2>::SHARED
                .storing(|| stored_errors(error_coding::<String, Bincode>(0), |_| true));
            let (key, coding) = (AnyKey::new("k"), coding::<u64, Bincode>(0));
            load::<_, 2, _>(&ANSWERS, Some(&cache.inner), key, coding, returns, pin!(origin)).await
        }
    }
}

#[tokio::test(start_paused = true)]
async fn loading_anew_with_an_error_leaves_the_value_whatever_the_store_does() {
    for fill in GATES {
        let world = World::new();
        assert_eq!(world.answers(Ok(1)).await, Ok(1));
        for verb in ["fill", "abandon", "remove"] {
            world.store().set(verb, fill);
        }
        assert_eq!(refresh(world.answers(Err("gone"))).await, Err("gone".to_owned()));
        world.store().heal();
        sleep(Duration::from_secs(15)).await;
        assert_eq!(world.answers(Ok(2)).await, Ok(1), "{fill:?}: it is there no more");
        let counts = world.cache.stats().total;
        assert_eq!((counts.stored, counts.refreshes, counts.refreshes_failed), (1, 1, 1), "{fill:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn loading_anew_with_an_error_stores_it_where_there_is_no_value() {
    let world = World::new();
    assert_eq!(refresh(world.answers(Err("gone"))).await, Err("gone".to_owned()));
    assert_eq!(world.answers(Ok(1)).await, Err("gone".to_owned()), "it is stored");
    assert_eq!(refresh(world.answers(Err("away"))).await, Err("away".to_owned()));
    assert_eq!(world.answers(Ok(1)).await, Err("away".to_owned()), "in the place of another");
    assert_eq!(refresh(world.answers(Ok(1))).await, Ok(1));
    assert_eq!(world.answers(Ok(2)).await, Ok(1));

    // Where it is refused, what stands there is left alone.
    let there = world.store().inside.read("k").await.unwrap().unwrap();
    world.cache.invalidate_keys([AnyKey::new("k")]).await.unwrap();
    let meanwhile = async {
        sleep(BODY / 2).await;
        world.store().inside.plant("k", there.into());
    };
    let (failed, ()) = tokio::join!(refresh(world.answers(Err("gone"))), meanwhile);
    assert_eq!(failed, Err("gone".to_owned()));
    assert_eq!(world.answers(Ok(2)).await, Ok(1));
    assert_eq!(world.cache.stats().total.fills_refused, 1);
}

#[tokio::test(start_paused = true)]
async fn loads_anew_are_counted_as_refreshes_when_they_begin() {
    for batch in [false, true] {
        let world = World::new();
        let anew = async |body| {
            if batch {
                let given = refresh(world.asked_for(&LOAD, body).batch(&[0])).await;
                assert_eq!(given.is_ok(), body == Body::Succeeds);
            } else {
                assert_eq!(refresh(world.read(body)).await.is_ok(), body == Body::Succeeds);
            }
        };
        let counted = || {
            let counts = world.cache.stats().total;
            (counts.refreshes, counts.refreshes_failed)
        };
        anew(Body::Succeeds).await;
        assert_eq!(counted(), (0, 0), "there was nothing to refresh");
        anew(Body::Succeeds).await;
        assert_eq!(counted(), (1, 0), "batch: {batch}");
        world.store().set("elect", Gate::Fails);
        anew(Body::Fails).await;
        assert_eq!(counted(), (1, 0), "batch: {batch}: it was not begun");
        world.store().heal();
        anew(Body::Fails).await;
        assert_eq!(counted(), (2, 1), "batch: {batch}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_no_body_is_not_bypassed() {
    let world = World::new();
    let asked = world.asked_for(&LOAD, Body::Succeeds);
    let in_transaction = transaction(async {
        let absent = only_cached(world.read(Body::Succeeds)).await;
        assert!(absent.is_err());
        assert_eq!(only_cached(asked.batch(&[0, 1])).await, all(&[], 1));
        Ok::<_, Failed>(())
    });
    in_transaction.await.unwrap();
    assert_eq!((world.cache.stats().total.bypassed, world.bodies.load(SeqCst)), (0, 0));
}
