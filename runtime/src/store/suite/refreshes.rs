//! Revalidation of values.

use super::*;

/// What a revalidation needs to know of the current value: its header, and the state of its revalidation.
async fn seen(store: &Store, key: &str) -> (Vec<u8>, Refresh, Duration) {
    let (there, now) = store.read_timed(key, WITHIN).await.unwrap();
    let bytes = there.unwrap();
    let Entry::Value(value) = entry::parse(&bytes, FINGERPRINT) else { panic!("{bytes:?}") };
    (entry::header(&bytes).to_vec(), value.refresh, now)
}

async fn elect(store: &Store, key: &str, head: &[u8], token: Token, hold: Duration) -> bool {
    let elect = Elect { expected: Bytes::copy_from_slice(head), token, hold, force: false };
    store.run(key, elect, WITHIN).await.unwrap()
}

async fn refill(store: &Store, key: &str, token: Token, payload: &[u8]) -> bool {
    let fill = Fill { token, value: value(token, payload).into(), ttl: LONG };
    store.run(key, fill, WITHIN).await.unwrap() == Filled::Yes
}

/// Whether there was something to abandon.
async fn abandon(store: &Store, key: &str, step: Abandon) -> bool {
    store.run(key, step, WITHIN).await.unwrap().is_some()
}

pub(super) async fn one_refresh_runs_and_replaces_the_value(store: &Store) {
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
            "renew" => store.run(&key, Renew { token: token(302), hold: LONG }, WITHIN).await.unwrap(),
            "refill" => refill(store, &key, token(302), b"other").await,
            "rest" => abandon(store, &key, rests(token(302), 1, LONG)).await,
            _ => abandon(store, &key, discards(token(302))).await,
        };
        assert!(!done, "`{verb}` of somebody else's refresh");
    }
    assert!(store.run(&key, Renew { token: token(301), hold: LONG * 2 }, WITHIN).await.unwrap());
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
    assert!(abandon(store, &key, discards(token(302))).await);
    assert_eq!(state(store, &key).await, "absent");
}

pub(super) async fn a_refresh_can_be_taken_over(store: &Store) {
    let key = stored(store, "taken").await;
    let take = async |head: &[u8], by| {
        store
            .run(
                &key,
                Elect { expected: Bytes::copy_from_slice(head), token: token(by), hold: LONG, force: true },
                WITHIN,
            )
            .await
            .unwrap()
    };
    let (head, ..) = seen(store, &key).await;
    assert!(elect(store, &key, &head, token(301), LONG).await);
    assert!(!take(&head, 302).await, "what was seen has changed");
    let (head, ..) = seen(store, &key).await;
    assert!(take(&head, 302).await, "whoever has it");
    let (_, refresh, now) = seen(store, &key).await;
    assert!(refresh.runs && refresh.until > now, "{refresh:?} at {now:?}");
    assert!(!store.run(&key, Renew { token: token(301), hold: LONG }, WITHIN).await.unwrap());
    assert!(!refill(store, &key, token(301), b"of before").await, "it was taken away");
    assert!(refill(store, &key, token(302), b"new").await);
    // It takes over from a revalidation that runs, and from one that backs off.
    let (head, ..) = seen(store, &key).await;
    assert!(take(&head, 303).await);
    assert!(abandon(store, &key, rests(token(303), 3, LONG)).await);
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

pub(super) async fn a_refresh_that_rests_is_begun_after_a_pause(store: &Store) {
    let key = stored(store, "rest").await;
    let (head, ..) = seen(store, &key).await;
    assert!(elect(store, &key, &head, token(301), LONG).await);
    let (rest, begun) = (Duration::from_millis(400), Instant::now());
    assert!(abandon(store, &key, rests(token(301), 3, rest)).await);
    assert!(!abandon(store, &key, rests(token(301), 4, LONG)).await, "it is no longer ours");
    let (head, refresh, now) = seen(store, &key).await;
    assert_eq!((refresh.runs, refresh.failures), (false, 3));
    assert!(refresh.until > now, "{refresh:?} at {now:?}");
    while !elect(store, &key, &head, token(302), LONG).await {
        assert!(begun.elapsed() < WITHIN, "it rests for ever");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(begun.elapsed() + Duration::from_millis(2) >= rest, "after {:?}", begun.elapsed());
}

pub(super) async fn a_refresh_that_is_not_renewed_can_be_won_by_another(store: &Store) {
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

pub(super) async fn writes_end_refreshes(store: &Store) {
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
            "remove" => assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]),
            _ => release(store, &key, token(9)).await,
        }
        assert!(!refill(store, &key, token(301), b"old").await, "{write}");
        assert!(!store.run(&key, Renew { token: token(301), hold: LONG }, WITHIN).await.unwrap(), "{write}");
        assert!(!abandon(store, &key, rests(token(301), 1, LONG)).await, "{write}");
        assert!(!abandon(store, &key, discards(token(301))).await, "{write}");
        assert!(!elect(store, &key, &head, token(302), LONG).await, "{write}");
        let left = if write == "guard" { "guard" } else { "absent" };
        assert_eq!(state(store, &key).await, left);
    }
}
