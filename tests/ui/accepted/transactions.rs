//! Functions that say who commits, and those that need not say it.

#![forbid(unsafe_code)]
#![deny(warnings)]

use std::marker::PhantomData;

use cached_aside::{Cache, Error, cached_aside, invalidates, transaction, updates};

struct Transaction<'a>(PhantomData<&'a ()>);
struct PgConnection;
struct DatabaseConnection;
struct Pool;

#[cached_aside(ttl = "5m", key = "row:{id}", skip(_pool))]
async fn row(_pool: &Pool, id: u64) -> u64 {
    id
}

/// It may be in no transaction: such a read runs its body inside of one.
#[cached_aside(ttl = "5m", key = "read:{id}", skip(_connection))]
async fn read(_connection: &mut PgConnection, id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "rate:{id}", skip(_tx), in_transaction = "cached")]
async fn rate(_tx: &Transaction<'_>, id: u64) -> u64 {
    id
}

#[invalidates(row(id), transaction = "required")]
async fn refused(_tx: &mut Transaction<'_>, id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[invalidates(row(id), transaction = "required", guard = "required")]
async fn refused_twice(_tx: &mut Transaction<'_>, id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[updates(row(id), transaction = "required")]
async fn update(_tx: &mut Transaction<'_>, id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[invalidates(row(*result), transaction = "required")]
async fn of_result(_tx: &mut Transaction<'_>, id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// Its type can't say that it is refused.
#[invalidates(row(id), transaction = "required")]
async fn said<E>(_tx: &mut Transaction<'_>, id: u64) -> Result<u64, E> {
    Ok(id)
}

#[invalidates(row(id), transaction = "required")]
async fn said_too(_tx: &mut Transaction<'_>, id: u64) {
    let _ = id;
}

#[invalidates(row(id), transaction = "own")]
async fn own(_tx: Transaction<'_>, id: u64) {
    let _ = id;
}

#[invalidates(row(id))]
async fn on_a_pool(_pool: &Pool, _other: &DatabaseConnection, id: u64) {
    let _ = id;
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() -> Result<(), Error> {
    Cache::in_process().install()?;
    let tx = || Transaction(PhantomData);
    for refused in [
        refused(&mut tx(), 1).await,
        refused_twice(&mut tx(), 1).await,
        update(&mut tx(), 1).await,
        of_result(&mut tx(), 1).await,
    ] {
        assert!(matches!(refused, Err(Error::OutsideTransaction { .. })), "{refused:?}");
    }
    assert_eq!(said::<()>(&mut tx(), 1).await, Ok(1));
    said_too(&mut tx(), 1).await;
    transaction(async {
        refused(&mut tx(), 1).await?;
        refused_twice(&mut tx(), 1).await?;
        update(&mut tx(), 1).await?;
        of_result(&mut tx(), 1).await?;
        assert_eq!(rate(&tx(), 1).await + read(&mut PgConnection, 1).await, 2);
        Ok::<_, Error>(())
    })
    .await?;
    own(tx(), 1).await;
    on_a_pool(&Pool, &DatabaseConnection, 1).await;
    assert_eq!(row(&Pool, 1).await, 1);
    Ok(())
}
