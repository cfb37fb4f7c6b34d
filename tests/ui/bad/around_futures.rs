//! Mistakes with what stands around a future.

use cached_aside::{cached_aside, invalidating, keys, transaction};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

async fn around() {
    transaction(5).await;
    transaction(|| async {}).await;
    invalidating(keys![load_user(5)], 5).await;
    invalidating((), async {}).await;
    invalidating(load_user::key(5), async {}).await;
    invalidating([], async {}).await;
}

fn main() {}
