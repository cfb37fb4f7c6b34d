//! What a transaction writes is one write.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::{
    GUARD_FOR, SAVE, SAVE_REQUIRED, SAVES, cache,
    nested::{is_guarded, keys, writes},
    save, store, stored, version,
};
use crate::{
    AnyKey, Cache, Error, Source, bypass, cached_aside,
    function::write::{Guard, WriteFunction},
    inherit, invalidate, observe, only_cached, refresh,
    store::faulty::{Gate, SLOW},
    transaction,
    write::{pieces::PIECE, write},
};

static SAVE_SETTLING: WriteFunction = SAVES.settle(Duration::from_secs(5));

/// How many bodies have run.
static BODIES: AtomicU64 = AtomicU64::new(0);

#[cached_aside(ttl = "5m", key = "{name}")]
async fn read(name: &str) -> Option<u64> {
    tokio::task::yield_now().await;
    let _ = name;
    Some(BODIES.fetch_add(1, SeqCst) + 1)
}

async fn one_write(cache: &Cache, key: &str) {
    writes(cache, &SAVE, &[key], &[], async {}).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn guards_are_released_when_the_transaction_is_over() {
    let cache = cache();
    let gives = cache.scope(transaction(async {
        one_write(&cache, "one").await;
        writes(&cache, &SAVE, &[], &["of result"], async {}).await.unwrap();
        invalidate(keys(&["by hand", "too"])).await;
        assert_eq!(save(&cache, &SAVE, Duration::ZERO, 2).await, Some(2));
        sleep(10 * GUARD_FOR).await;
        for key in ["one", "of result", "by hand", "too", "k"] {
            assert!(is_guarded(&cache, key).await, "{key}");
        }
        7
    }));
    assert_eq!(gives.await, 7);
    for key in ["one", "of result", "by hand", "too", "k"] {
        assert_eq!(store(&cache).inside.read(key).await.unwrap(), None, "{key}, also what was updated");
    }
    let stats = cache.stats();
    assert_eq!((stats.transactions, stats.transactions_failed, stats.joined), (1, 0, 3));
    assert_eq!((stats.guards_lost, stats.updated, stats.invalidated), (0, 0, 5));
}

#[tokio::test(start_paused = true)]
async fn after_an_error_the_guards_stay_for_a_second_or_as_long_as_they_settle() {
    for (function, stays) in [(&SAVE, Duration::from_secs(1)), (&SAVE_SETTLING, Duration::from_secs(5))] {
        let cache = cache();
        let failed = transaction(async {
            writes(&cache, function, &["k"], &["late"], async {}).await.unwrap();
            Err::<(), _>("the commit was not answered")
        });
        failed.await.unwrap_err();
        sleep(stays.saturating_sub(Duration::from_millis(10))).await;
        assert!(is_guarded(&cache, "k").await && is_guarded(&cache, "late").await);
        sleep(Duration::from_millis(20)).await;
        assert!(!is_guarded(&cache, "k").await && !is_guarded(&cache, "late").await);
        assert_eq!((cache.stats().transactions, cache.stats().transactions_failed), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_error_a_write_that_commits_itself_keeps_its_guards_as_a_transaction_does() {
    static OWN: WriteFunction = SAVES.own_transaction();
    for (function, stays) in [(&OWN, true), (&SAVE, false)] {
        let cache = cache();
        let gives = async |result: Result<(), ()>| {
            let body = pin!(async {
                one_write(&cache, "inside").await;
                result
            });
            write(function, Some(&cache.inner), keys(&["k"]), None, body, |_| Vec::new()).await
        };
        gives(Err(())).await.unwrap_err();
        for key in ["k", "inside"] {
            assert_eq!(is_guarded(&cache, key).await, stays, "{key}");
        }
        sleep(Duration::from_millis(1001)).await;
        assert!(!is_guarded(&cache, "k").await && !is_guarded(&cache, "inside").await);
        gives(Ok(())).await.unwrap();
        assert!(!is_guarded(&cache, "k").await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_dropped_or_panics_leaves_its_guards_for_as_long_as_they_hold() {
    for panics in [false, true] {
        let cache = cache();
        let inside = cache.clone();
        let future = transaction(async move {
            one_write(&inside, "k").await;
            sleep(3 * GUARD_FOR).await;
            assert!(!panics, "as it was told");
            pending::<()>().await;
        });
        let task = tokio::spawn(timeout(4 * GUARD_FOR, future)).await;
        assert_eq!(task.is_err(), panics);
        sleep(GUARD_FOR.saturating_sub(Duration::from_secs(1))).await;
        assert!(is_guarded(&cache, "k").await, "the database may still be committing");
        sleep(Duration::from_secs(2)).await;
        assert!(!is_guarded(&cache, "k").await);
        let stats = cache.stats();
        assert_eq!((stats.guards_lost, stats.transactions, stats.transactions_failed), (0, 1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_inside_of_another_write_ends_nothing() {
    let cache = cache();
    let inner = async |key: &'static str, fails: bool| {
        let one = one_write(&cache, key);
        transaction(async {
            one.await;
            if fails { Err(()) } else { Ok(()) }
        })
        .await
    };
    for (around, fails) in [("transaction", false), ("transaction", true), ("write", false), ("write", true)]
    {
        let body = async {
            assert_eq!(inner("k", fails).await.is_err(), fails);
            assert!(is_guarded(&cache, "k").await, "{around}");
        };
        if around == "write" {
            writes(&cache, &SAVE, &["outer"], &[], body).await.unwrap();
        } else {
            transaction(body).await;
        }
        assert_eq!(is_guarded(&cache, "k").await, fails, "{around}: its commit may still happen");
        sleep(Duration::from_millis(1_100)).await;
        assert!(!is_guarded(&cache, "k").await, "{around}");
    }
    assert_eq!(cache.stats().transactions, 2);
    transaction(async {
        timeout(
            Duration::from_secs(1),
            transaction(async {
                one_write(&cache, "k").await;
                pending::<()>().await;
            }),
        )
        .await
        .unwrap_err();
    })
    .await;
    sleep(GUARD_FOR / 2).await;
    assert!(is_guarded(&cache, "k").await, "one was dropped inside");
}

#[tokio::test(start_paused = true)]
async fn reads_inside_run_their_bodies_and_store_and_share_nothing() {
    let cache = cache();
    let outside = cache.clone();
    cache
        .scope(async {
            read("there").await;
            transaction(async {
                let before = BODIES.load(SeqCst);
                let (value, observed) = observe(read("there")).await;
                assert_eq!((value, observed.source()), (Some(before + 1), Some(Source::Bypassed)));
                assert_eq!(bypass(read("there")).await, Some(before + 2));
                assert_eq!(refresh(read("there")).await, Some(before + 3));
                assert_eq!(read("missing").await, Some(before + 4));
                assert_eq!(refresh(read("missing")).await, Some(before + 5));
                assert_eq!(only_cached(read("there")).await, None);
                assert_eq!(read::key("there").peek().await.unwrap(), None);
                assert!(store(&cache).inside.read("missing").await.unwrap().is_none());
                // Beside a load outside that is under way: neither takes part in the other's.
                let load = tokio::spawn(async move { outside.scope(read("both")).await });
                tokio::task::yield_now().await;
                let (inside, loaded) = (read("both").await, load.await.unwrap());
                assert_ne!(inside, loaded);
            })
            .await;
            assert_eq!(read("there").await, Some(1), "what was there is there still");
        })
        .await;
    let stats = cache.stats().function("read");
    assert_eq!((stats.shared, stats.waited, stats.stored), (0, 0, 2));
}

#[cached_aside(ttl = "5m", key = "rate:{name}")]
async fn rate(name: &str) -> u64 {
    tokio::task::yield_now().await;
    let _ = name;
    BODIES.fetch_add(1, SeqCst)
}

/// What a task inherits lasts until the transaction is over, or the write that the task has begun until then.
#[tokio::test(start_paused = true)]
async fn tasks_are_part_of_a_transaction_if_they_inherit_it() {
    let cache = cache();
    let stray = cache
        .scope(transaction(async {
            let (one, two, three) = (cache.clone(), cache.clone(), cache.clone());
            tokio::spawn(async move { one_write(&one, "outside").await }).await.unwrap();
            tokio::spawn(inherit(async move { one_write(&two, "inside").await })).await.unwrap();
            assert!(!is_guarded(&cache, "outside").await && is_guarded(&cache, "inside").await);
            let stray = tokio::spawn(inherit(async move {
                let body = async {
                    sleep(2 * GUARD_FOR).await;
                    rate("inside").await
                };
                let read = writes(&three, &SAVE, &["stray"], &["late"], body).await.unwrap();
                assert!(!is_guarded(&three, "stray").await, "it is over");
                one_write(&three, "another").await;
                assert!(!is_guarded(&three, "another").await, "a write of its own");
                (read, rate("outside").await)
            }));
            tokio::task::yield_now().await;
            (stray,)
        }))
        .await;
    let (stray,) = stray;
    assert!(is_guarded(&cache, "stray").await, "its statement may still be at work");
    stray.await.unwrap();
    let stats = cache.stats().function("rate");
    assert_eq!(
        (stats.stored, stats.bypassed),
        (1, 1),
        "the write was not over when it read, and then it was"
    );
    assert!(!is_guarded(&cache, "late").await && !is_guarded(&cache, "inside").await);
}

/// Its guard arrives when the transaction has released all that it knew.
#[tokio::test(start_paused = true)]
async fn a_guard_that_is_on_its_way_when_the_transaction_ends_is_released_too() {
    let cache = cache();
    store(&cache).set("guard", Gate::Slow);
    let inside = cache.clone();
    let (task,) = transaction(async {
        let task = tokio::spawn(inherit(async move { one_write(&inside, "k").await }));
        sleep(SLOW / 4).await;
        (task,)
    })
    .await;
    assert!(!is_guarded(&cache, "k").await, "not yet");
    task.await.unwrap();
    assert!(!is_guarded(&cache, "k").await, "not any more");
    assert_eq!((cache.stats().joined, cache.stats().transactions), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn several_caches_have_guards_of_their_own_that_are_released_together() {
    let (one, other) = (cache(), cache());
    transaction(async {
        one_write(&one, "k").await;
        version().in_cache(&other).invalidate().await.unwrap();
        sleep(5 * GUARD_FOR).await;
        assert!(is_guarded(&one, "k").await && is_guarded(&other, "k").await);
    })
    .await;
    for cache in [&one, &other] {
        assert!(!is_guarded(cache, "k").await);
        assert_eq!((cache.stats().transactions, cache.stats().guards_lost), (1, 0));
    }
}

static SAVE_INSIDE: WriteFunction = SAVES.guard(Guard::Required).in_transaction_only();

#[tokio::test(start_paused = true)]
async fn a_write_of_a_transaction_is_refused_outside_of_one_and_inside_of_another_write() {
    let cache = cache();
    let refused = async || {
        let refused = writes(&cache, &SAVE_INSIDE, &["k"], &[], async { panic!("its body runs") }).await;
        assert!(matches!(refused, Err(Error::OutsideTransaction { function: "save" })), "{refused:?}");
    };
    refused().await;
    writes(&cache, &SAVE, &["outer"], &[], refused()).await.unwrap();
    transaction(async {
        writes(&cache, &SAVE_INSIDE, &["k"], &[], async {}).await.unwrap();
        let inner = async { writes(&cache, &SAVE_INSIDE, &["k"], &[], async {}).await.unwrap() };
        writes(&cache, &SAVE, &["outer"], &[], inner).await.unwrap();
    })
    .await;
    assert_eq!((cache.stats().writes_refused, cache.stats().joined), (2, 3));
}

/// A bulk import: key by key, and all at once.
#[tokio::test(start_paused = true)]
async fn a_transaction_guards_and_releases_many_keys_in_packets_of_bounded_size() {
    const MANY: usize = 10 * PIECE;
    let cache = cache();
    let name = |number: usize| format!("k{number}");
    let mut over = Instant::now();
    transaction(async {
        for number in 0..MANY {
            one_write(&cache, &name(number)).await;
        }
        store(&cache).set("guard", Gate::Slow);
        let begun = Instant::now();
        cache.invalidate_keys((MANY..2 * MANY).map(|number| AnyKey::new(&name(number)))).await.unwrap();
        assert_eq!(begun.elapsed(), 10 * SLOW, "ten packets");
        sleep(2 * GUARD_FOR).await;
        for number in 0..2 * MANY {
            assert!(is_guarded(&cache, &name(number)).await, "{number}");
        }
        store(&cache).set("release", Gate::Slow);
        over = Instant::now();
    })
    .await;
    assert_eq!(over.elapsed(), 20 * SLOW, "and twenty to release them");
    assert_eq!((cache.stats().guards_lost, cache.stats().invalidated), (0, 2 * MANY as u64));
    for number in 0..2 * MANY {
        assert!(!is_guarded(&cache, &name(number)).await, "{number}");
    }
}

/// Also where guards are renewed, and placed again.
#[tokio::test(start_paused = true)]
async fn no_step_of_a_transaction_takes_more_keys_than_a_packet() {
    const MANY: usize = 2 * PIECE + 1;
    let cache = cache();
    let many = || (0..MANY).map(|number| AnyKey::new(&format!("k{number}")));
    let in_packets = |steps: &[&str]| {
        let packets = store(&cache).take_packets();
        for step in steps {
            let sizes: Vec<_> =
                packets.iter().filter(|(name, _)| name == step).map(|(_, keys)| *keys).collect();
            assert_eq!(sizes.get(..3), Some([PIECE, PIECE, 1].as_slice()), "{step}");
            assert!(sizes.iter().all(|keys| *keys <= PIECE), "{step}: {sizes:?}");
        }
    };
    transaction(async {
        cache.invalidate_keys(many()).await.unwrap();
        in_packets(&["guard"]);
        sleep(GUARD_FOR).await;
        in_packets(&["renew_guard"]);
        store(&cache).set("renew_guard", Gate::Fails);
        sleep(2 * GUARD_FOR).await;
        store(&cache).heal();
        store(&cache).take_packets();
        sleep(GUARD_FOR).await;
        assert_eq!(cache.stats().guards_lost, MANY as u64);
        in_packets(&["renew_guard", "guard"]);
    })
    .await;
    in_packets(&["release"]);
    cache.invalidate_keys(many()).await.unwrap();
    in_packets(&["remove"]);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_guarded_is_delivered_after_the_end_and_required_says_so() {
    let cache = cache();
    let committed = transaction(async {
        store(&cache).set("guard", Gate::Fails);
        store(&cache).set("release", Gate::Fails);
        let refused = writes(&cache, &SAVE_REQUIRED, &["k"], &[], async { panic!("its body runs") }).await;
        assert!(matches!(refused, Err(Error::NotGuarded { .. })));
        let late = writes(&cache, &SAVE_REQUIRED, &[], &["late"], async {}).await;
        assert!(matches!(late, Err(Error::NotGuarded { .. })), "the caller rolls back");
        one_write(&cache, "best effort").await;
        assert!(cache.flush_recovery().await.is_err() && cache.stats().undelivered == 0);
        Ok::<_, ()>(())
    });
    committed.await.unwrap();
    assert_eq!(cache.stats().undelivered, 3);
    store(&cache).heal();
    cache.flush_recovery().await.unwrap();
}

/// At every number of polls: nothing stays that nobody releases.
#[tokio::test(start_paused = true)]
async fn a_transaction_is_dropped_at_every_await() {
    use std::{future::poll_fn, task::Poll};
    for polls in 0..60 {
        let cache = cache();
        for verb in ["guard", "release", "remove"] {
            store(&cache).set(verb, Gate::Slow);
        }
        let mut over = false;
        {
            let mut call = pin!(transaction(async {
                writes(&cache, &SAVE, &["one"], &["of result"], sleep(Duration::from_millis(1)))
                    .await
                    .unwrap();
                transaction(one_write(&cache, "two")).await;
                cache.invalidate_keys(keys(&["by hand"])).await.unwrap();
                Ok::<_, ()>(())
            }));
            for _ in 0..polls {
                over = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
                if over {
                    break;
                }
                sleep(Duration::from_millis(7)).await;
            }
        }
        store(&cache).heal();
        sleep(GUARD_FOR + Duration::from_secs(1)).await;
        for key in ["one", "two", "of result", "by hand"] {
            assert!(!is_guarded(&cache, key).await, "{polls}: {key} stays");
        }
        assert_eq!((cache.inner.recovery.len(), cache.inner.tasks.len()), (0, 0), "{polls}");
        if over {
            assert_eq!(stored(&cache).await, None);
            return;
        }
    }
    panic!("it is never over");
}

pub(super) fn is_send(_: impl Send) {}

#[test]
fn a_transaction_carries_its_future_once() {
    let body = || async {
        let large = [0_u8; 8_000];
        tokio::task::yield_now().await;
        Ok::<usize, ()>(large.len())
    };
    let (bare, inside) = (size_of_val(&body()), transaction(body()));
    assert!(size_of_val(&inside) <= bare + 256, "{} for {bare}", size_of_val(&inside));
    is_send(inside);
    is_send(inherit(body()));
    is_send(invalidate(["k"].map(AnyKey::new)));
}
