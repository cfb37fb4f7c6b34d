//! What a builder takes.

#[tokio::test]
async fn no_timeout_is_longer_than_a_clock_can_count_to() {
    use std::time::Duration;
    let builder = crate::Cache::builder().in_process().timeout(Duration::MAX).connect_timeout(Duration::MAX);
    let cache = builder.build().await.unwrap();
    cache.ping().await.unwrap();
}

#[test]
fn defaults() {
    let builder = format!("{:?}", crate::Cache::builder());
    assert!(builder.contains("\"cached-aside\", timeout: 250ms, connect_timeout: 1s"), "{builder}");
}
