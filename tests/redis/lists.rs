//! Writes that name the keys of a list, with a real server.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cached_aside::{Cache, cached_aside, invalidates};
use cached_aside_tests::RedisServer;
use redis::cmd;

use crate::support::{carried_out, filled, patient};

#[cached_aside(ttl = "5m", key = "product:{id}", skip(rows))]
async fn product(rows: &AtomicU64, id: u64) -> u64 {
    rows.load(SeqCst) + id
}

/// Gives what was stored while it ran, of keys that another process loaded meanwhile.
#[invalidates(product(id) for id in ids, "list:{id}" for id in ids)]
async fn import(rows: &AtomicU64, ids: &[u64], reader: &Cache, server: &RedisServer) -> (u64, u64) {
    let guarded = server.run(&cmd("DBSIZE"));
    for id in ids.iter().step_by(ids.len() / 10) {
        reader.scope(product(rows, *id)).await;
    }
    carried_out(reader).await;
    rows.store(1_000_000, SeqCst);
    (guarded, reader.stats().total.stored)
}

#[tokio::test]
async fn every_key_of_a_long_list_is_guarded_while_the_write_runs_and_deleted_after_it() {
    const MANY: u64 = 3_000;
    let server = RedisServer::start();
    let cache = async || {
        let builder = patient(server.url()).namespace("lists");
        builder.build().await.unwrap()
    };
    let (writer, reader) = (cache().await, cache().await);
    let (rows, ids) = (AtomicU64::new(0), (0..MANY).collect::<Vec<_>>());
    assert_eq!(reader.scope(product(&rows, 7)).await, 7);
    filled(&reader, 1).await;
    let (guarded, stored) = writer.scope(import(&rows, &ids, &reader, &server)).await;
    assert_eq!((guarded, stored), (2 * MANY, 1), "nothing is stored that was read before the write is over");
    assert_eq!(server.run::<u64>(&cmd("DBSIZE")), 0);
    assert_eq!(writer.stats().invalidated, 2 * MANY);
    assert_eq!(reader.scope(product(&rows, 7)).await, 1_000_007);
}
