//! What outlasts the write that it is inside of: writes and transactions in tasks that inherited it, and guards by hand. As long as
//! one of them is not over, the guards stay.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::yield_now,
    time::{sleep, timeout},
};

use super::{
    GUARD_FOR, SAVE, SAVE_REQUIRED, TIMEOUT, cache,
    nested::{is_guarded, keys, writes},
    store,
};
use crate::{
    AnyKey, Cache, Error, cached_aside, inherit,
    store::faulty::{Gate, SLOW},
    transaction,
};

async fn one_write(cache: &Cache, key: &str) {
    writes(cache, &SAVE, &[key], &[], async {}).await.unwrap();
}

#[cached_aside(ttl = "5m", key = "{name}")]
async fn read(name: &str) -> u64 {
    yield_now().await;
    name.len() as u64
}

/// A handler whose tasks inherit everything has a transaction of its own in one of them.
#[tokio::test(start_paused = true)]
async fn a_transaction_in_a_task_is_not_over_with_the_one_that_it_inherited() {
    for (around, fails) in [("transaction", false), ("transaction", true), ("write", false)] {
        let cache = cache();
        let (begun, commits) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let spawn = || {
            let (cache, begun, commits) = (cache.clone(), begun.clone(), commits.clone());
            tokio::spawn(inherit(async move {
                transaction(async {
                    one_write(&cache, "before").await;
                    begun.notify_one();
                    commits.notified().await;
                    one_write(&cache, "after").await;
                    assert!(is_guarded(&cache, "after").await, "it has not committed");
                    assert_eq!(read("other").await, 5);
                    sleep(3 * GUARD_FOR).await;
                    for key in ["before", "after"] {
                        assert!(is_guarded(&cache, key).await, "{key}: it has not committed");
                    }
                    if fails { Err(()) } else { Ok(()) }
                })
                .await
            }))
        };
        let outer = async {
            one_write(&cache, "outer").await;
            let task = spawn();
            begun.notified().await;
            (task,)
        };
        let (task,) = cache
            .scope(async {
                match around {
                    "write" => writes(&cache, &SAVE, &["named"], &[], outer).await.unwrap(),
                    _ => transaction(outer).await,
                }
            })
            .await;
        sleep(2 * GUARD_FOR).await;
        assert!(is_guarded(&cache, "before").await, "{around}");
        commits.notify_one();
        assert_eq!(task.await.unwrap().is_err(), fails);
        for key in ["outer", "named", "before", "after"] {
            assert_eq!(is_guarded(&cache, key).await, fails && key != "named", "{around}: {key}");
        }
        sleep(Duration::from_millis(1_010)).await;
        for key in ["outer", "named", "before", "after"] {
            assert!(!is_guarded(&cache, key).await, "{around}: {key}");
        }
        assert_eq!((cache.stats().total.stored, cache.stats().guards_lost), (0, 0));
        cache.scope(transaction(one_write(&cache, "next"))).await;
        assert!(!is_guarded(&cache, "next").await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_by_hand_guards_for_as_long_as_it_lives_also_after_the_transaction() {
    let cache = cache();
    let guard = transaction(async { cache.guard(keys(&["k"])).await.unwrap() }).await;
    sleep(3 * GUARD_FOR).await;
    assert!(is_guarded(&cache, "k").await);
    one_write(&cache, "another").await;
    assert!(!is_guarded(&cache, "another").await, "the transaction is over");
    guard.release().await.unwrap();
    assert!(!is_guarded(&cache, "k").await);
    assert_eq!((cache.stats().guards_lost, cache.stats().invalidated), (0, 2));
    let guard = transaction(async { cache.guard_best_effort(keys(&["k"])).await }).await;
    sleep(3 * GUARD_FOR).await;
    drop(guard);
    sleep(GUARD_FOR / 2).await;
    assert!(is_guarded(&cache, "k").await, "nobody said whether it is done");
    sleep(GUARD_FOR).await;
    assert!(!is_guarded(&cache, "k").await);
}

#[tokio::test(start_paused = true)]
async fn what_a_stray_write_calls_is_over_when_it_is() {
    let cache = cache();
    let outside = cache.clone();
    let body = async move {
        sleep(2 * GUARD_FOR).await;
        one_write(&outside, "inner").await;
        sleep(2 * GUARD_FOR).await;
        assert!(is_guarded(&outside, "stray").await && is_guarded(&outside, "inner").await, "it is not over");
        outside
    };
    let (task,) = transaction(async {
        let stray = cache.clone();
        let write = async move { drop(writes(&stray, &SAVE, &["stray"], &["late"], body).await.unwrap()) };
        let task = tokio::spawn(inherit(write));
        yield_now().await;
        (task,)
    })
    .await;
    task.await.unwrap();
    for key in ["stray", "inner", "late"] {
        assert!(!is_guarded(&cache, key).await, "{key}");
    }
    assert_eq!((cache.stats().guards_lost, cache.stats().joined), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_transaction_that_is_over_is_part_of_the_one_around_that() {
    let cache = cache();
    transaction(async {
        let go_on = Arc::new(Notify::new());
        let (inside, waits) = (cache.clone(), go_on.clone());
        let (task,) = transaction(async {
            let write = async move {
                waits.notified().await;
                one_write(&inside, "k").await;
            };
            (tokio::spawn(inherit(write)),)
        })
        .await;
        go_on.notify_one();
        task.await.unwrap();
        assert!(is_guarded(&cache, "k").await, "the outer one has not committed");
    })
    .await;
    assert!(!is_guarded(&cache, "k").await);
}

/// It began inside, and goes on outside: what its body reads may still be rolled back.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_taken_out_of_its_transaction_reads_as_inside_of_it() {
    let cache = cache();
    let body = async {
        sleep(Duration::from_millis(1)).await;
        read("other").await
    };
    let mut write = Box::pin(writes(&cache, &SAVE, &["k"], &[], body));
    cache
        .scope(async {
            transaction(async { timeout(Duration::ZERO, &mut write).await.unwrap_err() }).await;
            assert!(is_guarded(&cache, "k").await);
            assert_eq!(write.await.unwrap(), 5);
        })
        .await;
    assert!(!is_guarded(&cache, "k").await);
    assert_eq!((cache.stats().total.stored, cache.stats().total.bypassed), (0, 1));
}

/// Two tasks name one key at the same time. The guard of one stands, and it writes; that of the other is on its way when the
/// transaction fails.
#[tokio::test(start_paused = true)]
async fn a_guard_that_arrives_late_does_not_end_the_doubt_about_a_failed_transaction() {
    let cache = cache();
    store(&cache).set("guard", Gate::Slow);
    let failed = transaction(async {
        let (one, other) = (cache.clone(), cache.clone());
        let one = tokio::spawn(inherit(async move { one_write(&one, "k").await }));
        sleep(SLOW / 2).await;
        drop(tokio::spawn(inherit(async move { one_write(&other, "k").await })));
        one.await.unwrap();
        Err::<(), _>("the commit was not answered")
    });
    failed.await.unwrap_err();
    for _ in 0..9 {
        sleep(Duration::from_millis(100)).await;
        assert!(is_guarded(&cache, "k").await, "the commit may still happen");
    }
    sleep(GUARD_FOR).await;
    assert!(!is_guarded(&cache, "k").await);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_guard_could_not_be_renewed_is_guarded_anew_when_it_is_named_again() {
    let cache = cache();
    transaction(async {
        writes(&cache, &SAVE_REQUIRED, &["k"], &[], async {}).await.unwrap();
        store(&cache).set("renew_guard", Gate::Fails);
        sleep(3 * GUARD_FOR).await;
        assert!(!is_guarded(&cache, "k").await, "it could not be renewed");
        store(&cache).set("guard", Gate::Fails);
        let refused = writes(&cache, &SAVE_REQUIRED, &["k"], &[], async { panic!("its body runs") }).await;
        assert!(matches!(refused, Err(Error::NotGuarded { .. })), "{refused:?}");
        store(&cache).set("guard", Gate::Passes);
        writes(&cache, &SAVE_REQUIRED, &["k"], &[], async {}).await.unwrap();
        assert!(is_guarded(&cache, "k").await);
        store(&cache).heal();
    })
    .await;
    assert_eq!((is_guarded(&cache, "k").await, cache.inner.recovery.len()), (false, 0));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_never_polled_leaves_no_doubt() {
    let cache = cache();
    transaction(async {
        one_write(&cache, "k").await;
        drop(transaction(async {}));
    })
    .await;
    assert!(!is_guarded(&cache, "k").await);
    drop(transaction(async {}));
    assert_eq!(cache.stats().transactions, 1);
}

/// Its rows are written: the keys that they name are guarded before long, although nobody waits for it.
#[tokio::test(start_paused = true)]
async fn keys_of_a_result_are_guarded_although_their_write_is_dropped_meanwhile() {
    let cache = cache();
    transaction(async {
        one_write(&cache, "renewed").await;
        store(&cache).set("guard", Gate::Hangs);
        let write = writes(&cache, &SAVE, &[], &["of result"], async {});
        timeout(TIMEOUT / 2, write).await.unwrap_err();
        store(&cache).heal();
        sleep(GUARD_FOR / 2).await;
        assert!(is_guarded(&cache, "of result").await);
    })
    .await;
    assert!(!is_guarded(&cache, "of result").await);
}

/// Polls so many times with a pause after each; whether it is over.
async fn poll_times(mut future: Pin<&mut impl Future>, times: usize) -> bool {
    for _ in 0..times {
        if poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await {
            return true;
        }
        sleep(Duration::from_millis(7)).await;
    }
    false
}

/// What begins inside of a transaction goes on after it, and is dropped at each of its polls: no guard stays that nobody releases.
#[tokio::test(start_paused = true)]
async fn a_stray_is_dropped_at_every_await() {
    for inside in 0.. {
        let mut over = (false, false);
        for outside in 0.. {
            let cache = cache();
            for verb in ["guard", "release", "remove"] {
                store(&cache).set(verb, Gate::Slow);
            }
            {
                let mut stray = pin!(async {
                    writes(&cache, &SAVE, &["one"], &["of result"], sleep(Duration::from_millis(1)))
                        .await
                        .unwrap();
                    transaction(one_write(&cache, "two")).await;
                    cache.invalidate_keys(["three"].map(AnyKey::new)).await.unwrap();
                });
                over.0 = transaction(poll_times(stray.as_mut(), inside)).await;
                over.1 = over.0 || poll_times(stray.as_mut(), outside).await;
            }
            store(&cache).heal();
            sleep(GUARD_FOR + Duration::from_secs(1)).await;
            for key in ["one", "two", "of result", "three"] {
                assert!(!is_guarded(&cache, key).await, "{inside} and {outside}: {key} stays");
            }
            assert_eq!((cache.inner.recovery.len(), cache.inner.tasks.len()), (0, 0), "{inside}, {outside}");
            if over.1 {
                break;
            }
            assert!(outside < 100, "it is never over");
        }
        if over.0 {
            return;
        }
    }
}
