//! Who commits what is written, and whether what is read may ever be.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, updates};

struct Transaction<'a>(&'a ());
struct DatabaseTransaction;
struct AsyncPgConnection;
struct Pool;

#[cached_aside(ttl = "5m", key = "row:{id}", skip(pool))]
async fn row(pool: &Pool, id: u64) -> u64 {
    id
}

#[invalidates(row(id))]
async fn lent(tx: &mut Transaction<'_>, id: u64) {}

#[invalidates(row(id))]
async fn by_value(id: u64, tx: self::Transaction<'static>) {}

#[invalidates(row(id))]
async fn shared(tx: &DatabaseTransaction, id: u64) {}

#[updates(row(id))]
async fn on_a_connection(connection: &mut AsyncPgConnection, id: u64) -> u64 {
    id
}

#[invalidates(row(id))]
async fn perhaps(tx: Option<&mut Transaction<'_>>, id: u64) {}

#[invalidates(row(id), transaction = "require")]
async fn misspelt(tx: &mut Transaction<'_>, id: u64) {}

#[invalidates(row(id), transaction = own)]
async fn unquoted(tx: &mut Transaction<'_>, id: u64) {}

#[cached_aside(ttl = "5m", key = "read:{id}", skip(tx))]
async fn read(tx: &mut Transaction<'_>, id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "read:{id}", skip(tx), in_transaction = "yes")]
async fn read_and_say(tx: &mut Transaction<'_>, id: u64) -> u64 {
    id
}

fn main() {}
