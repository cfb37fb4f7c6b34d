//! `bank REDIS POSTGRES NAMESPACE TABLE`: a transfer whose process is to be killed between its commit and the release.

use std::io;

use cached_aside::{Cache, invalidates, transaction};
use tokio_postgres::{NoTls, Transaction};

#[invalidates("balance:{table}:{account}", transaction = "required", guard_for = "2s")]
async fn change(tx: &Transaction<'_>, table: &str, account: i64, by: i64) -> Result<(), cached_aside::Error> {
    let change = format!("UPDATE {table} SET balance = balance + $1 WHERE id = $2");
    tx.execute(&change, &[&by, &account]).await.expect("the row can be changed");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &[String]) -> io::Result<()> {
    let [redis, postgres, namespace, table] = args else {
        return Err(io::Error::other("bank REDIS POSTGRES NAMESPACE TABLE"));
    };
    let cache = Cache::builder().url(redis).namespace(namespace).build().await.map_err(io::Error::other)?;
    let (mut client, connection) =
        tokio_postgres::connect(postgres, NoTls).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    cache
        .scope(transaction(async {
            let tx = client.transaction().await.map_err(io::Error::other)?;
            for (account, by) in [(1, -10), (2, 10)] {
                change(&tx, table, account, by).await.map_err(io::Error::other)?;
            }
            tx.commit().await.map_err(io::Error::other)?;
            println!("committed");
            std::future::pending().await
        }))
        .await
}
