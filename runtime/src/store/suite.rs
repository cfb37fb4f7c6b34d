//! What every store does, step by step. A new store is added to `on_every_store`.

#[cfg(feature = "redis")]
mod batches;
#[cfg(feature = "redis")]
mod clock;
mod copies;
#[cfg(feature = "redis")]
mod deployments;
#[cfg(feature = "redis")]
mod differential;
mod guards;
#[cfg(feature = "redis")]
mod over_redis;
mod refreshes;
mod tags;
mod together;

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Entry, Header, Refresh},
    steps::{
        Abandon, Acquire, Acquired, Carry, Elect, Ending, Fill, Filled, Guard, Left, Register, Release,
        Released, Remove, Renew, RenewGuard,
    },
};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Answer, Store, StoreError, memory::MemoryStore};

const WITHIN: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(60);
const FINGERPRINT: u64 = 42;
/// What is left of local copies where there are none.
const NO_COPIES: Duration = Duration::ZERO;
/// What a release answers that stored nothing and met no local copies.
const RELEASED: Released = Released::Left(NO_COPIES);

fn token(number: u64) -> Token {
    Token::numbered(1_000 + number)
}

/// Abandons a lease.
fn gives_up(token: Token) -> Abandon {
    rests(token, 0, Duration::ZERO)
}

/// Abandons a revalidation, so that others may begin one after a pause.
fn rests(token: Token, failures: u8, pause: Duration) -> Abandon {
    Abandon { token, ending: Ending::BackOff { failures, pause } }
}

/// Abandons a revalidation, and deletes its value.
fn discards(token: Token) -> Abandon {
    Abandon { token, ending: Ending::Discard }
}

fn value(token: Token, payload: &[u8]) -> Vec<u8> {
    let mut bytes = entry::begin();
    bytes.extend_from_slice(payload);
    let header = Header {
        fingerprint: FINGERPRINT,
        fresh_for: LONG,
        load_time: Duration::ZERO,
        outlives_freshness: false,
    };
    entry::finish(&mut bytes, token, header);
    bytes
}

/// Keys that no other run of the suite has.
fn key(name: &str) -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    format!("{name}:{}", NEXT.fetch_add(1, Relaxed))
}

/// What a reader would see, as text.
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
    store.run(key, Acquire { expected: Bytes::new(), token, lease: LONG }, WITHIN).await.unwrap()
}

async fn fill(store: &Store, key: &str, token: Token) -> bool {
    let fill = Fill { token, value: value(token, b"payload").into(), ttl: LONG };
    store.run(key, fill, WITHIN).await.unwrap() == Filled::Yes
}

async fn guard(store: &Store, key: &str, token: Token) {
    assert_eq!(store.run_all(&[key], |_| Guard { token, hold: LONG }, WITHIN).await, [Ok(NO_COPIES)]);
}

async fn release(store: &Store, key: &str, token: Token) {
    assert_eq!(
        store.run_all(&[key], |_| Release { token, left: Left::Nothing }, WITHIN).await,
        [Ok(RELEASED)]
    );
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
    assert!(store.run(&key, Renew { token: token(1), hold: LONG }, WITHIN).await.unwrap());
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
    // Before Redis 7.0 a refusal does not contain the current entry.
    match acquire(store, &key, token(2)).await {
        Acquired::Yes => panic!("two hold the lease"),
        Acquired::No(there) => assert_eq!(there[..], entry::lease(token(1))),
        Acquired::Changed | Acquired::Copied => {}
    }
    assert!(!store.run(&key, Renew { token: token(2), hold: LONG }, WITHIN).await.unwrap());
    assert_eq!(store.run(&key, gives_up(token(2)), WITHIN).await, Ok(None));
    assert!(!fill(store, &key, token(2)).await, "a fill without the lease");
    assert_eq!(state(store, &key).await, "lease");
    assert_eq!(store.run(&key, gives_up(token(1)), WITHIN).await, Ok(Some(NO_COPIES)));
    assert_eq!(state(store, &key).await, "absent");
}

async fn a_value_is_not_acquired(store: &Store) {
    let key = stored(store, "kept").await;
    match acquire(store, &key, token(2)).await {
        Acquired::Yes => panic!("a value was replaced"),
        Acquired::No(there) => assert!(matches!(entry::parse(&there, FINGERPRINT), Entry::Value(_))),
        Acquired::Changed | Acquired::Copied => {}
    }
    assert!(!fill(store, &key, token(1)).await, "the lease is spent");
    assert_eq!(store.run(&key, gives_up(token(1)), WITHIN).await, Ok(None));
    assert_eq!(state(store, &key).await, "value");
}

async fn an_unusable_entry_is_replaced_as_it_was_seen(store: &Store) {
    let key = stored(store, "unusable").await;
    let bytes = store.read(&key, WITHIN).await.unwrap().unwrap();
    let seen = entry::header(&bytes);
    let other = [seen, b"x"].concat();
    let refused = store
        .run(&key, Acquire { expected: Bytes::copy_from_slice(&other), token: token(2), lease: LONG }, WITHIN)
        .await
        .unwrap();
    assert_ne!(refused, Acquired::Yes, "something else was seen");
    assert_eq!(
        store
            .run(
                &key,
                Acquire { expected: Bytes::copy_from_slice(seen), token: token(2), lease: LONG },
                WITHIN
            )
            .await,
        Ok(Acquired::Yes)
    );
    assert_eq!(state(store, &key).await, "lease");
    let gone = store
        .run(&key, Acquire { expected: Bytes::copy_from_slice(seen), token: token(3), lease: LONG }, WITHIN)
        .await
        .unwrap();
    assert_ne!(gone, Acquired::Yes, "what was seen is gone");
    let absent = store
        .run(
            &self::key("absent"),
            Acquire { expected: Bytes::copy_from_slice(seen), token: token(3), lease: LONG },
            WITHIN,
        )
        .await
        .unwrap();
    assert_eq!(absent, Acquired::Changed, "what was seen is gone altogether");
}

async fn leases_and_values_end(store: &Store) {
    let key = key("ends");
    let short = Duration::from_millis(60);
    assert_eq!(
        store.run(&key, Acquire { expected: Bytes::new(), token: token(1), lease: short }, WITHIN).await,
        Ok(Acquired::Yes)
    );
    sleep(short * 2).await;
    assert_eq!(state(store, &key).await, "absent");
    assert!(!fill(store, &key, token(1)).await, "the lease has ended");
    assert_eq!(acquire(store, &key, token(2)).await, Acquired::Yes);
    let fill = Fill { token: token(2), value: value(token(2), b"").into(), ttl: short };
    assert_eq!(store.run(&key, fill, WITHIN).await, Ok(Filled::Yes));
    sleep(short * 2).await;
    assert_eq!(state(store, &key).await, "absent");
}

async fn remove_deletes_all_but_guards(store: &Store) {
    let key = stored(store, "remove").await;
    assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]);
    assert_eq!(state(store, &key).await, "absent");
    assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]);
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]);
    assert!(!fill(store, &key, token(1)).await, "a removal refuses what was being loaded");
    guard(store, &key, token(9)).await;
    assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]);
    assert_eq!(state(store, &key).await, "guard");
}

async fn several_keys_are_one_step(store: &Store) {
    let keys: Vec<String> = (0..50).map(|_| key("many")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(
        store.run_all(&names, |_| Guard { token: token(9), hold: LONG }, WITHIN).await,
        vec![Ok(NO_COPIES); 50]
    );
    assert_eq!(
        store.run_all(&names, |_| RenewGuard { token: token(9), hold: LONG }, WITHIN).await,
        vec![Ok(true); 50]
    );
    for key in &names {
        assert_eq!(state(store, key).await, "guard");
    }
    assert_eq!(
        store.run_all(&names, |_| Release { token: token(9), left: Left::Nothing }, WITHIN).await,
        vec![Ok(RELEASED); 50]
    );
    for key in &names {
        assert_eq!(state(store, key).await, "absent");
    }
    assert_eq!(store.run_all(&names, |_| Remove, WITHIN).await, vec![Ok(NO_COPIES); 50]);
}

async fn whoever_watches_is_told(store: &Store) {
    let key = key("watch");
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    let mut watched = store.watch(&key, WITHIN).await.unwrap();
    assert_eq!(watched.there.as_deref(), Some(&entry::lease(token(1))[..]));
    assert!(watched.left > LONG / 2 && watched.left <= LONG, "{:?}", watched.left);
    assert!(watched.watch.is_push(), "this store announces changes");
    assert!(store.run(&key, Renew { token: token(1), hold: LONG }, WITHIN).await.unwrap());
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

/// Each of many concurrent readers gets the entry of its own key.
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
    guards::a_guard_refuses_what_was_being_loaded(store).await;
    guards::a_guard_takes_the_place_of_a_value(store).await;
    guards::the_last_writer_out_ends_the_guard(store).await;
    guards::overlapping_writers_leave_a_mark(store).await;
    guards::a_guard_that_comes_late_does_not_cut_one_that_settles(store).await;
    guards::a_writer_that_was_alone_leaves_its_value(store).await;
    guards::a_writer_in_company_leaves_nothing(store).await;
    guards::several_values_are_one_step(store).await;
    guards::a_release_without_a_guard_deletes(store).await;
    guards::a_guard_settles(store).await;
    guards::a_settling_guard_outlives_later_writers(store).await;
    guards::a_dead_writer_leaves_no_guard_behind(store).await;
    leases_and_values_end(store).await;
    refreshes::one_refresh_runs_and_replaces_the_value(store).await;
    refreshes::a_refresh_can_be_taken_over(store).await;
    refreshes::a_refresh_that_rests_is_begun_after_a_pause(store).await;
    refreshes::a_refresh_that_is_not_renewed_can_be_won_by_another(store).await;
    refreshes::writes_end_refreshes(store).await;
    copies::a_guard_takes_over_the_copies_of_what_it_replaces(store).await;
    copies::a_guard_does_not_end_before_the_copies(store).await;
    copies::what_deletes_a_value_leaves_its_copies_a_guard(store).await;
    copies::nothing_is_stored_over_a_guard_with_copies(store).await;
    copies::a_refill_waits_for_the_copies(store).await;
    copies::what_cannot_be_read_is_not_replaced_while_there_are_copies(store).await;
    copies::a_copy_is_granted_for_no_longer_than_its_value(store).await;
    copies::a_shorter_copy_does_not_shorten_a_longer_one(store).await;
    remove_deletes_all_but_guards(store).await;
    several_keys_are_one_step(store).await;
    tags::the_version_of_a_tag_is_created_once(store).await;
    tags::a_write_of_a_tag_ends_its_version(store).await;
    tags::a_tag_lives_for_as_long_as_what_carries_it(store).await;
    tags::an_entry_and_its_tags_are_read_together(store).await;
    together::many_fills_are_as_many_steps(store).await;
    together::many_rights_are_given_up_each_in_its_way(store).await;
    together::many_tags_are_carried_at_once(store).await;
}

/// Foreign data, in each form.
const FOREIGN: [&[u8]; 6] =
    [b"hello", b"", b"{}", b"\xCA\x5D\xE1", b"\xCA\x5D\xE1\x04 later", b"\xCA\x5D\xE0\x10"];

/// Every step refuses a foreign key and leaves it as it is.
async fn foreign_data_is_never_touched(store: &Store, key: &str) {
    assert_eq!(state(store, key).await, "foreign");
    let (token, refused) = (token(1), |answer: Answer<bool>| assert_ne!(answer, Ok(true)));
    let acquired = store.run(key, Acquire { expected: Bytes::new(), token, lease: LONG }, WITHIN).await;
    assert_ne!(acquired, Ok(Acquired::Yes));
    refused(store.run(key, Renew { token, hold: LONG }, WITHIN).await);
    let filled = store.run(key, Fill { token, value: Bytes::from_static(b"x"), ttl: LONG }, WITHIN).await;
    assert_ne!(filled, Ok(Filled::Yes));
    let seen = entry::header_of(&store.read(key, WITHIN).await.ok().flatten().unwrap_or_default());
    for force in [false, true] {
        refused(store.run(key, Elect { expected: seen.clone(), token, hold: LONG, force }, WITHIN).await);
    }
    for step in [rests(token, 1, LONG), discards(token)] {
        refused(store.run(key, step, WITHIN).await.map(|answer| answer.is_some()));
    }
    let register = Register { expected: seen, local: LONG };
    assert!(matches!(store.run(key, register, WITHIN).await, Ok(None) | Err(_)));
    let guarded = store.run_all(&[key], |_| Guard { token, hold: LONG }, WITHIN).await;
    assert_eq!(guarded, [Err(StoreError::Foreign)]);
    let renewed = store.run_all(&[key], |_| RenewGuard { token, hold: LONG }, WITHIN).await;
    assert_eq!(renewed, [Err(StoreError::Foreign)]);
    let value = Left::Value { value: value(token, b"x").into(), ttl: LONG };
    for left in [Left::Nothing, Left::Settling(LONG), value] {
        let released = store.run_all(&[key], |_| Release { token, left: left.clone() }, WITHIN).await;
        assert_eq!(released, [Err(StoreError::Foreign)]);
    }
    assert_eq!(store.run_all(&[key], |_| Remove, WITHIN).await, [Err(StoreError::Foreign)]);
    assert_eq!(store.run(key, Carry { fresh: token, ttl: LONG }, WITHIN).await, Err(StoreError::Foreign));
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
        assert_eq!(
            store
                .run(
                    &key,
                    &Acquire { expected: Bytes::new(), token: token(1), lease: Duration::from_millis(10) }
                )
                .await,
            Ok(Acquired::Yes)
        );
        if number.is_multiple_of(100) {
            sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(store.len() < 5_000, "{} slots for at most 1,100 that live", store.len());
}
