//! What a write does to stale values and to the loads that replace them.

use super::*;

#[test]
fn a_write_ends_old_values() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!((revalidated(&db).await, kept_on_error(&db).await), (Ok(1), Ok(1)));
        sleep(STALE).await;
        write(&db, 2).await;
        assert_eq!((revalidated(&db).await, kept_on_error(&db).await), (Ok(2), Ok(2)));
        assert_eq!(cache.stats().total.stale, 0);
        sleep(STALE).await;
        write(&db, 3).await;
        db.fails(true);
        assert!(revalidated(&db).await.is_err() && kept_on_error(&db).await.is_err());
    });
}

#[test]
fn a_write_refuses_what_a_refresh_loaded_before_it() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(revalidated(&db).await, Ok(1));
        sleep(STALE).await;
        db.takes(Duration::from_millis(500));
        let writes = async {
            while db.asked() < 2 {
                sleep(Duration::from_millis(5)).await;
            }
            write(&db, 2).await;
            db.takes(Duration::ZERO);
            // What the refresh has read is old by now.
            assert_eq!(revalidated(&db).await, Ok(2));
        };
        assert_eq!(tokio::join!(revalidated(&db), writes).0, Ok(1));
        assert_eq!(revalidated(&db).await, Ok(2));
        let counts = cache.stats().function("revalidated");
        assert_eq!((counts.fills_refused, counts.refreshes), (1, 1));
    });
}

/// The value that is there is due for a reload: a write comes in while that runs, and what it has read is not stored.
async fn refuses(cache: Cache, db: Db, read: impl AsyncFn(&Db) -> Option<u64>) {
    let before = cache.stats().total;
    let asked = db.asked();
    db.takes(Duration::from_millis(500));
    let reads = async {
        while db.asked() == asked {
            read(&db).await;
            sleep(Duration::from_millis(5)).await;
        }
    };
    let writes = async {
        while db.asked() == asked {
            sleep(Duration::from_millis(5)).await;
        }
        write(&db, 2).await;
    };
    tokio::join!(reads, writes);
    let ends = async {
        loop {
            let now = cache.stats().total;
            let ended = (now.stored - before.stored, now.fills_refused - before.fills_refused);
            if ended != (0, 0) {
                break ended;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(timeout(LONG, ends).await.unwrap(), (0, 1), "stored and refused");
    db.takes(Duration::ZERO);
    db.fails(false);
    assert_eq!(read(&db).await, Some(2));
}

#[test]
fn a_write_refuses_what_others_wait_for() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(kept_on_error(&db).await, Ok(1));
        sleep(STALE).await;
        refuses(cache, db, async |db| kept_on_error(db).await.ok()).await;
    });
}

#[test]
fn a_write_refuses_what_is_loaded_in_the_background() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(in_background(&db).await, Ok(1));
        sleep(STALE).await;
        refuses(cache, db, async |db| in_background(db).await.ok()).await;
    });
}

#[test]
fn a_write_refuses_what_goes_on_past_the_soft_limit() {
    on_both_stores(async |cache, db| {
        db.set(1);
        assert_eq!(soft(&db).await, Ok(1));
        sleep(STALE).await;
        refuses(cache, db, async |db| soft(db).await.ok()).await;
    });
}

#[test]
fn a_write_refuses_what_is_loaded_early() {
    on_both_stores(async |cache, db| {
        db.set(1);
        // A hundred times that is more than the minute for every second random number.
        db.takes(Duration::from_secs(1));
        assert_eq!(early(&db).await, Ok(1));
        filled(&cache, 1).await;
        refuses(cache, db, async |db| early(db).await.ok()).await;
    });
}

#[test]
fn a_write_refuses_a_none_of_before_it() {
    on_both_stores(async |cache, db| {
        db.fails(true);
        refuses(cache.clone(), db.clone(), async |db| none(db).await).await;
        // The same in the place of a value.
        sleep(STALE).await;
        db.fails(true);
        refuses(cache, db, async |db| none(db).await).await;
    });
}
