//! Loads in the background: what they keep, and how they end.

use super::*;

/// A pool: a handle that is cheap to clone.
#[derive(Clone)]
struct Repo {
    tenant: u64,
    db: Db,
    cache: Cache,
}

impl Repo {
    #[cached_aside(
        ttl = "2s",
        stale_while_revalidate = "1m",
        refresh = "background",
        jitter = "0%",
        key = "kept:{self.tenant}:{name}:{ids:?}:{owned}",
        skip(factor, first, other, N),
        cache = self.cache
    )]
    async fn sum<const N: u64>(
        &self,
        name: &str,
        ids: &[u64],
        owned: String,
        factor: &Arc<u64>,
        (first, second): (u64, u64),
        other: impl Fn(u64) -> u64 + Send + 'static,
    ) -> Result<u64, DbError> {
        let sum: u64 = ids.iter().sum();
        let read = self.db.read().await?;
        assert_eq!((name, owned.as_str()), ("ada", "owned"));
        Ok(other(read + sum * **factor + first + second + N))
    }
}

#[test]
fn a_load_in_the_background_is_finished_at_shutdown() {
    on_both_stores(async |cache, db| {
        assert_eq!(in_background(&db).await, Ok(0));
        sleep(STALE).await;
        db.set(1);
        db.takes(Duration::from_millis(500));
        assert_eq!(in_background(&db).await, Ok(0));
        cache.shutdown(LONG).await.unwrap();
        assert_eq!((db.answered(), in_background::key().peek().await.unwrap()), (2, Some(1)));
    });
}

#[test]
fn a_load_in_the_background_that_takes_too_long_is_ended_at_shutdown() {
    on_both_stores(async |cache, db| {
        assert_eq!(in_background(&db).await, Ok(0));
        sleep(STALE).await;
        db.takes(LONG * 2);
        assert_eq!(in_background(&db).await, Ok(0));
        let begun = Instant::now();
        cache.shutdown(Duration::from_secs(2)).await.unwrap();
        assert!(begun.elapsed() < LONG && db.asked() == 2, "{:?}", begun.elapsed());
        assert_eq!(in_background(&db).await, Ok(0), "the old value is given, and nothing begins any more");
        assert_eq!((db.asked(), db.answered()), (2, 1));
    });
}

#[test]
fn methods_and_arguments_of_all_kinds_are_kept() {
    on_both_stores(async |cache, db| {
        let repo = Repo { tenant: 7, db: db.clone(), cache: cache.clone() };
        let sum = || async {
            let (name, ids, factor) = (String::from("ada"), vec![1, 2], Arc::new(10));
            repo.sum::<100>(&name, &ids, "owned".to_owned(), &factor, (3, 4), |sum| sum + 1).await
        };
        db.set(1000);
        assert_eq!(sum().await, Ok(1138));
        sleep(STALE).await;
        db.set(2000);
        assert_eq!(sum().await, Ok(1138));
        let arrives = async {
            loop {
                match sum().await {
                    Ok(1138) => sleep(Duration::from_millis(5)).await,
                    result => break result,
                }
                assert_eq!(db.asked(), 2);
            }
        };
        assert_eq!(timeout(LONG, arrives).await.unwrap(), Ok(2138));
    });
}
