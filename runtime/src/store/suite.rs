//! What every store does, verb by verb. Adding a store is adding it to `on_every_store`.

#[cfg(feature = "redis")]
mod deployments;
#[cfg(feature = "redis")]
mod over_redis;
#[cfg(feature = "redis")]
mod together;

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Acquired, Put, Store, StoreError, memory::MemoryStore};
use crate::entry::{self, Entry, Header, Refresh, Token};

const WITHIN: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(60);
const FINGERPRINT: u64 = 42;

fn token(number: u64) -> Token {
    Token::numbered(number)
}

fn value(token: Token, payload: &[u8]) -> Vec<u8> {
    let mut bytes = entry::begin();
    bytes.extend_from_slice(payload);
    let header =
        Header { fingerprint: FINGERPRINT, fresh_for: LONG, load_time: Duration::ZERO, lingers: false };
    entry::finish(&mut bytes, token, header);
    bytes
}

/// Keys that no other run of the suite has.
fn key(name: &str) -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    format!("{name}:{}", NEXT.fetch_add(1, Relaxed))
}

/// What a reader would see, in a word.
async fn state(store: &Store, key: &str) -> &'static str {
    match store.read(key, WITHIN).await {
        Ok(None) => "absent",
        Ok(Some(bytes)) => match entry::parse(&bytes, FINGERPRINT) {
            Entry::Lease => "lease",
            Entry::Guard => "guard",
            Entry::Value(_) => "value",
            Entry::Failure(_) => "failure",
            Entry::Unusable(_) => "unusable",
            Entry::Foreign => "foreign",
        },
        Err(StoreError::Foreign) => "foreign",
        Err(error) => panic!("{error:?}"),
    }
}

async fn acquire(store: &Store, key: &str, token: Token) -> Acquired {
    store.acquire(key, &[], token, LONG, WITHIN).await.unwrap()
}

async fn fill(store: &Store, key: &str, token: Token) -> bool {
    store.fill(key, token, &value(token, b"payload"), LONG, WITHIN).await.unwrap()
}

async fn guard(store: &Store, key: &str, token: Token) {
    assert_eq!(store.guard(&[key], token, LONG, WITHIN).await, [Ok(())]);
}

async fn release(store: &Store, key: &str, token: Token) {
    assert_eq!(store.release(&[key], token, Duration::ZERO, WITHIN).await, [Ok(())]);
}

/// One load from beginning to end.
async fn stored(store: &Store, name: &str) -> String {
    let key = key(name);
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    assert!(fill(store, &key, token(1)).await);
    key
}

async fn a_load_is_a_lease_and_then_a_value(store: &Store) {
    let key = key("load");
    assert_eq!(state(store, &key).await, "absent");
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    assert_eq!(state(store, &key).await, "lease");
    assert!(store.renew(&key, token(1), LONG, WITHIN).await.unwrap());
    assert!(fill(store, &key, token(1)).await);
    let bytes = store.read(&key, WITHIN).await.unwrap().unwrap();
    let Entry::Value(value) = entry::parse(&bytes, FINGERPRINT) else { panic!("{bytes:?}") };
    assert_eq!(value.payload, Some(&b"payload"[..]));
}

async fn values_carry_the_time_of_the_store(store: &Store) {
    let before = stored(store, "stamp").await;
    sleep(Duration::from_millis(20)).await;
    let after = stored(store, "stamp").await;
    let mut stamps = Vec::new();
    for key in [before, after] {
        let bytes = store.read(&key, WITHIN).await.unwrap().unwrap();
        let Entry::Value(value) = entry::parse(&bytes, FINGERPRINT) else { panic!("{bytes:?}") };
        stamps.push(value.stored_at);
    }
    let between = stamps[1].checked_sub(stamps[0]).expect("the later value is stamped later");
    assert!((Duration::from_millis(15)..Duration::from_secs(5)).contains(&between), "{between:?}");
}

async fn only_one_acquires(store: &Store) {
    let key = key("one");
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    // Before Redis 7.0 what is there is not told with the refusal.
    match acquire(store, &key, token(2)).await {
        Acquired::Yes => panic!("two hold the lease"),
        Acquired::No(there) => assert_eq!(there[..], entry::lease(token(1))),
        Acquired::Changed => {}
    }
    assert!(!store.renew(&key, token(2), LONG, WITHIN).await.unwrap());
    assert!(!store.abandon(&key, token(2), WITHIN).await.unwrap());
    assert!(!fill(store, &key, token(2)).await, "a fill without the lease");
    assert_eq!(state(store, &key).await, "lease");
    assert!(store.abandon(&key, token(1), WITHIN).await.unwrap());
    assert_eq!(state(store, &key).await, "absent");
}

async fn a_value_is_not_acquired(store: &Store) {
    let key = stored(store, "kept").await;
    match acquire(store, &key, token(2)).await {
        Acquired::Yes => panic!("a value was replaced"),
        Acquired::No(there) => assert!(matches!(entry::parse(&there, FINGERPRINT), Entry::Value(_))),
        Acquired::Changed => {}
    }
    assert!(!fill(store, &key, token(1)).await, "the lease is spent");
    assert!(!store.abandon(&key, token(1), WITHIN).await.unwrap());
    assert_eq!(state(store, &key).await, "value");
}

async fn an_unusable_entry_is_replaced_as_it_was_seen(store: &Store) {
    let key = stored(store, "unusable").await;
    let bytes = store.read(&key, WITHIN).await.unwrap().unwrap();
    let seen = entry::head(&bytes);
    let other = [seen, b"x"].concat();
    let refused = store.acquire(&key, &other, token(2), LONG, WITHIN).await.unwrap();
    assert_ne!(refused, Acquired::Yes, "something else was seen");
    assert_eq!(store.acquire(&key, seen, token(2), LONG, WITHIN).await, Ok(Acquired::Yes));
    assert_eq!(state(store, &key).await, "lease");
    let gone = store.acquire(&key, seen, token(3), LONG, WITHIN).await.unwrap();
    assert_ne!(gone, Acquired::Yes, "what was seen is gone");
    let absent = store.acquire(&self::key("absent"), seen, token(3), LONG, WITHIN).await.unwrap();
    assert_eq!(absent, Acquired::Changed, "what was seen is gone altogether");
}

async fn a_guard_refuses_what_was_being_loaded(store: &Store) {
    let key = key("fence");
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    guard(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "guard");
    assert!(!fill(store, &key, token(1)).await, "the fill came through the guard");
    assert!(!store.renew(&key, token(1), LONG, WITHIN).await.unwrap());
    assert!(!store.abandon(&key, token(1), WITHIN).await.unwrap());
    assert_ne!(acquire(store, &key, token(2)).await, Acquired::Yes, "a lease through the guard");
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
    assert!(!fill(store, &key, token(1)).await, "the fill came after the write");
    assert_eq!(state(store, &key).await, "absent");
}

async fn a_guard_takes_the_place_of_a_value(store: &Store) {
    let key = stored(store, "value").await;
    guard(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "guard");
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
}

async fn the_last_writer_out_ends_the_guard(store: &Store) {
    let key = key("writers");
    guard(store, &key, token(8)).await;
    guard(store, &key, token(9)).await;
    release(store, &key, token(8)).await;
    assert_eq!(state(store, &key).await, "guard");
    release(store, &key, token(8)).await;
    assert_eq!(state(store, &key).await, "guard", "a second release of the same writer counts for nothing");
    assert_eq!(store.renew_guard(&[&key], token(8), LONG, WITHIN).await, [Ok(false)]);
    assert_eq!(store.renew_guard(&[&key], token(9), LONG, WITHIN).await, [Ok(true)]);
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
}

async fn overlapping_writers_leave_a_mark(store: &Store) {
    let overlapped = async |key: &str| {
        let bytes = store.read(key, WITHIN).await.unwrap().unwrap();
        entry::Writers::read(&bytes).unwrap().overlapped
    };
    let key = key("overlap");
    guard(store, &key, token(8)).await;
    guard(store, &key, token(8)).await;
    assert!(!overlapped(&key).await, "the same writer twice is one");
    guard(store, &key, token(9)).await;
    assert!(overlapped(&key).await);
    release(store, &key, token(9)).await;
    assert!(overlapped(&key).await, "it is remembered as long as the guard stands");
    assert_eq!(store.renew_guard(&[&key], token(8), LONG, WITHIN).await, [Ok(true)]);
    assert!(overlapped(&key).await);
    release(store, &key, token(8)).await;
    guard(store, &key, token(7)).await;
    assert!(!overlapped(&key).await, "a new guard begins anew");
    // Who writes without being inside is company too.
    release(store, &key, token(8)).await;
    assert!(overlapped(&key).await, "an outsider's release");
    assert_eq!(store.renew_guard(&[&key], token(7), LONG, WITHIN).await, [Ok(true)], "it is still inside");
    release(store, &key, token(7)).await;
    guard(store, &key, token(7)).await;
    assert_eq!(store.remove(&[&key], WITHIN).await, [Ok(())]);
    assert!(overlapped(&key).await, "an outsider's deletion");
}

/// A release that would store; whether it did.
async fn put(store: &Store, key: &str, token: Token) -> bool {
    let value = value(token, b"written");
    let put = Put { key, value: &value, ttl: LONG };
    store.release_with(&[put], token, WITHIN).await.pop().unwrap().unwrap()
}

async fn a_writer_that_was_alone_leaves_its_value(store: &Store) {
    let key = stored(store, "put").await;
    guard(store, &key, token(8)).await;
    assert_eq!(store.renew_guard(&[&key], token(8), LONG, WITHIN).await, [Ok(true)]);
    assert!(put(store, &key, token(8)).await);
    let bytes = store.read(&key, WITHIN).await.unwrap().unwrap();
    let Entry::Value(value) = entry::parse(&bytes, FINGERPRINT) else { panic!("{bytes:?}") };
    assert_eq!(value.payload, Some(&b"written"[..]));
    let fresh = stored(store, "put").await;
    let fresh = store.read(&fresh, WITHIN).await.unwrap().unwrap();
    let Entry::Value(later) = entry::parse(&fresh, FINGERPRINT) else { panic!("{fresh:?}") };
    let apart = later.stored_at.saturating_sub(value.stored_at);
    assert!(value.stored_at <= later.stored_at && apart < WITHIN, "it is stamped by the store: {apart:?}");
    let left = store.watch(&key, WITHIN).await.unwrap().left;
    assert!(left > LONG / 2 && left <= LONG, "{left:?}");
    // The same release once more, as a repetition would: there is no guard any more, and what is there goes.
    assert!(!put(store, &key, token(8)).await);
    assert_eq!(state(store, &key).await, "absent");
}

async fn a_writer_in_company_leaves_nothing(store: &Store) {
    // Somebody who came and went.
    let key = key("company");
    guard(store, &key, token(8)).await;
    guard(store, &key, token(9)).await;
    assert!(!put(store, &key, token(9)).await);
    assert_eq!(state(store, &key).await, "guard", "the first writer is still inside");
    assert!(!put(store, &key, token(8)).await, "it was not alone all the time");
    assert_eq!(state(store, &key).await, "absent");
    // An outsider.
    guard(store, &key, token(8)).await;
    release(store, &key, token(7)).await;
    assert!(!put(store, &key, token(8)).await);
    assert_eq!(state(store, &key).await, "absent");
    // Nobody is inside, or somebody else.
    let key = stored(store, "no guard").await;
    assert!(!put(store, &key, token(8)).await);
    assert_eq!(state(store, &key).await, "absent", "what is there without a guard is deleted");
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    assert!(!put(store, &key, token(8)).await);
    assert!(!fill(store, &key, token(1)).await, "a load of before is refused");
    guard(store, &key, token(9)).await;
    assert!(!put(store, &key, token(8)).await);
    assert_eq!(state(store, &key).await, "guard");
    assert!(!put(store, &key, token(9)).await, "an outsider is company");
    assert_eq!(state(store, &key).await, "absent");
}

async fn several_values_are_one_step(store: &Store) {
    let keys: Vec<String> = (0..20).map(|_| key("puts")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(store.guard(&names, token(9), LONG, WITHIN).await, vec![Ok(()); 20]);
    guard(store, names[7], token(8)).await;
    let values: Vec<Vec<u8>> = (0..20).map(|number| value(token(9), &[number])).collect();
    let puts = names.iter().zip(&values).map(|(key, value)| Put { key, value, ttl: LONG });
    let answers = store.release_with(&puts.collect::<Vec<_>>(), token(9), WITHIN).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, Ok(number != 7), "{number}");
        assert_eq!(state(store, names[number]).await, if number == 7 { "guard" } else { "value" });
    }
    let last = store.read(names[19], WITHIN).await.unwrap().unwrap();
    let Entry::Value(value) = entry::parse(&last, FINGERPRINT) else { panic!("{last:?}") };
    assert_eq!(value.payload, Some(&[19][..]), "each key has its own value");
}

async fn a_release_without_a_guard_deletes(store: &Store) {
    let key = stored(store, "lost").await;
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
}

async fn a_guard_settles(store: &Store) {
    let settle = Duration::from_millis(80);
    for guarded in [true, false] {
        let key = stored(store, "settle").await;
        if guarded {
            guard(store, &key, token(9)).await;
        }
        let begun = Instant::now();
        assert_eq!(store.release(&[&key], token(9), settle, WITHIN).await, [Ok(())]);
        assert_eq!(state(store, &key).await, "guard");
        while state(store, &key).await == "guard" {
            assert!(begun.elapsed() < WITHIN, "it never ends");
            sleep(Duration::from_millis(5)).await;
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(75), "settled after {took:?}");
        assert_eq!(state(store, &key).await, "absent");
    }
}

async fn a_settling_guard_outlives_later_writers(store: &Store) {
    let key = key("settling");
    guard(store, &key, token(8)).await;
    assert_eq!(store.release(&[&key], token(8), LONG, WITHIN).await, [Ok(())]);
    guard(store, &key, token(9)).await;
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "guard", "the first write is still settling");
}

async fn a_dead_writer_leaves_no_guard_behind(store: &Store) {
    let key = key("dead");
    let short = Duration::from_millis(60);
    assert_eq!(store.guard(&[&key], token(8), short, WITHIN).await, [Ok(())]);
    guard(store, &key, token(9)).await;
    sleep(short * 2).await;
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent", "the dead writer's slot does not count");
    assert_eq!(store.guard(&[&key], token(8), short, WITHIN).await, [Ok(())]);
    sleep(short * 2).await;
    assert_eq!(state(store, &key).await, "absent");
}

async fn leases_and_values_end(store: &Store) {
    let key = key("ends");
    let short = Duration::from_millis(60);
    assert_eq!(store.acquire(&key, &[], token(1), short, WITHIN).await, Ok(Acquired::Yes));
    sleep(short * 2).await;
    assert_eq!(state(store, &key).await, "absent");
    assert!(!fill(store, &key, token(1)).await, "the lease has ended");
    assert_eq!(acquire(store, &key, token(2)).await, Acquired::Yes);
    assert!(store.fill(&key, token(2), &value(token(2), b""), short, WITHIN).await.unwrap());
    sleep(short * 2).await;
    assert_eq!(state(store, &key).await, "absent");
}

/// What a refresh needs to know of the value that stands there: its head, and how its refresh stands.
async fn seen(store: &Store, key: &str) -> (Vec<u8>, Refresh, Duration) {
    let (there, now) = store.read_timed(key, WITHIN).await.unwrap();
    let bytes = there.unwrap();
    let Entry::Value(value) = entry::parse(&bytes, FINGERPRINT) else { panic!("{bytes:?}") };
    (entry::head(&bytes).to_vec(), value.refresh, now)
}

async fn elect(store: &Store, key: &str, head: &[u8], token: Token, hold: Duration) -> bool {
    store.elect(key, head, token, hold, WITHIN).await.unwrap()
}

async fn refill(store: &Store, key: &str, token: Token, payload: &[u8]) -> bool {
    store.refill(key, token, &value(token, payload), LONG, WITHIN).await.unwrap()
}

async fn one_refresh_runs_and_replaces_the_value(store: &Store) {
    let key = stored(store, "refresh").await;
    let (head, refresh, _) = seen(store, &key).await;
    assert_eq!(refresh, Refresh { runs: false, failures: 0, until: Duration::ZERO });
    let left = store.watch(&key, WITHIN).await.unwrap().left;
    assert!(elect(store, &key, &head, token(301), LONG).await);
    assert!(!elect(store, &key, &head, token(302), LONG).await, "what was seen has changed");
    let (now_seen, refresh, now) = seen(store, &key).await;
    assert!(refresh.runs && refresh.until > now && refresh.until <= now + LONG, "{refresh:?} at {now:?}");
    assert!(!elect(store, &key, &now_seen, token(302), LONG).await, "another runs");
    let watched = store.watch(&key, WITHIN).await.unwrap();
    assert!(watched.left <= left, "the value stands no longer for being refreshed");
    let bytes = watched.there.unwrap();
    let Entry::Value(found) = entry::parse(&bytes, FINGERPRINT) else { panic!("{bytes:?}") };
    assert_eq!(found.payload, Some(&b"payload"[..]), "it can be read meanwhile");

    for verb in ["renew", "refill", "rest", "discard"] {
        let done = match verb {
            "renew" => store.renew_refresh(&key, token(302), LONG, WITHIN).await.unwrap(),
            "refill" => refill(store, &key, token(302), b"other").await,
            "rest" => store.rest(&key, token(302), 1, LONG, WITHIN).await.unwrap(),
            _ => store.discard(&key, token(302), WITHIN).await.unwrap(),
        };
        assert!(!done, "`{verb}` of somebody else's refresh");
    }
    assert!(store.renew_refresh(&key, token(301), LONG * 2, WITHIN).await.unwrap());
    let (_, refresh, now) = seen(store, &key).await;
    assert!(refresh.until > now + LONG, "{refresh:?} at {now:?}");
    assert!(refill(store, &key, token(301), b"new").await);
    let (head, refresh, now) = seen(store, &key).await;
    assert_eq!((refresh.runs, refresh.until), (false, Duration::ZERO));
    let bytes = store.read(&key, WITHIN).await.unwrap().unwrap();
    let Entry::Value(found) = entry::parse(&bytes, FINGERPRINT) else { panic!("{bytes:?}") };
    assert_eq!(found.payload, Some(&b"new"[..]));
    assert!(found.stored_at <= now && found.stored_at + WITHIN > now, "stamped anew");
    assert!(!refill(store, &key, token(301), b"newer").await, "the refresh is over");
    assert!(elect(store, &key, &head, token(302), LONG).await);
    assert!(store.discard(&key, token(302), WITHIN).await.unwrap());
    assert_eq!(state(store, &key).await, "absent");
}

async fn a_refresh_can_be_taken_over(store: &Store) {
    let key = stored(store, "taken").await;
    let take = async |head: &[u8], by| store.take_over(&key, head, token(by), LONG, WITHIN).await.unwrap();
    let (head, ..) = seen(store, &key).await;
    assert!(elect(store, &key, &head, token(301), LONG).await);
    assert!(!take(&head, 302).await, "what was seen has changed");
    let (head, ..) = seen(store, &key).await;
    assert!(take(&head, 302).await, "whoever has it");
    let (_, refresh, now) = seen(store, &key).await;
    assert!(refresh.runs && refresh.until > now, "{refresh:?} at {now:?}");
    assert!(!store.renew_refresh(&key, token(301), LONG, WITHIN).await.unwrap());
    assert!(!refill(store, &key, token(301), b"of before").await, "it was taken away");
    assert!(refill(store, &key, token(302), b"new").await);
    // Not only what runs: what rests is taken too.
    let (head, ..) = seen(store, &key).await;
    assert!(take(&head, 303).await);
    assert!(store.rest(&key, token(303), 3, LONG, WITHIN).await.unwrap());
    let (head, refresh, _) = seen(store, &key).await;
    assert_eq!(refresh.failures, 3);
    assert!(take(&head, 304).await);
    // A write in between.
    guard(store, &key, token(9)).await;
    assert!(!refill(store, &key, token(304), b"of before").await);
    assert!(!take(&head, 305).await, "there is no value");
    assert_eq!(state(store, &key).await, "guard");
    release(store, &key, token(9)).await;
    assert!(!take(&head, 305).await);
    assert_eq!(state(store, &key).await, "absent");
}

async fn a_refresh_that_rests_is_begun_after_a_pause(store: &Store) {
    let key = stored(store, "rest").await;
    let (head, ..) = seen(store, &key).await;
    assert!(elect(store, &key, &head, token(301), LONG).await);
    assert!(store.rest(&key, token(301), 3, Duration::from_millis(80), WITHIN).await.unwrap());
    assert!(!store.rest(&key, token(301), 4, LONG, WITHIN).await.unwrap(), "it is no longer ours");
    let (head, refresh, now) = seen(store, &key).await;
    assert_eq!((refresh.runs, refresh.failures), (false, 3));
    assert!(refresh.until > now, "{refresh:?} at {now:?}");
    let begun = Instant::now();
    while !elect(store, &key, &head, token(302), LONG).await {
        assert!(begun.elapsed() < WITHIN, "it rests for ever");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(60), "after {:?}", begun.elapsed());
}

async fn a_refresh_that_is_not_renewed_can_be_won_by_another(store: &Store) {
    let key = stored(store, "dead refresh").await;
    let (head, ..) = seen(store, &key).await;
    assert!(elect(store, &key, &head, token(301), Duration::from_millis(40)).await);
    sleep(Duration::from_millis(80)).await;
    let (head, refresh, now) = seen(store, &key).await;
    assert!(refresh.runs && refresh.until <= now);
    assert!(elect(store, &key, &head, token(302), LONG).await);
    assert!(!refill(store, &key, token(301), b"late").await, "the first one comes too late");
    assert!(refill(store, &key, token(302), b"new").await);
}

async fn writes_end_refreshes(store: &Store) {
    for write in ["guard", "guard and release", "remove", "release"] {
        let key = stored(store, write).await;
        let (head, ..) = seen(store, &key).await;
        assert!(elect(store, &key, &head, token(301), LONG).await);
        match write {
            "guard" => guard(store, &key, token(9)).await,
            "guard and release" => {
                guard(store, &key, token(9)).await;
                release(store, &key, token(9)).await;
            }
            "remove" => assert_eq!(store.remove(&[&key], WITHIN).await, [Ok(())]),
            _ => release(store, &key, token(9)).await,
        }
        assert!(!refill(store, &key, token(301), b"old").await, "{write}");
        assert!(!store.renew_refresh(&key, token(301), LONG, WITHIN).await.unwrap(), "{write}");
        assert!(!store.rest(&key, token(301), 1, LONG, WITHIN).await.unwrap(), "{write}");
        assert!(!store.discard(&key, token(301), WITHIN).await.unwrap(), "{write}");
        assert!(!elect(store, &key, &head, token(302), LONG).await, "{write}");
        let left = if write == "guard" { "guard" } else { "absent" };
        assert_eq!(state(store, &key).await, left);
    }
}

async fn remove_deletes_all_but_guards(store: &Store) {
    let key = stored(store, "remove").await;
    assert_eq!(store.remove(&[&key], WITHIN).await, [Ok(())]);
    assert_eq!(state(store, &key).await, "absent");
    assert_eq!(store.remove(&[&key], WITHIN).await, [Ok(())]);
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    assert_eq!(store.remove(&[&key], WITHIN).await, [Ok(())]);
    assert!(!fill(store, &key, token(1)).await, "a removal refuses what was being loaded");
    guard(store, &key, token(9)).await;
    assert_eq!(store.remove(&[&key], WITHIN).await, [Ok(())]);
    assert_eq!(state(store, &key).await, "guard");
}

async fn several_keys_are_one_step(store: &Store) {
    let keys: Vec<String> = (0..50).map(|_| key("many")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(store.guard(&names, token(9), LONG, WITHIN).await, vec![Ok(()); 50]);
    assert_eq!(store.renew_guard(&names, token(9), LONG, WITHIN).await, vec![Ok(true); 50]);
    for key in &names {
        assert_eq!(state(store, key).await, "guard");
    }
    assert_eq!(store.release(&names, token(9), Duration::ZERO, WITHIN).await, vec![Ok(()); 50]);
    for key in &names {
        assert_eq!(state(store, key).await, "absent");
    }
    assert_eq!(store.remove(&names, WITHIN).await, vec![Ok(()); 50]);
}

async fn whoever_watches_is_told(store: &Store) {
    let key = key("watch");
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    let mut watched = store.watch(&key, WITHIN).await.unwrap();
    assert_eq!(watched.there.as_deref(), Some(&entry::lease(token(1))[..]));
    assert!(watched.left > LONG / 2 && watched.left <= LONG, "{:?}", watched.left);
    assert!(watched.watch.told(), "this store announces changes");
    assert!(store.renew(&key, token(1), LONG, WITHIN).await.unwrap());
    tokio::time::timeout(WITHIN, watched.watch.changed()).await.expect("the renewal is announced");
    let mut watched = store.watch(&key, WITHIN).await.unwrap();
    assert!(fill(store, &key, token(1)).await);
    tokio::time::timeout(WITHIN, watched.watch.changed()).await.expect("the fill is announced");
    let mut watched = store.watch(&key, WITHIN).await.unwrap();
    assert!(watched.there.is_some());
    guard(store, &key, token(9)).await;
    tokio::time::timeout(WITHIN, watched.watch.changed()).await.expect("the guard is announced");
    let absent = store.watch(&self::key("absent"), WITHIN).await.unwrap();
    assert_eq!((absent.there, absent.left), (None, Duration::ZERO));
}

/// Each of many who read at the same time is given what stands under its own key.
async fn reads_at_once_are_not_mixed_up(store: &Store) {
    let mut keys = Vec::new();
    for number in 0..20 {
        let key = key("at-once");
        assert_eq!(acquire(store, &key, token(500 + number)).await, Acquired::Yes);
        keys.push((key, Some(entry::lease(token(500 + number)).to_vec())));
        keys.push((self::key("at-once"), None));
    }
    for round in 0..5 {
        let of_round = keys.iter().chain(keys.iter().take(10 * round));
        let reads = of_round.clone().map(|(key, _)| store.read(key, WITHIN));
        for (read, (key, there)) in join_all(reads).await.iter().zip(of_round) {
            assert_eq!(read.as_ref().unwrap().as_deref(), there.as_deref(), "{key}");
        }
    }
}

async fn the_suite(store: &Store) {
    reads_at_once_are_not_mixed_up(store).await;
    a_load_is_a_lease_and_then_a_value(store).await;
    values_carry_the_time_of_the_store(store).await;
    only_one_acquires(store).await;
    a_value_is_not_acquired(store).await;
    an_unusable_entry_is_replaced_as_it_was_seen(store).await;
    a_guard_refuses_what_was_being_loaded(store).await;
    a_guard_takes_the_place_of_a_value(store).await;
    the_last_writer_out_ends_the_guard(store).await;
    overlapping_writers_leave_a_mark(store).await;
    a_writer_that_was_alone_leaves_its_value(store).await;
    a_writer_in_company_leaves_nothing(store).await;
    several_values_are_one_step(store).await;
    a_release_without_a_guard_deletes(store).await;
    a_guard_settles(store).await;
    a_settling_guard_outlives_later_writers(store).await;
    a_dead_writer_leaves_no_guard_behind(store).await;
    leases_and_values_end(store).await;
    one_refresh_runs_and_replaces_the_value(store).await;
    a_refresh_can_be_taken_over(store).await;
    a_refresh_that_rests_is_begun_after_a_pause(store).await;
    a_refresh_that_is_not_renewed_can_be_won_by_another(store).await;
    writes_end_refreshes(store).await;
    remove_deletes_all_but_guards(store).await;
    several_keys_are_one_step(store).await;
}

/// Somebody else's data, in each of the forms that are not ours.
const FOREIGN: [&[u8]; 6] =
    [b"hello", b"", b"{}", b"\xCA\x5D\xE1", b"\xCA\x5D\xE1\x03 later", b"\xCA\x5D\xE0\x10"];

/// Whatever is done to it, a foreign key is refused and stays.
async fn foreign_data_is_never_touched(store: &Store, key: &str) {
    assert_eq!(state(store, key).await, "foreign");
    let acquired = store.acquire(key, &[], token(1), LONG, WITHIN).await;
    assert!(!matches!(acquired, Ok(Acquired::Yes)), "{acquired:?}");
    assert!(!matches!(store.fill(key, token(1), b"x", LONG, WITHIN).await, Ok(true)));
    assert!(!matches!(store.renew(key, token(1), LONG, WITHIN).await, Ok(true)));
    assert!(!matches!(store.abandon(key, token(1), WITHIN).await, Ok(true)));
    let head = store.read(key, WITHIN).await.ok().flatten().unwrap_or_default();
    assert!(!matches!(store.elect(key, entry::head(&head), token(301), LONG, WITHIN).await, Ok(true)));
    assert!(!matches!(store.take_over(key, entry::head(&head), token(301), LONG, WITHIN).await, Ok(true)));
    assert!(!matches!(store.renew_refresh(key, token(301), LONG, WITHIN).await, Ok(true)));
    assert!(!matches!(store.refill(key, token(301), b"x", LONG, WITHIN).await, Ok(true)));
    assert!(!matches!(store.rest(key, token(301), 1, LONG, WITHIN).await, Ok(true)));
    assert!(!matches!(store.discard(key, token(301), WITHIN).await, Ok(true)));
    assert_eq!(store.guard(&[key], token(1), LONG, WITHIN).await, [Err(StoreError::Foreign)]);
    assert_eq!(store.renew_guard(&[key], token(1), LONG, WITHIN).await, [Err(StoreError::Foreign)]);
    assert_eq!(store.release(&[key], token(1), Duration::ZERO, WITHIN).await, [Err(StoreError::Foreign)]);
    assert_eq!(store.release(&[key], token(1), LONG, WITHIN).await, [Err(StoreError::Foreign)]);
    assert_eq!(store.remove(&[key], WITHIN).await, [Err(StoreError::Foreign)]);
    assert_eq!(state(store, key).await, "foreign");
}

#[tokio::test(start_paused = true)]
async fn the_in_process_store() {
    let store = Store::Memory(MemoryStore::new());
    the_suite(&store).await;
    whoever_watches_is_told(&store).await;
    let Store::Memory(memory) = &store else { unreachable!() };
    for bytes in FOREIGN {
        let key = key("foreign");
        memory.plant(&key, bytes.to_vec());
        foreign_data_is_never_touched(&store, &key).await;
        assert_eq!(memory.read(&key).await.unwrap().as_deref(), Some(bytes));
    }
}

#[tokio::test(start_paused = true)]
async fn the_in_process_store_forgets_what_has_ended() {
    let store = MemoryStore::new();
    for number in 0..100_000_u64 {
        let key = format!("short:{number}");
        assert_eq!(store.acquire(&key, &[], token(1), Duration::from_millis(10)).await, Ok(Acquired::Yes));
        if number.is_multiple_of(100) {
            sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(store.len() < 5_000, "{} slots for at most 1,100 that live", store.len());
}
