//! Transactions that end in every way, over a database that goes on with what it was told: what others read meanwhile is held against
//! what it has committed.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{GUARD_FOR, cache, nested::is_guarded, store};
use crate::{
    Cache, cached_aside, inherit, invalidates, invalidating, keys,
    lock::Mutex,
    store::faulty::{Gate, SLOW},
    transaction,
};

type Failed = &'static str;

/// Two rows that change together.
#[derive(Debug)]
struct Db {
    rows: Mutex<[u64; 2]>,
    /// How long a commit takes.
    commits_in: Duration,
    /// Whether its answer comes; if not, the connection is lost at once.
    answers: bool,
    /// Whether a commit was asked for.
    asked: AtomicBool,
}

/// What is written and not committed.
#[derive(Debug)]
struct Tx {
    db: Arc<Db>,
    rows: Mutex<[u64; 2]>,
}

impl Tx {
    /// The database has the statement: it is carried out also if nobody waits for the answer.
    async fn commit(&self) -> Result<(), Failed> {
        let (db, rows) = (self.db.clone(), *self.rows.lock());
        let (answer, answered) = oneshot::channel();
        let answers = db.answers;
        db.asked.store(true, SeqCst);
        tokio::spawn(async move {
            sleep(db.commits_in).await;
            *db.rows.lock() = rows;
            let _ = answer.send(());
        });
        if !answers {
            return Err("the connection was lost");
        }
        answered.await.map_err(|_| "the database is gone")
    }
}

#[cached_aside(ttl = "5m", key = "row:{of}", skip(db))]
async fn row(db: &Db, of: usize) -> u64 {
    sleep(Duration::from_millis(2)).await;
    let read = db.rows.lock()[of];
    sleep(Duration::from_millis(3)).await;
    read
}

#[invalidates(row(of))]
async fn change(tx: &Tx, of: usize) -> Result<(), Failed> {
    sleep(Duration::from_millis(3)).await;
    tx.rows.lock()[of] += 1;
    Ok(())
}

#[invalidates(row(*result))]
async fn change_second(tx: &Tx) -> Result<usize, Failed> {
    change(tx, 0).await?;
    *tx.rows.lock() = [1, 1];
    Ok(1)
}

#[invalidates(row(0), row(1), transaction = "own")]
async fn change_both(db: &Arc<Db>) -> Result<(), Failed> {
    let tx = begin(db);
    *tx.rows.lock() = [1, 1];
    tx.commit().await
}

fn begin(db: &Arc<Db>) -> Tx {
    Tx { db: db.clone(), rows: Mutex::new(*db.rows.lock()) }
}

/// A transaction that writes both rows.
type Writes = fn(Arc<Db>, Cache) -> Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

const WAYS: [(&str, Writes); 8] = [
    ("one after the other", |db, _| {
        Box::pin(transaction(async move {
            let tx = begin(&db);
            change(&tx, 0).await?;
            change(&tx, 1).await?;
            tx.commit().await
        }))
    }),
    ("at the same time", |db, _| {
        Box::pin(transaction(async move {
            let tx = begin(&db);
            tokio::try_join!(change(&tx, 0), change(&tx, 1))?;
            tx.commit().await
        }))
    }),
    ("a key of a result", |db, _| {
        Box::pin(transaction(async move {
            let tx = begin(&db);
            change_second(&tx).await?;
            tx.commit().await
        }))
    }),
    ("its own transaction", |db, _| Box::pin(async move { change_both(&db).await })),
    ("one inside of another, with a cache in scope", |db, cache| {
        Box::pin(transaction(async move {
            let tx = begin(&db);
            cache.scope(transaction(change(&tx, 0))).await?;
            invalidating(keys![row(1)], async { tx.rows.lock()[1] += 1 }).await;
            tx.commit().await
        }))
    }),
    ("in tasks", |db, _| {
        Box::pin(transaction(async move {
            let tx = Arc::new(begin(&db));
            let write = |of| {
                let tx = tx.clone();
                tokio::spawn(inherit(async move { change(&tx, of).await }))
            };
            for task in [write(0), write(1)] {
                task.await.map_err(|_| "a task was dropped")??;
            }
            tx.commit().await
        }))
    }),
    ("an attempt that fails before it", |db, _| {
        Box::pin(transaction(async move {
            for attempt in 0..2 {
                let attempt = transaction(async {
                    let tx = begin(&db);
                    change(&tx, 0).await?;
                    if attempt == 0 {
                        return Err("could not serialize access");
                    }
                    change(&tx, 1).await?;
                    tx.commit().await
                });
                if attempt.await.is_ok() {
                    return Ok(());
                }
            }
            Err("it was tried twice")
        }))
    }),
    ("an attempt whose error is ignored", |db, _| {
        Box::pin(transaction(async move {
            let attempt = transaction(async {
                let tx = begin(&db);
                change(&tx, 0).await?;
                change(&tx, 1).await?;
                tx.commit().await
            });
            let _ = attempt.await;
            Ok(())
        }))
    }),
];

/// Reads both rows until it is told to stop. Who has seen the new value of one never sees the old one of the other.
async fn read_on(cache: Cache, db: Arc<Db>, what: String, stop: Arc<AtomicBool>) -> u64 {
    let (mut newest, mut reads) = (0, 0);
    while !stop.load(SeqCst) {
        for of in [0, 1] {
            let seen = cache.scope(row(&db, of)).await;
            assert!(seen >= newest, "{what}: row {of} is {seen} after {newest} was seen");
            newest = seen;
            reads += 1;
        }
        sleep(Duration::from_millis(25)).await;
    }
    reads
}

/// Polls a future so often. Gives whether it is over.
async fn poll_times<T>(mut future: Pin<&mut impl Future<Output = T>>, times: usize) -> Option<T> {
    for _ in 0..times {
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        sleep(Duration::from_millis(4)).await;
    }
    None
}

/// What is read while, and long after, a transaction is polled so often. Gives what it came to, if it was over, and whether it had asked
/// for its commit.
async fn attack(
    (way, writes): (&str, Writes),
    polls: usize,
    answers: bool,
    commits_in: Duration,
) -> (Option<Result<(), Failed>>, bool) {
    let what = format!("{way}, {polls} polls");
    let (cache, stop) = (cache(), Arc::new(AtomicBool::new(false)));
    for verb in ["guard", "release"] {
        store(&cache).set(verb, Gate::Slow);
    }
    let db = Arc::new(Db { rows: Mutex::default(), commits_in, answers, asked: AtomicBool::new(false) });
    let reading = tokio::spawn(read_on(cache.clone(), db.clone(), what.clone(), stop.clone()));
    sleep(3 * SLOW).await;
    let over = poll_times(pin!(cache.scope(writes(db.clone(), cache.clone()))), polls).await;
    let asked = db.asked.load(SeqCst);
    sleep(GUARD_FOR + Duration::from_secs(2)).await;
    stop.store(true, SeqCst);
    assert!(reading.await.unwrap() > 100, "{what}");
    let rows = *db.rows.lock();
    assert_eq!([cache.scope(row(&db, 0)).await, cache.scope(row(&db, 1)).await], rows, "{what}");
    assert_eq!(rows == [1, 1], asked, "{what}");
    assert_eq!((cache.inner.recovery.len(), cache.inner.tasks.len()), (0, 0), "{what}");
    assert!(!is_guarded(&cache, "row:0").await && !is_guarded(&cache, "row:1").await, "{what}");
    (over, asked)
}

/// Cut at every poll, and what it has told the database is carried out although nobody waits for it, just before its guards end.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_cut_at_any_await_may_commit_later() {
    for way in WAYS {
        let mut cut_in_commit = 0;
        for polls in 1.. {
            let (over, asked) = attack(way, polls, true, GUARD_FOR.saturating_sub(10 * SLOW)).await;
            assert!(over.is_none() && polls < 200, "{}: it never commits", way.0);
            cut_in_commit += usize::from(asked);
            if cut_in_commit == 3 {
                break;
            }
        }
    }
}

/// The connection is lost in `COMMIT`, which is carried out nearly a second later; and the caller may be gone before.
#[tokio::test(start_paused = true)]
async fn a_transaction_whose_answer_is_lost_may_commit_later() {
    for way in WAYS {
        for polls in 1.. {
            let (over, asked) = attack(way, polls, false, Duration::from_millis(900)).await;
            assert!(polls < 200, "{}: it is never over", way.0);
            if let Some(over) = over {
                assert!(asked && over.is_err() || way.0.contains("ignored"), "{}: {over:?}", way.0);
                break;
            }
        }
    }
}

/// As it commits when all goes well, and its caller gives up after each time.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_cut_at_any_await_around_its_commit_is_whole_or_nothing() {
    for way in WAYS {
        for polls in 1.. {
            let (over, _) = attack(way, polls, true, SLOW / 2).await;
            assert!(polls < 200, "{}: it is never over", way.0);
            if let Some(over) = over {
                assert_eq!(over, Ok(()), "{}", way.0);
                break;
            }
        }
    }
}

/// Panics when it is dropped, unless a panic is under way.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "it is dropped");
    }
}

/// A destructor that panics: at the end of the body, or when the transaction is dropped in the middle of it.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_destructor_inside_leaves_the_guards_for_as_long_as_they_hold() {
    for around in ["transaction", "invalidating"] {
        for at_end in [true, false] {
            let cache = cache();
            let inside = cache.clone();
            let body = async move {
                let _bomb = Bomb;
                inside.invalidate(&row::key(0)).await.unwrap();
                if !at_end {
                    sleep(3 * GUARD_FOR).await;
                }
            };
            let run: Pin<Box<dyn Future<Output = ()> + Send>> = match around {
                "transaction" => Box::pin(transaction(body)),
                _ => Box::pin(cache.scope(invalidating(keys![row(1)], body))),
            };
            let run = async move { drop(timeout(2 * GUARD_FOR, run).await) };
            assert!(AssertUnwindSafe(run).catch_unwind().await.is_err(), "{around}, {at_end}: it panics");
            assert!(!crate::engine::scope::is_in_write(), "the scope is put back");
            sleep(GUARD_FOR.saturating_sub(Duration::from_secs(1))).await;
            assert!(is_guarded(&cache, "row:0").await, "{around}, {at_end}: it may still be committed");
            assert_eq!(is_guarded(&cache, "row:1").await, around == "invalidating");
            sleep(Duration::from_secs(2)).await;
            for key in ["row:0", "row:1"] {
                assert!(!is_guarded(&cache, key).await, "{around}, {at_end}: {key} stays");
            }
            assert_eq!((cache.inner.recovery.len(), cache.inner.tasks.len()), (0, 0));
            assert_eq!(cache.stats().abandoned, 1, "{around}, {at_end}");
        }
    }
}

/// It holds up nobody else and keeps its guards, also while nobody polls it.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_nobody_polls_for_a_while_keeps_its_guards() {
    let cache = cache();
    let mut writing = pin!(transaction(async {
        cache.invalidate(&row::key(0)).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }));
    assert!(poll_times(writing.as_mut(), 2).await.is_none());
    for _ in 0..20 {
        sleep(GUARD_FOR / 2).await;
        assert!(is_guarded(&cache, "row:0").await);
    }
    writing.await;
    assert!(!is_guarded(&cache, "row:0").await);
    assert_eq!(cache.stats().guards_lost, 0);
}

/// One of two caches does not answer: the keys of the other are guarded and released as ever, and those of this one owed.
#[tokio::test(start_paused = true)]
async fn a_transaction_over_two_caches_of_which_one_is_away() {
    for away in ["from the start", "from the commit on"] {
        let (here, there) = (cache(), cache());
        let cut = |now: &str| {
            if now == away {
                for verb in ["guard", "renew_guard", "release", "remove"] {
                    store(&there).set(verb, Gate::Hangs);
                }
            }
        };
        let db =
            Db { rows: Mutex::default(), commits_in: SLOW, answers: true, asked: AtomicBool::new(false) };
        for (cache, of) in [(&here, 0), (&there, 1)] {
            assert_eq!(cache.scope(row(&db, of)).await, 0);
        }
        sleep(SLOW).await;
        transaction(async {
            cut("from the start");
            here.invalidate(&row::key(0)).await.unwrap();
            assert_eq!(there.invalidate(&row::key(1)).await.is_ok(), away != "from the start");
            assert!(is_guarded(&here, "row:0").await);
            cut("from the commit on");
            *db.rows.lock() = [1, 1];
        })
        .await;
        assert!(!is_guarded(&here, "row:0").await, "{away}");
        assert_eq!(here.scope(row(&db, 0)).await, 1, "{away}");
        assert_eq!(there.scope(row(&db, 1)).await, 1, "{away}: this process leaves the entry alone");
        assert_eq!((here.inner.recovery.len(), there.inner.recovery.len()), (0, 1), "{away}");
        store(&there).heal();
        there.flush_recovery().await.unwrap();
        assert!(!is_guarded(&there, "row:1").await, "{away}");
        assert_eq!(there.scope(row(&db, 1)).await, 1, "{away}");
    }
}
