//! Functions of every kind that keep the promise in every order.

use std::time::Duration;

use tokio::{sync::Mutex, task::yield_now, time::sleep};

use super::*;
use crate::{Cached, invalidate, invalidating, keys, tags, updates};

tags! {
    /// All names of a house.
    fn house(id: u64) = "house:{id}";
}

#[cached_aside(ttl = "5m", key = "tagged-name:{id}", skip(row), tags(house(1)))]
async fn tagged_name(row: &Row, id: u64) -> String {
    row.get()
}

#[invalidates(tags(house(1)))]
async fn rename_the_house(row: &Row) {
    row.set(NEW);
}

#[tokio::test(start_paused = true)]
async fn entries_that_carry_tags() {
    let row = Row::default();
    holds(&row, sees_writes(|| tagged_name(&row, 7), || rename_the_house(&row)), 50).await;
}

#[updates(name(id))]
async fn rename_and_leave(row: &Row, id: u64) -> String {
    row.set(NEW);
    row.get()
}

#[invalidates(name(*result))]
async fn rename_who_is_found(row: &Row) -> u64 {
    row.set(NEW);
    7
}

#[invalidates(name(id), guard = "off")]
async fn rename_unguarded(row: &Row, id: u64) {
    row.set(NEW);
}

#[invalidates(name(7), detach)]
async fn rename_detached(row: std::sync::Arc<Row>) {
    yield_now().await;
    row.set(NEW);
}

#[tokio::test(start_paused = true)]
async fn writes_of_every_kind() {
    let row = Row::default();
    holds(&row, sees_writes(|| name(&row, 7), || rename_and_leave(&row, 7)), 50).await;
    holds(&row, sees_writes(|| name(&row, 7), || rename_who_is_found(&row)), 20).await;
    holds(&row, sees_writes(|| name(&row, 7), || rename_unguarded(&row, 7)), 20).await;
    let by_hand = async || {
        row.set(NEW);
        invalidate(keys![name(7)]).await;
    };
    holds(&row, sees_writes(|| name(&row, 7), by_hand), 20).await;
    let around = || invalidating(keys![name(7)], async { row.set(NEW) });
    holds(&row, sees_writes(|| name(&row, 7), around), 50).await;
    let shared = std::sync::Arc::new(Row::default());
    let detached = sees_writes(|| name(&shared, 7), || rename_detached(shared.clone()));
    holds(&shared, detached, 50).await;
}

#[cached_aside(ttl = "5m", key = "local-name:{id}", skip(row), local = "1s", verify = "50%")]
async fn local_name(row: &Row, id: u64) -> String {
    yield_now().await;
    row.get()
}

#[invalidates(local_name(id))]
async fn rename_local(row: &Row, id: u64) {
    row.set(NEW);
}

static NAME: Cached<String> = Cached::new("cached-name", Duration::from_secs(300));

#[tokio::test(start_paused = true)]
async fn reads_of_every_kind() {
    let row = Row::default();
    holds(&row, sees_writes(|| local_name(&row, 7), || rename_local(&row, 7)), 50).await;
    let read = || NAME.get_or_load((), || async { row.get() });
    let write = || invalidating(NAME.key(()), async { row.set(NEW) });
    holds(&row, sees_writes(read, write), 50).await;
}

/// An origin with one connection.
struct Slow(Mutex<Row>);

#[cached_aside(ttl = "5m", key = "slow-name:{id}", skip(slow))]
async fn slow_name(slow: &Slow, id: u64) -> String {
    let row = slow.0.lock().await;
    sleep(Duration::from_millis(20)).await;
    row.get()
}

#[invalidates(slow_name(id))]
async fn rename_slowly(slow: &Slow, id: u64) {
    let row = slow.0.lock().await;
    sleep(Duration::from_millis(20)).await;
    row.set(NEW);
}

#[tokio::test(start_paused = true)]
async fn functions_that_sleep_and_need_what_the_other_holds() {
    let slow = Slow(Mutex::new(Row::default()));
    let test = sees_writes(|| slow_name(&slow, 7), || rename_slowly(&slow, 7));
    let orders = test.setup(async || slow.0.lock().await.set(OLD)).await;
    assert!(orders.old == 0 && orders.run > 100, "{orders}");
}

/// An origin that counts the bodies that ask it.
#[derive(Default)]
struct Counting(Row, std::sync::atomic::AtomicUsize);

impl Counting {
    fn get(&self) -> String {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.get()
    }
}

#[cached_aside(ttl = "5m", key = "sampled-name", skip(origin), verify = "100%")]
async fn sampled_name(origin: &Counting) -> String {
    origin.get()
}

#[cached_aside(ttl = "5m", key = "unsampled-name", skip(origin))]
async fn unsampled_name(origin: &Counting) -> String {
    origin.get()
}

#[invalidates(sampled_name(), unsampled_name())]
async fn rename_both(origin: &Counting) {
    origin.0.set(NEW);
}

/// A sample is another body than the run before had: no order could be repeated.
#[tokio::test(start_paused = true)]
async fn hits_are_not_verified() {
    let (sampled, unsampled) = (Counting::default(), Counting::default());
    holds(&sampled.0, sees_writes(|| sampled_name(&sampled), || rename_both(&sampled)), 50).await;
    holds(&unsampled.0, sees_writes(|| unsampled_name(&unsampled), || rename_both(&unsampled)), 50).await;
    let bodies = [sampled, unsampled].map(|origin| origin.1.into_inner());
    assert_eq!(bodies[0], bodies[1]);
}
