//! Mistakes with what stands around a future.

use cached_aside::{cached_aside, invalidate, invalidating, keys, transaction};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

async fn no_futures() {
    transaction(5).await;
    transaction(|| async {}).await;
    transaction(async || {}).await;
    transaction(no_keys).await;
    let _: Result<(), ()> = transaction(Ok(())).await;
    invalidating(keys![load_user(5)], 5).await;
}

async fn no_keys() {
    invalidating((), async {}).await;
    invalidating(load_user(5), async {}).await;
    invalidating([5], async {}).await;
    invalidate("user:5").await;
    invalidate([5]).await;
    invalidating(keys![], async {}).await;
}

async fn of_no_type() {
    invalidating([], async {}).await;
}

fn main() {}
