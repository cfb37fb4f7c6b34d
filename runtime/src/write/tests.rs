//! Writes that leave their value behind, against everything that the store can do. Time is paused.

use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::{
    Token, Writers,
    entry::{self, Entry},
    steps::{Acquire, Left, Release},
};
use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};

use crate::{
    __private::{Key, key, update},
    AnyKey, Bincode, Cache,
    codec::coding::coding,
    function::{
        read::ReadFunction,
        write::{Guard, WriteFunction},
    },
    store::{
        Store,
        faulty::{FaultyStore, GATES, Gate, SLOW},
    },
    write::{
        open::Open,
        pieces::{PART, PIECE},
        places::Places,
        write,
    },
};

mod around;
mod attacks;
mod doubt;
mod nested;
mod owed;
mod strays;
mod transactions;

const TTL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_millis(250);
const GUARD_FOR: Duration = Duration::from_secs(10);

static LOAD: ReadFunction = ReadFunction::declare(module_path!(), "version", "version:{key}", TTL).jitter(0);
const SAVES: WriteFunction = WriteFunction::declare(module_path!(), "save").guard_for(GUARD_FOR);
static SAVE: WriteFunction = SAVES;
static SAVE_REQUIRED: WriteFunction = SAVES.guard(Guard::Required);

fn cache() -> Cache {
    Cache::with_store(Store::Faulty(FaultyStore::new()), TIMEOUT, "test".to_owned())
}

fn store(cache: &Cache) -> &FaultyStore {
    match &cache.inner.store {
        Store::Faulty(store) => store,
        _ => unreachable!(),
    }
}

fn version() -> Key<u64> {
    key(&LOAD, AnyKey::new("k"), coding::<u64, Bincode>(0))
}

async fn stored(cache: &Cache) -> Option<u64> {
    let stored = store(cache).inside.read("k").await.unwrap()?;
    let type_info = crate::fingerprint::of(&coding::<u64, Bincode>(0).kind).unwrap();
    match entry::parse(&stored, type_info.fingerprint) {
        Entry::Value(value) => Some((coding::<u64, Bincode>(0).decode)(value.payload.unwrap()).unwrap()),
        _ => None,
    }
}

/// Writes so long, and gives this.
async fn save(cache: &Cache, function: &'static WriteFunction, takes: Duration, gives: u64) -> Option<u64> {
    let body = async {
        sleep(takes).await;
        Ok(gives)
    };
    let refuse: Option<fn(_) -> _> = (function.settings.guard == Guard::Required).then_some(|_| Err(()));
    update::<Result<u64, ()>, 2, _>(function, Some(cache), refuse, [version()], pin!(body)).await.ok()
}

#[tokio::test(start_paused = true)]
async fn an_update_whatever_the_store_does() {
    let mut values = 0;
    for guard in GATES {
        for release in GATES {
            for function in [&SAVE, &SAVE_REQUIRED] {
                let what = format!("guard {guard:?} release {release:?} {}", function.settings.name);
                let cache = cache();
                for (verb, gate) in [("guard", guard), ("release", release)] {
                    store(&cache).set(verb, gate);
                }
                let given = save(&cache, function, Duration::from_millis(30), 2).await;
                let guarded = matches!(guard, Gate::Passes | Gate::Slow);
                assert_eq!(
                    given.is_some(),
                    guarded || function.settings.guard == Guard::BestEffort,
                    "{what}"
                );
                let stored = stored(&cache).await;
                // What was stored and not acknowledged is on the recovery list: this process does not read it.
                let peeked = version().in_cache(&cache).peek().await.unwrap();
                let taken = !matches!(release, Gate::Fails | Gate::Hangs);
                assert_eq!(stored, (guarded && taken).then_some(2), "{what}");
                let acknowledged = matches!(release, Gate::Passes | Gate::Slow);
                assert_eq!(peeked, (guarded && acknowledged).then_some(2), "{what}");
                assert_eq!(cache.stats().updated, u64::from(peeked.is_some()), "{what}");
                values += u64::from(stored.is_some());
                store(&cache).heal();
                sleep(Duration::from_secs(5)).await;
                assert_eq!(cache.inner.recovery.len(), 0, "{what}: it is delivered in the end");
                if peeked.is_none() {
                    // What is delivered late is a deletion.
                    assert_eq!(version().in_cache(&cache).peek().await.unwrap(), None, "{what}");
                }
            }
        }
    }
    assert_eq!(values, 12);
}

/// A guard that was gone for a while kept nobody out: what this write gives may not be the last.
#[tokio::test(start_paused = true)]
async fn a_guard_that_was_lost_leaves_nothing() {
    let cache = cache();
    let first = save(&cache, &SAVE, GUARD_FOR, 2);
    let second = async {
        sleep(GUARD_FOR / 10).await;
        // Evicted, or flushed.
        let guard = store(&cache).inside.read("k").await.unwrap().unwrap();
        let token = Writers::read(&guard).unwrap().tokens().next().unwrap();
        store(&cache).inside.run_all(&["k"], &[Release { token, left: Left::Nothing }]).await.unwrap();
        save(&cache, &SAVE, Duration::from_millis(1), 3).await;
        assert_eq!(stored(&cache).await, Some(3), "nobody else was there");
        sleep(GUARD_FOR / 2).await;
        assert_eq!(stored(&cache).await, None, "the guard has been placed anew");
    };
    tokio::join!(first, second);
    let stats = cache.stats();
    assert_eq!((stored(&cache).await, stats.updated, stats.guards_lost), (None, 1, 1));
}

/// Whoever goes away during the release leaves no value behind that nobody may have been told of.
#[tokio::test(start_paused = true)]
async fn cancelled_while_it_is_released() {
    let cache = cache();
    store(&cache).set("release", Gate::LosesReply);
    let write = save(&cache, &SAVE, Duration::ZERO, 2);
    timeout(TIMEOUT / 2, write).await.unwrap_err();
    assert_eq!(stored(&cache).await, Some(2), "it was stored all the same");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(stored(&cache).await, None, "and released once more");
}

/// Cancelled inside its body it stores nothing, and its guard holds on.
#[tokio::test(start_paused = true)]
async fn cancelled_in_its_body() {
    let cache = cache();
    let body = pin!(pending::<Result<u64, ()>>());
    let write = update::<_, 2, _>(&SAVE, Some(&cache), None, [version()], body);
    timeout(Duration::from_secs(1), write).await.unwrap_err();
    sleep(GUARD_FOR / 2).await;
    let guard = store(&cache).inside.read("k").await.unwrap().unwrap();
    assert!(Writers::read(&guard).is_some(), "the database may still be writing");
    sleep(GUARD_FOR).await;
    assert_eq!(store(&cache).inside.len(), 1);
    assert_eq!(store(&cache).inside.read("k").await.unwrap(), None);
}

/// Keys that only the result names are guarded by nobody: whoever goes away after the body does not leave them behind.
#[tokio::test(start_paused = true)]
async fn cancelled_before_the_keys_of_its_result_are_deleted() {
    for verb in ["release", "remove"] {
        let cache = cache();
        let inside = &store(&cache).inside;
        let token = Token::fresh();
        inside.run("result", &Acquire { expected: Bytes::new(), token, lease: TTL }).await.unwrap();
        store(&cache).set(verb, Gate::Hangs);
        let keys = vec![AnyKey::new("k")];
        let after = |(): &()| vec![AnyKey::new("result")];
        let body = pin!(async {});
        let call = write(&SAVE, Some(&cache.inner), keys, None, body, after);
        timeout(TIMEOUT / 2, call).await.unwrap_err();
        assert_eq!(inside.len(), if verb == "release" { 2 } else { 1 }, "{verb}: nothing was deleted");
        store(&cache).heal();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(inside.read("result").await.unwrap(), None, "{verb}");
        assert_eq!(inside.read("k").await.unwrap(), None, "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn guards_of_many_keys_are_renewed_to_the_last_piece() {
    let cache = cache();
    let keys: Vec<AnyKey> = (0..2 * PIECE + 10).map(|number| AnyKey::new(&format!("k{number}"))).collect();
    let guard = cache.guard(&keys).await.unwrap();
    sleep(10 * GUARD_FOR).await;
    assert_eq!(cache.stats().guards_lost, 0);
    let inside = &store(&cache).inside;
    for key in &keys {
        assert!(inside.read(key.as_str()).await.unwrap().is_some(), "{key} is under guard");
    }
    guard.release().await.unwrap();
    for key in &keys {
        assert_eq!(inside.read(key.as_str()).await.unwrap(), None, "{key} is released");
    }
}

/// Each piece takes its time, and all of them longer than a guard holds.
#[tokio::test(start_paused = true)]
async fn the_first_guards_are_renewed_while_the_last_ones_are_placed() {
    let cache = cache();
    let keys: Vec<AnyKey> = (0..60 * PIECE).map(|number| AnyKey::new(&format!("k{number:05}"))).collect();
    store(&cache).set("guard", Gate::Slow);
    let settings = SAVES.guard_for(PIECES_TAKE / 2).settings;
    let begun = tokio::time::Instant::now();
    let parts = Places::new(SAVES.settings.function(), Some(&cache.inner)).sort(keys.clone());
    let (_guards, failure) = Open::begin(parts, &settings).await;
    assert_eq!(begun.elapsed(), PIECES_TAKE);
    assert!(failure.is_none());
    for key in &keys {
        let there = store(&cache).inside.read(key.as_str()).await.unwrap();
        assert!(there.is_some(), "{key} is under guard");
    }
}

/// The library's thread is one for all caches: keys that can't be delivered, however many, do not hold up the others.
#[tokio::test]
async fn very_many_keys_let_others_run_while_they_are_listed() {
    const PIECES: usize = 20;
    let cache = cache();
    let keys: Vec<AnyKey> = (0..PIECES * PIECE).map(|number| AnyKey::new(&format!("k{number}"))).collect();
    store(&cache).set("guard", Gate::Fails);
    store(&cache).set("release", Gate::Fails);
    let guard = cache.guard_best_effort(&keys).await;
    let turns = Arc::new(AtomicUsize::new(0));
    let of_others = turns.clone();
    let others = tokio::spawn(async move {
        loop {
            of_others.fetch_add(1, Relaxed);
            yield_now().await;
        }
    });
    guard.release().await.unwrap_err();
    others.abort();
    assert_eq!(cache.stats().recovering, keys.len() as u64);
    // Where the answers are read, where the keys are listed, and where their write is over.
    let turns = turns.load(Relaxed);
    assert!(turns >= 3 * (keys.len() / PART - 1), "others had {turns} turns");
}

const PIECES_TAKE: Duration = SLOW.saturating_mul(60);
