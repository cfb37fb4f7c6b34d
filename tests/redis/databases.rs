//! Transactions of real databases, through their drivers: what becomes of the cache when they are committed, rolled back, dropped,
//! tried again, and when their process dies or their connection is lost.
//!
//! The scenes are the same for all drivers. What differs is what a program writes: annotated functions that take the driver's own
//! transaction, and read through its own connections.

use cached_aside::Cache;
use cached_aside_tests::RedisServer;
use redis::cmd;

use crate::support::{filled, patient};

mod documented;
mod readme;
mod scenes;
mod through_rusqlite;
mod through_sqlx;
mod through_tokio_postgres;

#[derive(Debug)]
pub(crate) enum Failed {
    /// By the cache, before anything was written.
    Refused(cached_aside::Error),
    /// Another transaction was faster.
    Serialization,
    /// Everything else.
    #[expect(dead_code, reason = "a test that fails shows it")]
    Database(String),
}

impl From<cached_aside::Error> for Failed {
    fn from(error: cached_aside::Error) -> Self {
        Failed::Refused(error)
    }
}

/// A database, as a program reaches it through a driver.
pub(crate) trait Driver: Sized {
    type Tx<'a>
    where
        Self: 'a;

    /// Connects to what is at this path.
    async fn connect(at: &str) -> Self;
    /// Carries out statements.
    async fn execute(&self, statements: &str) -> Result<(), Failed>;
    /// Begins a transaction, which sees the rows as they are at its first statement where it is a snapshot.
    async fn begin(&mut self, snapshot: bool) -> Result<Self::Tx<'_>, Failed>;
    async fn commit(tx: Self::Tx<'_>) -> Result<(), Failed>;
    async fn rollback(tx: Self::Tx<'_>) -> Result<(), Failed>;
    /// A statement of a transaction.
    async fn execute_inside(tx: &mut Self::Tx<'_>, statement: &str) -> Result<(), Failed>;
    /// A cached read through a connection: its key is `balance:{table}:{account}`.
    async fn balance(&self, table: &str, account: i64) -> Result<i64, Failed>;
    /// The same function, through a transaction.
    async fn balance_inside(tx: &mut Self::Tx<'_>, table: &str, account: i64) -> Result<i64, Failed>;
    /// An annotated write inside of a transaction: `transaction = "required", guard_for = "2s"`.
    async fn change(tx: &mut Self::Tx<'_>, table: &str, account: i64, by: i64) -> Result<(), Failed>;
    /// The same of the account with the highest number, which only the result names.
    async fn change_last(tx: &mut Self::Tx<'_>, table: &str, by: i64) -> Result<i64, Failed>;
}

/// A table of this test's own, with two accounts of a hundred; two processes with one Redis; and a connection for each.
pub(crate) struct Bank<D> {
    redis: RedisServer,
    at: String,
    table: &'static str,
    writer: Cache,
    reader: Cache,
    client: D,
    other: D,
}

const NAMESPACE: &str = "bank";

async fn cache(redis: &str) -> Cache {
    patient(redis).namespace(NAMESPACE).build().await.unwrap()
}

/// What stands under the key of an account, by the entry's fourth byte.
fn kind(redis: &RedisServer, table: &str, account: i64) -> Option<u8> {
    let key = format!("{NAMESPACE}:balance:{table}:{account}");
    redis.run::<Option<Vec<u8>>>(cmd("GET").arg(key)).map(|entry| entry[3])
}

impl<D: Driver> Bank<D> {
    async fn new(at: &str, table: &'static str) -> Bank<D> {
        let redis = RedisServer::start();
        let (writer, reader) = (cache(&redis.url()).await, cache(&redis.url()).await);
        let (client, other) = (D::connect(at).await, D::connect(at).await);
        let make = format!(
            "CREATE TABLE {table} (id bigint PRIMARY KEY, balance bigint NOT NULL); \
             INSERT INTO {table} VALUES (1, 100), (2, 100)"
        );
        client.execute(&make).await.unwrap();
        Bank { redis, at: at.to_owned(), table, writer, reader, client, other }
    }

    /// What the other process reads of both accounts.
    async fn read(&self) -> (i64, i64) {
        let read = async {
            let one = self.other.balance(self.table, 1).await.unwrap();
            (one, self.other.balance(self.table, 2).await.unwrap())
        };
        self.reader.scope(read).await
    }

    /// The same, once both are in the cache.
    async fn read_and_store(&self) -> (i64, i64) {
        let read = self.read().await;
        let total = self.reader.stats().total;
        filled(&self.reader, total.loads - total.unstored).await;
        read
    }

    fn kind(&self, account: i64) -> Option<u8> {
        kind(&self.redis, self.table, account)
    }

    fn kinds(&self) -> [Option<u8>; 2] {
        [self.kind(1), self.kind(2)]
    }
}

/// In an entry's fourth byte.
const GUARD: Option<u8> = Some(2);
const VALUE: Option<u8> = Some(0x10);

/// The tests of a driver: each scene with a table of its own.
macro_rules! play {
    ($driver:ty, $prefix:literal, $at:expr => $($scene:ident)*) => {$(
        #[tokio::test]
        async fn $scene() {
            let at = $at;
            let table = concat!($prefix, "_", stringify!($scene));
            $crate::databases::scenes::$scene::<$driver>(&at.to_string(), table).await;
        }
    )*};
}
use play;
