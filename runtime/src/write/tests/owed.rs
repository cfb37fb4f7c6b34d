//! Delivering what is owed.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::time::sleep;

use super::{
    SAVE, cache,
    nested::{is_guarded, writes},
    store,
};
use crate::{Cache, store::faulty::Gate};

/// A cache whose deletions of these keys are owed.
async fn owing(keys: &[&str]) -> Cache {
    let cache = cache();
    for step in ["guard", "release"] {
        store(&cache).set(step, Gate::Fails);
    }
    writes(&cache, &SAVE, keys, &[], async {}).await.unwrap();
    assert_eq!(cache.stats().recovering, keys.len() as u64);
    cache
}

/// Its caller is busy elsewhere, and may never come back.
#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_polled_no_more_keeps_nobody_from_delivering() {
    let cache = owing(&["k"]).await;
    store(&cache).heal();
    store(&cache).set("release", Gate::Slow);
    let mut flush = pin!(cache.flush_recovery());
    let first = poll_fn(|context| Poll::Ready(flush.as_mut().poll(context).is_ready())).await;
    assert!(!first, "it takes a while");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(cache.stats().recovering, 0);
    flush.await.unwrap();
}

/// As where one server of several is away.
#[tokio::test(start_paused = true)]
async fn keys_that_can_not_be_delivered_are_not_in_the_way_of_others() {
    let names: Vec<String> = (0..100).map(|number| format!("k{number:03}")).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let cache = owing(&keys).await;
    store(&cache).heal();
    let (away, there) = keys.split_at(90);
    for key in away {
        store(&cache).set_key(key, Gate::Fails);
    }
    sleep(Duration::from_secs(10)).await;
    assert_eq!(cache.stats().recovering, 90);
    assert!(there.iter().all(|key| !cache.inner.is_listed(key)));
    store(&cache).heal();
    cache.flush_recovery().await.unwrap();
    assert_eq!((cache.stats().recovering, is_guarded(&cache, "k000").await), (0, false));
}
