//! Mistakes with families of entries without an annotated function.

use std::time::Duration;

use cached_aside::Cached;

#[derive(Debug)]
struct NotSerializable;

static USER: Cached<String> = Cached::new("user", Duration::from_secs(5));

async fn wrong_type() {
    let _: Option<u64> = USER.get_or_load(1, || async { Some(5) }).await;
}

async fn wrong_value() -> String {
    USER.get_or_load(1, || async { 5_u64 }).await
}

fn parts() {
    let _ = USER.key(vec![1]);
    let _ = USER.key((1, Some(2)));
}

static NOT_CACHEABLE: Cached<NotSerializable> = Cached::new("user", Duration::from_secs(5));

fn main() {}
