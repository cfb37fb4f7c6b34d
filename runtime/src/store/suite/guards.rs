//! Guards of writers.

use cached_aside_protocol::Writers;

use super::*;

pub(super) async fn a_guard_refuses_what_was_being_loaded(store: &Store) {
    let key = key("fence");
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    guard(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "guard");
    assert!(!fill(store, &key, token(1)).await, "the fill came through the guard");
    assert!(!store.run(&key, Renew { token: token(1), hold: LONG }, WITHIN).await.unwrap());
    assert_eq!(store.run(&key, gives_up(token(1)), WITHIN).await, Ok(None));
    assert_ne!(acquire(store, &key, token(2)).await, Acquired::Yes, "a lease through the guard");
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
    assert!(!fill(store, &key, token(1)).await, "the fill came after the write");
    assert_eq!(state(store, &key).await, "absent");
}

pub(super) async fn a_guard_takes_the_place_of_a_value(store: &Store) {
    let key = stored(store, "value").await;
    guard(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "guard");
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
}

pub(super) async fn the_last_writer_out_ends_the_guard(store: &Store) {
    let key = key("writers");
    guard(store, &key, token(8)).await;
    guard(store, &key, token(9)).await;
    release(store, &key, token(8)).await;
    assert_eq!(state(store, &key).await, "guard");
    release(store, &key, token(8)).await;
    assert_eq!(state(store, &key).await, "guard", "a second release of the same writer counts for nothing");
    assert_eq!(
        store.run_all(&[&key], |_| RenewGuard { token: token(8), hold: LONG }, WITHIN).await,
        [Ok(false)]
    );
    assert_eq!(
        store.run_all(&[&key], |_| RenewGuard { token: token(9), hold: LONG }, WITHIN).await,
        [Ok(true)]
    );
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
}

/// It was sent before the release, and is carried out after it.
pub(super) async fn a_guard_that_comes_late_does_not_cut_one_that_settles(store: &Store) {
    const SHORT: Duration = Duration::from_millis(20);
    let key = key("settles");
    guard(store, &key, token(9)).await;
    let settling = |_| Release { token: token(9), left: Left::Settling(LONG) };
    assert_eq!(store.run_all(&[&key], settling, WITHIN).await, [Ok(RELEASED)]);
    let late = |_| Guard { token: token(9), hold: SHORT };
    assert_eq!(store.run_all(&[&key], late, WITHIN).await, [Ok(NO_COPIES)]);
    sleep(SHORT * 2).await;
    assert_eq!(state(store, &key).await, "guard");
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
}

pub(super) async fn overlapping_writers_leave_a_mark(store: &Store) {
    let overlapped = async |key: &str| {
        let bytes = store.read(key, WITHIN).await.unwrap().unwrap();
        Writers::read(&bytes).unwrap().overlapped
    };
    let key = key("overlap");
    guard(store, &key, token(8)).await;
    guard(store, &key, token(8)).await;
    assert!(!overlapped(&key).await, "the same writer twice is one");
    guard(store, &key, token(9)).await;
    assert!(overlapped(&key).await);
    release(store, &key, token(9)).await;
    assert!(overlapped(&key).await, "it is remembered as long as the guard stands");
    assert_eq!(
        store.run_all(&[&key], |_| RenewGuard { token: token(8), hold: LONG }, WITHIN).await,
        [Ok(true)]
    );
    assert!(overlapped(&key).await);
    release(store, &key, token(8)).await;
    guard(store, &key, token(7)).await;
    assert!(!overlapped(&key).await, "a new guard begins anew");
    // A writer without a guard counts as another writer too.
    release(store, &key, token(8)).await;
    assert!(overlapped(&key).await, "an outsider's release");
    assert_eq!(
        store.run_all(&[&key], |_| RenewGuard { token: token(7), hold: LONG }, WITHIN).await,
        [Ok(true)],
        "it is still inside"
    );
    release(store, &key, token(7)).await;
    guard(store, &key, token(7)).await;
    assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]);
    assert!(overlapped(&key).await, "an outsider's deletion");
}

/// A release that would store a value; whether it did.
async fn put(store: &Store, key: &str, token: Token) -> bool {
    let value = value(token, b"written");
    let release = |_| Release { token, left: Left::Value { value: value.clone().into(), ttl: LONG } };
    store.run_all(&[key], release, WITHIN).await.pop().unwrap().unwrap() == Released::Stored
}

pub(super) async fn a_writer_that_was_alone_leaves_its_value(store: &Store) {
    let key = stored(store, "put").await;
    guard(store, &key, token(8)).await;
    assert_eq!(
        store.run_all(&[&key], |_| RenewGuard { token: token(8), hold: LONG }, WITHIN).await,
        [Ok(true)]
    );
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
    // The same release once more, as a repetition would be: there is no guard any more, and the entry is deleted.
    assert!(!put(store, &key, token(8)).await);
    assert_eq!(state(store, &key).await, "absent");
}

pub(super) async fn a_writer_in_company_leaves_nothing(store: &Store) {
    // A writer that was inside and has left.
    let key = key("company");
    guard(store, &key, token(8)).await;
    guard(store, &key, token(9)).await;
    assert!(!put(store, &key, token(9)).await);
    assert_eq!(state(store, &key).await, "guard", "the first writer is still inside");
    assert!(!put(store, &key, token(8)).await, "it was not alone all the time");
    assert_eq!(state(store, &key).await, "absent");
    // A writer that was never inside.
    guard(store, &key, token(8)).await;
    release(store, &key, token(7)).await;
    assert!(!put(store, &key, token(8)).await);
    assert_eq!(state(store, &key).await, "absent");
    // Nobody is inside, or another writer.
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

pub(super) async fn several_values_are_one_step(store: &Store) {
    let keys: Vec<String> = (0..20).map(|_| key("puts")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(
        store.run_all(&names, |_| Guard { token: token(9), hold: LONG }, WITHIN).await,
        vec![Ok(NO_COPIES); 20]
    );
    guard(store, names[7], token(8)).await;
    let values: Vec<Vec<u8>> = (0..20).map(|number| value(token(9), &[number])).collect();
    let release = |number: usize| {
        let value = values[number].clone().into();
        Release { token: token(9), left: Left::Value { value, ttl: LONG } }
    };
    let answers = store.run_all(&names, release, WITHIN).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer == Ok(Released::Stored), number != 7, "{number}: {answer:?}");
        assert_eq!(state(store, names[number]).await, if number == 7 { "guard" } else { "value" });
    }
    let last = store.read(names[19], WITHIN).await.unwrap().unwrap();
    let Entry::Value(value) = entry::parse(&last, FINGERPRINT) else { panic!("{last:?}") };
    assert_eq!(value.payload, Some(&[19][..]), "each key has its own value");
}

pub(super) async fn a_release_without_a_guard_deletes(store: &Store) {
    let key = stored(store, "lost").await;
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent");
}

pub(super) async fn a_guard_settles(store: &Store) {
    let settle = Duration::from_millis(400);
    for guarded in [true, false] {
        let key = stored(store, "settle").await;
        if guarded {
            guard(store, &key, token(9)).await;
        }
        let begun = Instant::now();
        assert_eq!(
            store
                .run_all(&[&key], |_| Release { token: token(9), left: Left::Settling(settle) }, WITHIN)
                .await,
            [Ok(RELEASED)]
        );
        assert_eq!(state(store, &key).await, "guard");
        while state(store, &key).await == "guard" {
            assert!(begun.elapsed() < WITHIN, "it never ends");
            sleep(Duration::from_millis(5)).await;
        }
        let took = begun.elapsed();
        assert!(took + Duration::from_millis(5) >= settle, "settled after {took:?}");
        assert_eq!(state(store, &key).await, "absent");
    }
}

pub(super) async fn a_settling_guard_outlives_later_writers(store: &Store) {
    let key = key("settling");
    guard(store, &key, token(8)).await;
    assert_eq!(
        store.run_all(&[&key], |_| Release { token: token(8), left: Left::Settling(LONG) }, WITHIN).await,
        [Ok(RELEASED)]
    );
    guard(store, &key, token(9)).await;
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "guard", "the first write is still settling");
}

pub(super) async fn a_dead_writer_leaves_no_guard_behind(store: &Store) {
    let key = key("dead");
    let short = Duration::from_millis(60);
    assert_eq!(
        store.run_all(&[&key], |_| Guard { token: token(8), hold: short }, WITHIN).await,
        [Ok(NO_COPIES)]
    );
    guard(store, &key, token(9)).await;
    sleep(short * 2).await;
    release(store, &key, token(9)).await;
    assert_eq!(state(store, &key).await, "absent", "the dead writer's slot does not count");
    assert_eq!(
        store.run_all(&[&key], |_| Guard { token: token(8), hold: short }, WITHIN).await,
        [Ok(NO_COPIES)]
    );
    sleep(short * 2).await;
    assert_eq!(state(store, &key).await, "absent");
}
