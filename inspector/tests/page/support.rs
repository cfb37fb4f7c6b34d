//! An application with a page.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::Router;
use cached_aside::{Cache, cached_aside, invalidates};
use cached_aside_inspector::Inspector;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
}

#[cached_aside(ttl = "5m", key = "user:{id}", codec = Json)]
pub(crate) async fn load_user(id: u64) -> User {
    User { id, name: "<img src=x onerror=document.title='markup'>".to_owned() }
}

#[cached_aside(ttl = "1m", key = "price:{tenant}:{id}", tags("tenant:{tenant}"))]
pub(crate) async fn price(tenant: u64, id: u64) -> u64 {
    tenant * 100 + id
}

#[cached_aside(ttl = "5m", key = "copied:{id}", local = "1m")]
pub(crate) async fn copied(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1h", key = "rate")]
pub(crate) async fn rate() -> u64 {
    7
}

#[invalidates(load_user(id))]
pub(crate) async fn save_user(id: u64) {
    let _ = id;
}

#[invalidates(tags("tenant:{tenant}"))]
pub(crate) async fn close(tenant: u64) {
    let _ = tenant;
}

/// A cache in which something is stored.
pub(crate) async fn filled(url: &str) -> Cache {
    // On a busy machine an answer may take longer than a program would wait for it.
    let builder = Cache::builder().url(url).timeout(Duration::from_secs(5));
    let cache = builder.build().await.expect("a cache");
    cache.scope(async { (load_user(1).await, price(7, 1).await, save_user(2).await, close(8).await) }).await;
    let begun = Instant::now();
    while cache.stats().total.stored < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not stored: {}", cache.stats());
        // The connection of this runtime is driven by this thread.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cache
}

/// Waits for what goes on elsewhere.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Serves the page below `/cache` of an application, and says where that is.
pub(crate) async fn serve(inspector: Inspector) -> SocketAddr {
    let app = Router::new().nest("/cache", inspector.router());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}
