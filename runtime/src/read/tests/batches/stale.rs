//! Batches over entries that have grown old.

use super::{
    super::{
        local::KEPT,
        refresh::{KEEPS, REVALIDATES, WINDOW, stale},
    },
    *,
};
use crate::overrides::refresh;

/// Of ids 0, 1 and 2 the first version is stored and stale; the origin has the second.
async fn old(function: &'static ReadFunction) -> (World, Asked) {
    let world = World::new();
    let asked = world.asked(function);
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 1));
    sleep(STALE).await;
    world.version.store(2, SeqCst);
    asked.given();
    (world, asked)
}

#[tokio::test(start_paused = true)]
async fn elected_keys_reload_together_and_others_are_given_stale_values() {
    let (world, asked) = old(&REVALIDATES).await;
    let elected = tokio::spawn(asked.batch(&[0, 1, 3]));
    sleep(BODY / 2).await;
    let begun = Instant::now();
    assert_eq!(asked.batch(&[1, 0]).await, all(&[0, 1], 1), "somebody reloads them");
    assert!(begun.elapsed() < BODY / 2, "and is not waited for");
    assert_eq!(elected.await.unwrap(), all(&[0, 1, 3], 2));
    assert_eq!(asked.given(), [[0, 1, 3]], "one body for the stale ones and the missing one");
    assert_eq!(asked.batch(&[0, 1, 3]).await, all(&[0, 1, 3], 2));
    assert!(asked.given().is_empty());
    let counts = world.cache.stats().total;
    assert_eq!((counts.refreshes, counts.stale), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failed_reload_is_covered_if_every_missing_id_is() {
    for function in [&KEEPS, &REVALIDATES] {
        let (world, asked) = old(function).await;
        let fails = Asked { body: Body::Fails, ..asked.clone() };
        assert_eq!(fails.batch(&[0, 1]).await, all(&[0, 1], 1), "{}", function.settings.name);
        assert_eq!(fails.given(), [[0, 1]]);
        assert_eq!(world.cache.stats().total.refreshes_failed, 2);
        assert_eq!(fails.batch(&[2, 7]).await, Err(Failed("body".to_owned())), "7 has no old value");
        assert_eq!(fails.given(), [[2, 7]]);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(asked.batch(&[0, 1, 2, 7]).await, all(&[0, 1, 2, 7], 2), "nobody waits for anything");
        assert_eq!(world.cache.inner.flights.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_whatever_the_store_and_the_body_do() {
    quietly();
    for function in [&KEEPS, &REVALIDATES] {
        for elect in GATES {
            for fill in GATES {
                for body in BODIES {
                    let what = format!("{} elect {elect:?} fill {fill:?} {body:?}", function.settings.name);
                    let (world, asked) = old(function).await;
                    let gates = [("elect", elect), ("fill", fill), ("abandon", fill)];
                    for (verb, gate) in gates {
                        world.store().set(verb, gate);
                    }
                    let reload = Asked { body, ..asked.clone() };
                    let begun = Instant::now();
                    let result = timeout(Duration::from_secs(1), caught(reload.batch(&[0, 1, 2]))).await;
                    if let Ok(Some(given)) = result {
                        assert!(
                            [all(&[0, 1, 2], 1), all(&[0, 1, 2], 2)].contains(&given),
                            "{what}: {given:?}"
                        );
                    }
                    let bound = BODY + TIMEOUT + Duration::from_millis(5);
                    assert!(begun.elapsed() <= bound || body == Body::IsCancelled, "{what}");
                    world.store().heal();
                    sleep(Duration::from_secs(5)).await;
                    // Whoever reloads now may be given the old value once, where another process seems to reload.
                    let _ = asked.batch(&[0, 1, 2]).await;
                    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 2), "{what}: stale for ever");
                    assert_eq!(world.cache.inner.flights.len(), 0, "{what}");
                }
            }
        }
    }
}

static SOON: ReadFunction = {
    let mut function =
        ReadFunction::declare(module_path!(), "soon", "version:{key}", TTL).jitter(0).lease(LEASE).wait(WAIT);
    function.settings.staleness = Staleness { early: 100.0, ..Staleness::NONE };
    function
};

#[tokio::test(start_paused = true)]
async fn early_refreshes_go_into_the_body_of_the_batch() {
    let world = World::new();
    let asked = world.asked(&SOON);
    assert!(asked.batch(&[0, 1]).await.is_ok());
    world.version.store(2, SeqCst);
    asked.given();
    // With this beta the chance is all but certain shortly before the end.
    sleep(TTL.saturating_sub(Duration::from_millis(1))).await;
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 2));
    assert_eq!(asked.given(), [[0, 1, 2]]);
    assert_eq!(world.cache.stats().total.early_refreshes, 2);
}

/// Nobody renews the lease of what was loaded meanwhile.
#[tokio::test(start_paused = true)]
async fn what_was_loaded_is_stored_while_copies_of_what_was_not_are_waited_for() {
    let world = World::with_copy().await;
    let asked = Asked { absent: vec![0], ..world.asked(&KEPT) };
    let stored = world.cache.stats().total.stored;
    let batch = tokio::spawn(refresh(asked.batch(&[0, 1])));
    sleep(BODY + TICK * 3).await;
    assert!(!batch.is_finished(), "there is a copy of what is deleted");
    assert_eq!(world.cache.stats().total.stored, stored + 1);
    assert_eq!(batch.await.unwrap(), all(&[1], 1));
    assert_eq!(asked.given(), [[0, 1]]);
}

/// Another call of this process comes to lead that key while the body of the others runs.
#[tokio::test(start_paused = true)]
async fn past_the_soft_limit_a_batch_gives_the_old_value_whoever_leads_its_key_by_then() {
    const SOFT: Duration = Duration::from_millis(40);
    static FUNCTION: ReadFunction =
        stale("soft_batch", Staleness { if_error: WINDOW, soft_limit: Some(SOFT), ..Staleness::NONE });
    let (world, asked) = old(&FUNCTION).await;
    world.is_reloaded_elsewhere().await;
    let begun = Instant::now();
    let timed = async |after: Duration, ids: &[u64]| {
        sleep(after).await;
        (asked.batch(ids).await, begun.elapsed())
    };
    let late = BODY.saturating_sub(TICK * 2);
    let ((both, took), (one, led)) = tokio::join!(timed(Duration::ZERO, &[0, 7]), timed(late, &[0]));
    assert_eq!(both, Ok(BTreeMap::from([(0, 1), (7, 2)])));
    assert_eq!(one, all(&[0], 1));
    assert!(led >= late + SOFT, "{led:?}");
    assert!((SOFT..SOFT + TICK * 3).contains(&took), "{took:?}: it waited for as long as its leader");
    assert_eq!(asked.given(), [[7]]);
}
