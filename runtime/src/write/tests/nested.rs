//! Writes inside of writes: what they guard is released with the outermost one.

use std::{future::Future, pin::pin, time::Duration};

use cached_aside_protocol::Writers;
use tokio::time::{sleep, timeout};

use super::{GUARD_FOR, SAVE, SAVE_REQUIRED, SAVES, cache, save, store, stored, version};
use crate::{
    __private::update,
    AnyKey, Cache, Error,
    function::write::{Guard, WriteFunction},
    store::faulty::Gate,
    write::write,
};

static SAVE_OFF: WriteFunction = SAVES.guard(Guard::Off);
static SAVE_LONG: WriteFunction =
    SAVES.guard_for(Duration::from_secs(60)).settle(Duration::from_secs(5)).guard(Guard::BestEffort);

pub(super) async fn is_guarded(cache: &Cache, key: &str) -> bool {
    let there = store(cache).inside.read(key).await.unwrap();
    there.is_some_and(|bytes| Writers::read(&bytes).is_some())
}

pub(super) fn keys(names: &[&str]) -> Vec<AnyKey> {
    names.iter().map(|name| AnyKey::new(name)).collect()
}

/// A write of keys that its arguments name, and of keys that its result names.
pub(super) async fn writes<R>(
    cache: &Cache,
    function: &'static WriteFunction,
    before: &[&str],
    of_result: &[&str],
    body: impl Future<Output = R>,
) -> Result<R, Error> {
    let refuse: Option<fn(Error) -> Result<R, Error>> =
        (function.settings.guard == Guard::Required).then_some(Err as fn(Error) -> _);
    let body = pin!(async { Ok(body.await) });
    write(function, Some(&cache.inner), keys(before), refuse, body, |_| keys(of_result)).await
}

#[tokio::test(start_paused = true)]
async fn what_a_write_inside_guards_is_released_with_the_outermost_one() {
    let cache = cache();
    let outer = async {
        writes(&cache, &SAVE, &["inner"], &["of result"], async {}).await.unwrap();
        for key in ["outer", "inner", "of result"] {
            assert!(is_guarded(&cache, key).await, "{key}: the outer write is not over");
        }
        // And one that is deeper.
        let deep = writes(&cache, &SAVE, &["deepest"], &[], async {});
        writes(&cache, &SAVE, &["deep"], &[], deep).await.unwrap().unwrap();
        assert!(is_guarded(&cache, "deep").await && is_guarded(&cache, "deepest").await);
    };
    writes(&cache, &SAVE, &["outer"], &[], outer).await.unwrap();
    for key in ["outer", "inner", "of result", "deep", "deepest"] {
        assert!(!is_guarded(&cache, key).await, "{key} is released");
    }
    let stats = cache.stats();
    assert_eq!((stats.writes, stats.joined, stats.invalidated, stats.guards_lost), (4, 3, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_by_hand_inside_of_a_write_is_guarded_until_that_is_over() {
    let cache = cache();
    let outer = async {
        version().in_cache(&cache).invalidate().await.unwrap();
        cache.scope(AnyKey::new("any").invalidate()).await.unwrap();
        let untyped = crate::cache::key::key(
            &super::LOAD,
            AnyKey::new("cache"),
            super::coding::<u64, super::Bincode>(0),
        );
        cache.invalidate(&untyped).await.unwrap();
        cache.guard(keys(&["guard"])).await.unwrap().release().await.unwrap();
        cache.guard_best_effort(keys(&["best"])).await.release().await.unwrap();
        for key in ["k", "any", "cache", "guard", "best"] {
            assert!(is_guarded(&cache, key).await, "{key}");
        }
    };
    // Of a write that names no key before its body as well.
    writes(&cache, &SAVE, &[], &["result"], outer).await.unwrap();
    for key in ["k", "any", "cache", "guard", "best"] {
        assert_eq!(store(&cache).inside.read(key).await.unwrap(), None, "{key}");
    }
    version().in_cache(&cache).invalidate().await.unwrap();
    assert!(!is_guarded(&cache, "k").await, "outside it is deleted at once");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_a_guard_has_one_inside_of_another() {
    let cache = cache();
    let outer = async {
        writes(&cache, &SAVE_OFF, &["inner"], &[], async {
            assert!(is_guarded(&cache, "inner").await);
        })
        .await
        .unwrap();
        assert!(is_guarded(&cache, "inner").await && !is_guarded(&cache, "outer").await);
    };
    writes(&cache, &SAVE_OFF, &["outer"], &[], outer).await.unwrap();
    assert!(!is_guarded(&cache, "inner").await);
}

/// What the outer write gives may be older than what a write inside of it has made.
#[tokio::test(start_paused = true)]
async fn an_update_leaves_no_value_where_another_write_is_part_of_the_same() {
    let cache = cache();
    let body = pin!(async {
        writes(&cache, &SAVE, &["k"], &[], async {}).await.unwrap();
        Ok::<_, ()>(2)
    });
    update::<Result<u64, ()>, 2, _>(&SAVE, Some(&cache), None, [version()], body).await.unwrap();
    assert_eq!((stored(&cache).await, cache.stats().updated), (None, 0), "an update around a write");
    writes(&cache, &SAVE, &["other"], &[], async {
        assert_eq!(save(&cache, &SAVE, Duration::ZERO, 3).await, Some(3));
        assert!(is_guarded(&cache, "k").await);
    })
    .await
    .unwrap();
    assert_eq!((stored(&cache).await, cache.stats().updated), (None, 0), "an update inside of a write");
    save(&cache, &SAVE, Duration::ZERO, 4).await;
    assert_eq!(stored(&cache).await, Some(4));
}

static SAVE_BELOW: WriteFunction = SAVES.attributes_around(1);
static SAVE_BELOW_TWO: WriteFunction = SAVES.attributes_around(2);
static ANOTHER: WriteFunction = WriteFunction::declare(module_path!(), "another");

/// `#[invalidates]` above `#[updates]`: what the lower one leaves is as new as what the upper one deletes.
#[tokio::test(start_paused = true)]
async fn an_update_below_other_attributes_of_its_function_leaves_its_value() {
    let below = async |above: &'static WriteFunction, in_between: bool, function: &'static WriteFunction| {
        let cache = cache();
        let body = async {
            if in_between {
                writes(&cache, &SAVE_BELOW, &["middle"], &[], save(&cache, function, Duration::ZERO, 3))
                    .await
                    .unwrap()
            } else {
                save(&cache, function, Duration::ZERO, 3).await
            }
        };
        assert_eq!(writes(&cache, above, &["other"], &[], body).await.unwrap(), Some(3));
        stored(&cache).await
    };
    assert_eq!(below(&SAVE, false, &SAVE_BELOW).await, Some(3));
    assert_eq!(below(&SAVE, true, &SAVE_BELOW_TWO).await, Some(3));
    assert_eq!(below(&SAVE, true, &SAVE_BELOW).await, None, "called once more by its own body");
    assert_eq!(below(&ANOTHER, false, &SAVE_BELOW).await, None, "called by another one");
    assert_eq!(below(&SAVE, false, &SAVE).await, None, "it has no attribute above");
}

#[tokio::test(start_paused = true)]
async fn guards_placed_inside_are_renewed_for_as_long_as_the_outermost_write_runs() {
    let (one, other) = (cache(), cache());
    let outer = async {
        writes(&one, &SAVE, &["inner"], &[], async {}).await.unwrap();
        writes(&other, &SAVE, &[], &["of result"], async {}).await.unwrap();
        sleep(10 * GUARD_FOR).await;
        assert!(is_guarded(&one, "inner").await && is_guarded(&other, "of result").await);
    };
    // It has nothing of its own to renew.
    writes(&one, &SAVE, &[], &[], outer).await.unwrap();
    assert_eq!((one.stats().guards_lost, other.stats().guards_lost), (0, 0));
    assert!(!is_guarded(&one, "inner").await && !is_guarded(&other, "of result").await);
}

#[tokio::test(start_paused = true)]
async fn guards_hold_and_settle_as_long_as_the_longest_that_was_asked_for() {
    for settle in [Duration::ZERO, Duration::from_secs(5)] {
        let cache = cache();
        let outer = async {
            let function = if settle.is_zero() { &SAVE } else { &SAVE_LONG };
            writes(&cache, function, &["k"], &[], async {}).await.unwrap();
            writes(&cache, &SAVE, &["k"], &[], async {}).await.unwrap();
        };
        writes(&cache, &SAVE, &["k"], &[], outer).await.unwrap();
        assert_eq!(is_guarded(&cache, "k").await, !settle.is_zero());
        sleep(settle).await;
        assert!(!is_guarded(&cache, "k").await);
    }
    let cache = cache();
    let outer = async {
        writes(&cache, &SAVE_LONG, &["inner"], &[], async {}).await.unwrap();
        writes(&cache, &SAVE, &["last"], &[], async {}).await.unwrap();
        std::future::pending::<()>().await;
    };
    timeout(Duration::from_secs(1), writes(&cache, &SAVE, &["outer"], &[], outer)).await.unwrap_err();
    sleep(Duration::from_secs(59)).await;
    assert!(
        is_guarded(&cache, "outer").await && is_guarded(&cache, "inner").await,
        "nobody says whether it commits"
    );
    sleep(Duration::from_secs(2)).await;
    assert!(!is_guarded(&cache, "outer").await && !is_guarded(&cache, "inner").await);
}

/// Its statement may still be at work when the outer write is over.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_inside_leaves_its_guards_after_the_end() {
    let cache = cache();
    let outer = async {
        let dropped = writes(&cache, &SAVE, &["dropped"], &[], std::future::pending::<()>());
        timeout(Duration::from_secs(1), dropped).await.unwrap_err();
        writes(&cache, &SAVE, &["over"], &[], async {}).await.unwrap();
        drop(cache.guard(keys(&["by hand"])).await.unwrap());
    };
    writes(&cache, &SAVE, &["outer"], &[], outer).await.unwrap();
    sleep(GUARD_FOR / 2).await;
    for (key, stays) in [("dropped", true), ("by hand", true), ("over", false), ("outer", false)] {
        assert_eq!(is_guarded(&cache, key).await, stays, "{key}");
    }
    sleep(GUARD_FOR).await;
    assert!(!is_guarded(&cache, "dropped").await);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_requires_its_guards_is_refused_inside_of_another_as_well() {
    let cache = cache();
    let outer = async {
        store(&cache).set("guard", Gate::Fails);
        let refused = writes(&cache, &SAVE_REQUIRED, &["k"], &[], async { panic!("its body runs") }).await;
        assert!(matches!(refused, Err(Error::NotGuarded { .. })), "{refused:?}");
        let late = writes(&cache, &SAVE_REQUIRED, &[], &["late"], async {}).await;
        assert!(matches!(late, Err(Error::NotGuarded { .. })), "it has to be rolled back: {late:?}");
        store(&cache).heal();
        writes(&cache, &SAVE_REQUIRED, &["k"], &["late"], async {}).await.unwrap();
        assert!(is_guarded(&cache, "k").await && is_guarded(&cache, "late").await, "it is tried again");
    };
    writes(&cache, &SAVE, &[], &[], outer).await.unwrap();
    assert_eq!((cache.stats().writes_refused, cache.inner.recovery.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_guarded_inside_is_owed_until_the_outermost_write_is_over() {
    let cache = cache();
    let outer = async {
        store(&cache).set("guard", Gate::Fails);
        store(&cache).set("release", Gate::Fails);
        writes(&cache, &SAVE, &["k"], &["late"], async {}).await.unwrap();
        version().in_cache(&cache).invalidate().await.unwrap_err();
        assert!(cache.inner.is_listed("k") && cache.inner.is_listed("late"));
        assert_eq!(
            cache.flush_recovery().await.map_err(|_| ()),
            Err(()),
            "nothing is delivered before the end"
        );
        assert_eq!(cache.stats().undelivered, 0);
    };
    writes(&cache, &SAVE, &[], &[], outer).await.unwrap();
    assert_eq!(cache.stats().undelivered, 2);
    store(&cache).heal();
    cache.flush_recovery().await.unwrap();
    assert_eq!(cache.inner.recovery.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_body_spawns_is_outside_of_its_write() {
    let cache = cache();
    let outer = async {
        let spawned = cache.clone();
        tokio::spawn(async move { writes(&spawned, &SAVE, &["spawned"], &[], async {}).await.unwrap() })
            .await
            .unwrap();
        assert!(!is_guarded(&cache, "spawned").await && is_guarded(&cache, "outer").await);
    };
    writes(&cache, &SAVE, &["outer"], &[], outer).await.unwrap();
    assert_eq!(cache.stats().joined, 0);
}

/// At every number of polls of the outer call: no guard stays that nobody releases.
#[tokio::test(start_paused = true)]
async fn a_write_is_dropped_at_every_await_with_others_inside() {
    use std::{future::poll_fn, task::Poll};
    for polls in 0..40 {
        let cache = cache();
        for verb in ["guard", "release", "remove"] {
            store(&cache).set(verb, Gate::Slow);
        }
        let inner = async {
            sleep(Duration::from_millis(1)).await;
            writes(&cache, &SAVE, &["inner"], &["of result"], async {
                sleep(Duration::from_millis(1)).await;
            })
            .await
            .unwrap();
        };
        let mut over = false;
        {
            let mut call = pin!(writes(&cache, &SAVE, &["outer"], &["removed"], inner));
            for _ in 0..polls {
                let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
                if polled {
                    over = true;
                    break;
                }
                sleep(Duration::from_millis(7)).await;
            }
        }
        store(&cache).heal();
        sleep(GUARD_FOR + Duration::from_secs(1)).await;
        for key in ["outer", "inner", "of result"] {
            assert!(!is_guarded(&cache, key).await, "{polls}: {key} stays");
        }
        assert_eq!(cache.inner.recovery.len(), 0, "{polls}");
        if over {
            return;
        }
    }
    panic!("it is never over");
}
