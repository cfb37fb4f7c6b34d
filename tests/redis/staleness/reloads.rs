//! When a value is reloaded, and who waits for that.

use super::*;

#[test]
fn one_caller_reloads_and_the_others_get_the_old_value() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(revalidated(&db).await, Ok(1));
        db.set(2);
        assert_eq!(revalidated(&db).await, Ok(1));
        sleep(STALE).await;
        db.takes(Duration::from_secs(3));
        let reloads = revalidated(&db);
        let others = async {
            while db.asked() < 2 {
                sleep(Duration::from_millis(5)).await;
            }
            for _ in 0..10 {
                assert_eq!(at_once(revalidated(&db)).await, Ok(1));
            }
            assert_eq!(db.answered(), 1, "they did not wait");
        };
        assert_eq!(tokio::join!(reloads, others).0, Ok(2));
        assert_eq!(revalidated(&db).await, Ok(2));
        let counts = cache.stats().function("revalidated");
        assert_eq!((counts.loads, counts.refreshes, counts.stale, counts.hits), (2, 1, 10, 2));
        assert_eq!((counts.stored, counts.misses, counts.refreshes_failed), (2, 1, 0));
    });
}

#[test]
fn a_value_past_the_window_is_loaded_anew() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(short(&db).await, Ok(1));
        db.set(2);
        sleep(STALE * 2).await;
        assert_eq!(short(&db).await, Ok(2));
        let counts = cache.stats().function("short");
        assert_eq!((counts.stale, counts.refreshes, counts.misses), (0, 0, 2));
    });
}

#[test]
fn a_reload_that_fails_gives_the_old_value_and_is_tried_again_after_a_pause() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(kept_on_error(&db).await, Ok(1));
        sleep(STALE).await;
        db.fails(true);
        let begun = Instant::now();
        let mut calls = 0;
        while begun.elapsed() < Duration::from_secs(5) {
            assert_eq!(kept_on_error(&db).await, Ok(1));
            calls += 1;
            sleep(Duration::from_millis(20)).await;
        }
        // Pauses of up to 1, 2 and 4 seconds, each shortened by up to a half.
        let asked = db.asked() - 1;
        assert!((2..=6).contains(&asked) && calls > 2 * asked, "{asked} reloads for {calls} calls");
        let counts = cache.stats().function("kept_on_error");
        assert_eq!((counts.stale, counts.refreshes_failed), (calls, asked));
        db.fails(false);
        db.set(2);
        let recovers = async {
            while kept_on_error(&db).await == Ok(1) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, recovers).await.unwrap();
        assert_eq!(kept_on_error(&db).await, Ok(2));
    });
}

#[test]
fn past_its_ttl_a_value_is_given_only_if_its_reload_fails() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(kept_on_error(&db).await, Ok(1));
        sleep(STALE).await;
        db.set(2);
        db.takes(Duration::from_millis(300));
        let (first, second) = tokio::join!(kept_on_error(&db), kept_on_error(&db));
        assert_eq!((first, second, db.asked()), (Ok(2), Ok(2), 2));
        assert_eq!(cache.stats().function("kept_on_error").stale, 0);
        sleep(STALE).await;
        db.fails(true);
        let (first, second) = tokio::join!(kept_on_error(&db), kept_on_error(&db));
        assert_eq!((first, second), (Ok(2), Ok(2)));
        assert_eq!(db.asked(), 3);
    });
}

#[test]
fn a_refresh_in_the_background_keeps_nobody_waiting() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(in_background(&db).await, Ok(1));
        sleep(STALE).await;
        db.set(2);
        db.takes(Duration::from_secs(3));
        for _ in 0..10 {
            assert_eq!(at_once(in_background(&db)).await, Ok(1));
        }
        assert_eq!(db.answered(), 1);
        let arrives = async {
            while in_background(&db).await == Ok(1) {
                sleep(Duration::from_millis(20)).await;
                let counts = cache.stats().function("in_background");
                assert!((counts.refreshes, counts.loads) == (1, 2) && db.asked() == 2, "{counts:?}");
            }
        };
        timeout(LONG, arrives).await.unwrap();
    });
}

#[test]
fn past_the_soft_limit_the_old_value_is_given_and_the_load_goes_on() {
    on_both_stores(async |cache, db| {
        db.set(1);
        db.takes(Duration::from_millis(300));
        assert_eq!(soft(&db).await, Ok(1), "without an old value there is no soft limit");
        sleep(STALE).await;
        db.set(2);
        db.takes(Duration::from_secs(2));
        let begun = Instant::now();
        let (first, second) = tokio::join!(soft(&db), soft(&db));
        let took = begun.elapsed();
        assert_eq!((first, second, db.answered()), (Ok(1), Ok(1), 1));
        assert!((Duration::from_millis(190)..Duration::from_secs(2)).contains(&took), "{took:?}");
        let arrives = async {
            while soft(&db).await == Ok(1) {
                assert_eq!(db.asked(), 2);
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, arrives).await.unwrap();
        // A reload in time is waited for.
        sleep(STALE).await;
        db.set(3);
        db.takes(Duration::from_millis(1));
        assert_eq!(soft(&db).await, Ok(3));
        assert!(cache.stats().function("staleness::soft").refreshes >= 2);
    });
}

#[test]
fn past_the_hard_limit_the_load_is_dropped() {
    on_both_stores(async |cache, db| {
        db.takes(Duration::from_secs(60));
        let begun = Instant::now();
        let error = hard(&db).await.unwrap_err();
        assert_eq!(error.0, "`hard` did not load within 200ms and was given up (`load_timeout`)");
        assert!(begun.elapsed() < LONG);
        db.takes(Duration::ZERO);
        db.set(1);
        assert_eq!((hard(&db).await, hard_and_stale(&db).await), (Ok(1), Ok(1)));
        sleep(STALE).await;
        db.takes(Duration::from_secs(60));
        assert_eq!(hard_and_stale(&db).await, Ok(1), "it is an error like others");
        assert_eq!(db.answered(), 2, "dropped loads do not go on");
        assert_eq!(cache.stats().total.timed_out, 2);
    });
}

#[test]
fn values_are_reloaded_early_by_one_caller() {
    on_both_stores(async |cache, db| {
        // A hundred times a load time of about a second is more than a minute, for most random numbers.
        db.set(1);
        db.takes(Duration::from_secs(1));
        assert_eq!(early(&db).await, Ok(1));
        db.set(2);
        db.takes(Duration::from_secs(2));
        let mut readers = Vec::new();
        for _ in 0..50 {
            let (db, cache) = (db.clone(), cache.clone());
            readers.push(tokio::spawn(async move { cache.scope(early(&db)).await }));
        }
        let mut given = [0, 0, 0];
        for reader in readers {
            given[usize::try_from(reader.await.unwrap().unwrap()).unwrap()] += 1;
        }
        assert_eq!(given, [0, 49, 1], "one reloaded, the others had the fresh value");
        let counts = cache.stats().function("early");
        assert_eq!((counts.early_refreshes, counts.refreshes, counts.stale, counts.hits), (1, 1, 0, 49));
    });
}

#[test]
fn a_refresh_that_is_dropped_is_begun_by_the_next_caller() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(revalidated(&db).await, Ok(1));
        sleep(STALE).await;
        db.takes(Duration::from_secs(60));
        timeout(Duration::from_millis(500), revalidated(&db)).await.unwrap_err();
        assert_eq!(db.asked(), 2, "it had begun");
        db.takes(Duration::ZERO);
        db.set(2);
        let begun = Instant::now();
        while revalidated(&db).await != Ok(2) {
            // Unrenewed it would end after five seconds.
            assert!(begun.elapsed() < Duration::from_secs(3), "nobody begins it");
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(cache.stats().function("revalidated").refreshes, 2);
    });
}

#[test]
fn what_is_no_longer_stored_ends_the_old_value() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(maybe(&db).await, Some(1));
        sleep(STALE).await;
        db.fails(true);
        assert_eq!(maybe(&db).await, None, "`None` is an answer, and no error");
        db.fails(false);
        db.set(2);
        let arrives = async {
            while maybe(&db).await != Some(2) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, arrives).await.unwrap();
        assert!(cache.stats().function("maybe").misses >= 2, "the old value was deleted");
    });
}
