//! What `#[invalidates]` does, around a future.

use std::{future::pending, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    GUARD_FOR, SAVE, cache,
    nested::{is_guarded, keys, writes},
    store,
};
use crate::{AnyKey, invalidating, store::faulty::Gate, transaction};

#[tokio::test(start_paused = true)]
async fn its_keys_are_guarded_while_the_future_runs() {
    let cache = cache();
    let write = cache.scope(invalidating(keys(&["one", "two"]), async {
        sleep(5 * GUARD_FOR).await;
        assert!(is_guarded(&cache, "one").await && is_guarded(&cache, "two").await);
        writes(&cache, &SAVE, &["inner"], &["of result"], async {}).await.unwrap();
        assert!(is_guarded(&cache, "inner").await && is_guarded(&cache, "of result").await);
        7
    }));
    assert_eq!(write.await, 7);
    for key in ["one", "two", "inner", "of result"] {
        assert!(!is_guarded(&cache, key).await, "{key}");
    }
    let stats = cache.stats();
    assert_eq!((stats.writes, stats.joined, stats.guards_lost, stats.invalidated), (2, 1, 0, 4));
}

#[tokio::test(start_paused = true)]
async fn dropped_or_panicked_it_leaves_its_guards_for_as_long_as_they_hold() {
    for panics in [false, true] {
        let (cache, inside) = (cache(), async move {
            sleep(Duration::from_millis(100)).await;
            assert!(!panics, "as it was told");
            pending::<()>().await;
        });
        let write = timeout(Duration::from_secs(1), cache.scope(invalidating(keys(&["k"]), inside)));
        assert_eq!(tokio::spawn(write).await.is_err(), panics);
        sleep(GUARD_FOR / 2).await;
        assert!(is_guarded(&cache, "k").await);
        sleep(GUARD_FOR).await;
        assert!(!is_guarded(&cache, "k").await);
    }
    let cache = cache();
    store(&cache).set("guard", Gate::Slow);
    let dropped = cache.scope(invalidating(keys(&["k"]), async { panic!("it has begun") }));
    timeout(Duration::from_millis(15), dropped).await.unwrap_err();
    sleep(Duration::from_millis(50)).await;
    assert!(!is_guarded(&cache, "k").await, "before it began there is nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn inside_of_another_write_its_keys_are_released_with_that() {
    let cache = cache();
    cache
        .scope(transaction(async {
            invalidating(Some(AnyKey::new("k")), async { assert!(is_guarded(&cache, "k").await) }).await;
            assert!(is_guarded(&cache, "k").await);
        }))
        .await;
    assert!(!is_guarded(&cache, "k").await);
}

#[tokio::test(start_paused = true)]
async fn where_the_cache_does_not_answer_the_deletion_is_owed() {
    let cache = cache();
    store(&cache).set("guard", Gate::Fails);
    store(&cache).set("release", Gate::Fails);
    let inside = cache.scope(invalidating(keys(&["k"]), async {
        assert!(cache.inner.is_listed("k") && cache.stats().undelivered == 0);
    }));
    inside.await;
    assert_eq!(cache.stats().undelivered, 1);
    store(&cache).heal();
    cache.flush_recovery().await.unwrap();
    // Without any cache the future runs.
    assert_eq!(invalidating(keys(&["k"]), async { 7 }).await, 7);
}

#[test]
fn it_carries_its_future_once() {
    let body = || async {
        let large = [0_u8; 8_000];
        tokio::task::yield_now().await;
        large.len()
    };
    let (bare, inside) = (size_of_val(&body()), invalidating(keys(&["k"]), body()));
    assert!(size_of_val(&inside) <= bare + 256, "{} for {bare}", size_of_val(&inside));
    super::transactions::is_send(inside);
}
