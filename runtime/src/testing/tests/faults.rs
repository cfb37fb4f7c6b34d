//! A cache whose faults the test orders.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;
use crate::testing::faulty_cache;

const TIMEOUT: Duration = Duration::from_millis(250);

#[tokio::test(start_paused = true)]
async fn a_read_of_a_cache_that_refuses_or_hangs_gives_what_the_origin_has() {
    let (cache, faults) = faulty_cache();
    let row = Row::default();
    row.set(OLD);
    let begun = Instant::now();
    faults.refuse();
    assert_eq!(cache.scope(name(&row, 7)).await, OLD);
    assert_eq!((begun.elapsed(), cache.stats().total.stored), (Duration::ZERO, 0));
    faults.hang();
    assert_eq!(cache.scope(name(&row, 7)).await, OLD);
    let took = begun.elapsed();
    assert!(took >= TIMEOUT && took <= TIMEOUT + Duration::from_millis(5), "{took:?}");
    faults.lose_answers();
    assert_eq!(cache.scope(name(&row, 7)).await, OLD);
    assert!(begun.elapsed() >= 2 * TIMEOUT);
    faults.heal();
    cache.scope(name(&row, 7)).await;
    cache.scope(name(&row, 7)).await;
    assert_eq!((cache.stats().total.stored, cache.stats().total.hits), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_release_is_lost_leaves_no_old_value() {
    let (cache, faults) = faulty_cache();
    let row = Row::default();
    row.set(OLD);
    cache.scope(name(&row, 7)).await;
    faults.lose_next_release();
    let begun = Instant::now();
    cache.scope(rename(&row, 7, NEW)).await;
    assert!(begun.elapsed() >= TIMEOUT, "{:?}", begun.elapsed());
    assert_eq!(cache.stats().recovering, 1);
    assert_eq!(cache.scope(name(&row, 7)).await, NEW);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(cache.stats().recovering, 0, "it has been delivered since");
    cache.scope(name(&row, 7)).await;
    assert_eq!(cache.scope(name(&row, 7)).await, NEW);
    assert_eq!(cache.stats().total.hits, 1);
}
