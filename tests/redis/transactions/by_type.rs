//! Functions that take a transaction, which their types show.

use cached_aside::{Error, cached_aside, invalidates, transaction};
use cached_aside_tests::RedisServer;

use super::{Db, GUARD, Tx, balance, kind, two};

/// A database transaction, by its name.
struct Transaction<'a>(Tx<'a>);

#[invalidates(balance(account), transaction = "required")]
async fn change_inside(tx: &mut Transaction<'_>, account: u64, by: i64) -> Result<(), Error> {
    tx.0.written.insert(account, by);
    Ok(())
}

#[invalidates(balance(account), transaction = "required")]
async fn change_and_say_nothing(tx: &mut Transaction<'_>, account: u64, by: i64) {
    tx.0.written.insert(account, by);
}

#[invalidates(balance(account), transaction = "own")]
async fn change_and_commit_itself(mut tx: Transaction<'_>, account: u64, by: i64) {
    tx.0.written.insert(account, by);
    tx.0.commit().await;
}

#[tokio::test]
async fn a_write_of_a_transaction_is_refused_outside_of_one() {
    let server = RedisServer::start();
    let (writer, _) = two(&server, "required").await;
    let db = Db::default();
    writer
        .scope(async {
            let mut tx = Transaction(db.begin().await);
            let refused = change_inside(&mut tx, 1, 1).await.unwrap_err();
            assert!(
                matches!(refused, Error::OutsideTransaction { function: "change_inside" }),
                "{refused:?}"
            );
            assert!(refused.to_string().contains("cached_aside::transaction(async {"), "{refused}");
            assert!(tx.0.written.is_empty(), "its body has not run");
            change_and_say_nothing(&mut tx, 1, 2).await;
            assert_eq!(tx.0.written.remove(&1), Some(2), "it can't say so, and runs");
            transaction(async {
                change_inside(&mut tx, 1, 3).await.unwrap();
                // A write of its own inside is no transaction's end.
                change_and_say_nothing(&mut tx, 2, 3).await;
                assert_eq!(kind(&server, "required:balance:1"), GUARD);
            })
            .await;
            change_and_commit_itself(tx, 1, 4).await;
        })
        .await;
    assert_eq!((db.row(1), db.row(2)), (4, 3));
    assert_eq!((writer.stats().writes_refused, kind(&server, "required:balance:1")), (1, None));
}

/// A rate of exchange, which no transaction of ours changes.
#[cached_aside(ttl = "1m", key = "rate:{currency}", skip(tx, db), in_transaction = "cached")]
async fn rate(tx: &Transaction<'_>, db: &Db, currency: u64) -> i64 {
    let _ = tx;
    db.row(currency)
}

#[tokio::test]
async fn a_read_of_another_origin_is_given_hits_inside_of_a_transaction_and_stores_nothing() {
    let server = RedisServer::start();
    let (cache, _) = two(&server, "rates").await;
    let (db, origin) = (Db::default(), Db::default());
    origin.rows().extend([(1, 10), (2, 20)]);
    cache
        .scope(async {
            let tx = Transaction(db.begin().await);
            assert_eq!(rate(&tx, &origin, 1).await, 10);
            crate::support::filled(&cache, 1).await;
            origin.rows().insert(1, 11);
            transaction(async {
                assert_eq!((rate(&tx, &origin, 1).await, rate(&tx, &origin, 2).await), (10, 20));
                assert_eq!(rate::key(1).peek().await.unwrap(), Some(10));
                assert_eq!(cached_aside::refresh(rate(&tx, &origin, 1)).await, 11);
            })
            .await;
            assert_eq!(rate(&tx, &origin, 1).await, 10);
        })
        .await;
    let stats = cache.stats().total;
    assert_eq!((stats.hits, stats.stored, kind(&server, "rates:rate:2")), (2, 1, None));
}

/// Rows, of a transaction that has not committed them too.
trait Rows: Sync {
    fn row(&self, account: u64) -> i64;
}

impl Rows for Db {
    fn row(&self, account: u64) -> i64 {
        Db::row(self, account)
    }
}

impl Rows for Transaction<'_> {
    fn row(&self, account: u64) -> i64 {
        self.0.row(account)
    }
}

/// Through an executor, which may be a transaction.
#[cached_aside(ttl = "1m", key = "seen:{account}", skip(rows))]
async fn seen(rows: &impl Rows, account: u64) -> i64 {
    rows.row(account)
}

/// Its own transaction, which it rolls back.
#[invalidates(balance(account), transaction = "own")]
async fn change_look_and_roll_back(db: &Db, account: u64) -> Result<i64, ()> {
    let mut tx = Transaction(db.begin().await);
    change_inside(&mut tx, account, 9).await.map_err(drop)?;
    Ok(seen(&tx, account).await)
}

#[invalidates("around")]
async fn around(db: &Db, account: u64) -> Result<i64, ()> {
    change_look_and_roll_back(db, account).await
}

#[tokio::test]
async fn what_is_read_inside_of_a_transaction_of_its_own_is_neither_stored_nor_shared() {
    let server = RedisServer::start();
    let (writer, reader) = two(&server, "own").await;
    let db = Db::default();
    writer
        .scope(async {
            // A write of somebody's transaction is refused outside of one, and this is inside.
            assert_eq!(change_look_and_roll_back(&db, 1).await, Ok(9));
            assert_eq!(around(&db, 1).await, Ok(9));
            writer.ping().await.unwrap();
        })
        .await;
    assert_eq!((writer.stats().total.bypassed, writer.stats().total.stored), (2, 0));
    for cache in [&writer, &reader] {
        assert_eq!(cache.scope(seen(&db, 1)).await, 0, "what was never committed is nobody's");
    }
}

/// A connection that is lent, of which nobody knows whether it is in a transaction.
struct PgConnection<'a>(Tx<'a>);

#[cached_aside(ttl = "1m", key = "through:{account}", skip(connection))]
async fn through(connection: &mut PgConnection<'_>, account: u64) -> Option<i64> {
    connection.0.written.get(&account).copied()
}

#[tokio::test]
async fn a_read_through_a_connection_stores_what_may_be_rolled_back_unless_a_transaction_is_around_it() {
    let server = RedisServer::start();
    let (cache, _) = two(&server, "connections").await;
    let db = Db::default();
    let read = async |account: u64, row: Option<i64>| {
        let mut connection = PgConnection(db.begin().await);
        connection.0.written.extend(row.map(|row| (account, row)));
        through(&mut connection, account).await
    };
    cache
        .scope(async {
            // Nothing is committed. Inside it is seen, and not stored; outside it is what others are given.
            assert_eq!(transaction(read(1, Some(5))).await, Some(5));
            assert_eq!(read(1, None).await, None);
            assert_eq!(read(2, Some(5)).await, Some(5));
            crate::support::filled(&cache, 1).await;
            assert_eq!(read(2, None).await, Some(5));
        })
        .await;
}
