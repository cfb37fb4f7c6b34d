//! Mistakes with what stands around a future.

use cached_aside::{cached_aside, invalidating, keys, transaction};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

fn around() {
    let _ = transaction(5);
    let _ = transaction(|| async {});
    let _ = invalidating(keys![load_user(5)], 5);
    let _ = invalidating((), async {});
    let _ = invalidating(load_user::key(5), async {});
}

fn main() {}
