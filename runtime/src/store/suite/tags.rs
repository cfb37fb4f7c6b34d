//! Tags and the entries that carry them.

use cached_aside_protocol::entry::TagSlot;

use super::*;
use crate::store::Together;

async fn carry(store: &Store, key: &str, fresh: Token, ttl: Duration) -> Answer<Option<Token>> {
    store.run(key, Carry { fresh, ttl }, WITHIN).await
}

async fn slot(store: &Store, key: &str) -> TagSlot {
    entry::tag_slot(store.read(key, WITHIN).await.unwrap().as_deref())
}

pub(super) async fn the_version_of_a_tag_is_created_once(store: &Store) {
    let key = key("#created");
    assert_eq!(slot(store, &key).await, TagSlot::Missing);
    assert_eq!(carry(store, &key, token(1), LONG).await, Ok(Some(token(1))));
    assert_eq!(carry(store, &key, token(2), LONG).await, Ok(Some(token(1))), "it was there");
    assert_eq!(slot(store, &key).await, TagSlot::Version(token(1)));
}

pub(super) async fn a_write_of_a_tag_ends_its_version(store: &Store) {
    let key = key("#written");
    assert_eq!(carry(store, &key, token(1), LONG).await, Ok(Some(token(1))));
    guard(store, &key, token(8)).await;
    assert_eq!(slot(store, &key).await, TagSlot::Guarded);
    assert_eq!(carry(store, &key, token(2), LONG).await, Ok(None), "a version through the guard");
    assert_eq!(
        store.run_all(&[&key], |_| RenewGuard { token: token(8), hold: LONG }, WITHIN).await,
        [Ok(true)]
    );
    release(store, &key, token(8)).await;
    assert_eq!(slot(store, &key).await, TagSlot::Missing);
    assert_eq!(carry(store, &key, token(3), LONG).await, Ok(Some(token(3))), "another version");
    release(store, &key, token(9)).await;
    assert_eq!(slot(store, &key).await, TagSlot::Missing, "released without a guard");
    assert_eq!(carry(store, &key, token(4), LONG).await, Ok(Some(token(4))));
    assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]);
    assert_eq!(slot(store, &key).await, TagSlot::Missing, "removed");
}

pub(super) async fn a_tag_lives_for_as_long_as_what_carries_it(store: &Store) {
    let left = async |key: &str| store.watch(key, WITHIN).await.unwrap().left;
    let (short, minute) = (Duration::from_secs(10), Duration::from_secs(60));
    let key = key("#kept");
    assert_eq!(carry(store, &key, token(1), short).await, Ok(Some(token(1))));
    assert!(left(&key).await <= short);
    assert_eq!(carry(store, &key, token(2), minute).await, Ok(Some(token(1))));
    assert!(left(&key).await > minute / 2, "extended");
    assert_eq!(carry(store, &key, token(2), short).await, Ok(Some(token(1))));
    assert!(left(&key).await > minute / 2, "and not shortened");
}

pub(super) async fn an_entry_and_its_tags_are_read_together(store: &Store) {
    let entry = stored(store, "together").await;
    let tags = [key("#together"), key("#together"), key("#together")];
    assert_eq!(carry(store, &tags[0], token(1), LONG).await, Ok(Some(token(1))));
    guard(store, &tags[2], token(9)).await;
    let keys = [&*entry, &*tags[0], &*tags[1], &*tags[2]];
    for timed in [false, true] {
        // As many as fit into several batches.
        let reads = join_all((0..100).map(|_| store.read_together(&keys, timed, WITHIN))).await;
        for read in reads {
            let Together { first, others, now } = read.unwrap();
            assert_eq!(now.is_some(), timed);
            let payload = entry::parse(first.as_deref().unwrap_or_default(), FINGERPRINT);
            assert!(matches!(payload, Entry::Value(value) if value.payload == Some(b"payload")));
            let slots: Vec<_> = others.iter().map(|there| entry::tag_slot(there.as_deref())).collect();
            assert_eq!(slots, [TagSlot::Version(token(1)), TagSlot::Missing, TagSlot::Guarded]);
        }
    }
    let mixed = (0..100).map(|number| async move {
        if number % 2 == 0 {
            let there = store.read_together(&keys[..2], false, WITHIN).await.unwrap();
            assert_eq!(entry::tag_slot(there.others[0].as_deref()), TagSlot::Version(token(1)));
        } else {
            // The key of a tag, as another caller's only key.
            let there = store.read(keys[1 + number / 2 % 2], WITHIN).await.unwrap();
            assert_eq!(there.is_some(), number / 2 % 2 == 0);
        }
    });
    join_all(mixed).await;
    release(store, &tags[2], token(9)).await;
}
