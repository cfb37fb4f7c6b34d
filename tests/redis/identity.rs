//! Whose an entry is: functions with one key, namespaces, and keys by name.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cached_aside::{AnyKey, Cache, cached_aside};
use cached_aside_tests::RedisServer;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::sleep};

use crate::support::{carried_out, patient};

/// How long a body runs, so that the calls of one key meet.
const LOAD: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    number: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DbError(String);

/// Functions that nobody meant to have one key: each always gives the same.
#[cached_aside(ttl = "5m", key = "alike:{id}")]
async fn no_user(id: u64) -> Option<User> {
    let _ = id;
    sleep(LOAD).await;
    None
}

#[cached_aside(ttl = "5m", key = "alike:{order}")]
async fn an_order(order: u64) -> Option<Order> {
    sleep(LOAD).await;
    Some(Order { number: order.to_string() })
}

/// The same type as another's, and another value.
#[cached_aside(ttl = "5m", key = "alike:{id}")]
async fn no_order(id: u64) -> Option<Order> {
    let _ = id;
    sleep(LOAD).await;
    None
}

#[cached_aside(ttl = "5m", key = "alike_or_fails:{id}")]
async fn fails(id: u64) -> Result<User, DbError> {
    sleep(LOAD).await;
    Err(DbError(id.to_string()))
}

#[cached_aside(ttl = "5m", key = "alike_or_fails:{id}")]
async fn succeeds(id: u64) -> Result<Order, DbError> {
    sleep(LOAD).await;
    Ok(Order { number: id.to_string() })
}

async fn nobody_is_given_what_another_function_gave(cache: &Cache) {
    const CALLS: u64 = 30;
    let mut calls = JoinSet::new();
    for id in 0..CALLS {
        for _ in 0..3 {
            calls.spawn(cache.scope(async move { assert_eq!(no_user(id).await, None) }));
            calls.spawn(cache.scope(async move {
                assert_eq!(an_order(id).await, Some(Order { number: id.to_string() }));
            }));
            calls
                .spawn(cache.scope(async move { assert_eq!(fails(id).await, Err(DbError(id.to_string()))) }));
            calls.spawn(cache.scope(async move {
                assert_eq!(succeeds(id).await, Ok(Order { number: id.to_string() }));
            }));
        }
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    // Of one type and not stored: only the flight could give it.
    for id in CALLS..2 * CALLS {
        let (none, order) = cache.scope(async { tokio::join!(no_order(id), an_order(id)) }).await;
        assert!(order.is_some(), "{id}: an order is given the `None` of another function");
        drop(none);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_with_one_key_are_never_given_each_others_results() {
    nobody_is_given_what_another_function_gave(&Cache::in_process()).await;
    let redis = patient(RedisServer::shared().url()).namespace("identity-alike").build().await;
    nobody_is_given_what_another_function_gave(&redis.unwrap()).await;
}

/// Stored errors of one type, behind values of two.
#[tokio::test]
async fn a_stored_error_of_a_function_with_another_value_is_not_given() {
    #[cached_aside(ttl = "5m", error_ttl = "5m", error_if = |_: &DbError| true, key = "stored_error:{id}")]
    async fn user(id: u64) -> Result<User, DbError> {
        Err(DbError(id.to_string()))
    }
    #[cached_aside(ttl = "5m", error_ttl = "5m", error_if = |_: &DbError| true, key = "stored_error:{id}")]
    async fn order(id: u64) -> Result<Order, DbError> {
        Ok(Order { number: id.to_string() })
    }
    let cache = Cache::in_process();
    cache
        .scope(async {
            assert_eq!(user(1).await, Err(DbError("1".into())));
            assert_eq!(user(1).await, Err(DbError("1".into())));
            assert_eq!(cache.stats().total.loads, 1, "it is stored");
            assert_eq!(order(1).await, Ok(Order { number: "1".into() }));
        })
        .await;
}

/// The origin is protected as before: one load of all the callers of one function, and of all functions that share a key.
#[tokio::test]
async fn functions_that_share_a_key_share_its_loads() {
    static LOADS: AtomicU64 = AtomicU64::new(0);
    #[cached_aside(ttl = "5m", key = "shared:{id}", shares_key)]
    async fn one(id: u64) -> u64 {
        LOADS.fetch_add(1, SeqCst);
        sleep(LOAD).await;
        id
    }
    #[cached_aside(ttl = "5m", key = "shared:{number}", shares_key)]
    async fn other(number: u64) -> u64 {
        LOADS.fetch_add(1, SeqCst);
        sleep(LOAD).await;
        number
    }
    let cache = Cache::in_process();
    let mut calls = JoinSet::new();
    for call in 0..20 {
        calls.spawn(cache.scope(async move { if call % 2 == 0 { one(7).await } else { other(7).await } }));
    }
    assert_eq!(calls.join_all().await, [7; 20]);
    assert_eq!(LOADS.load(SeqCst), 1);
}

#[cached_aside(ttl = "5m", key = "{tenant}:user:{id}")]
async fn user_of(tenant: &str, id: u64) -> String {
    format!("{id} of {tenant}")
}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn user(id: u64) -> String {
    format!("{id}")
}

#[tokio::test]
async fn no_namespace_is_inside_another() {
    let server = RedisServer::start();
    let cache = async |namespace: &str| patient(server.url()).namespace(namespace).build().await.unwrap();
    let (shop, shop_eu, encoded) = (cache("shop").await, cache("shop:eu").await, cache("shop%3Aeu").await);
    assert_eq!(shop.scope(user_of("eu", 1)).await, "1 of eu");
    carried_out(&shop).await;
    for other in [&shop_eu, &encoded] {
        assert_eq!(other.scope(user(1)).await, "1");
        assert_eq!(other.stats().total.loads, 1, "it is nobody else's");
        carried_out(other).await;
    }
    let mut keys: Vec<String> = server.run(redis::cmd("KEYS").arg("*"));
    keys.sort();
    assert_eq!(keys, ["shop%253Aeu:user:1", "shop%3Aeu:user:1", "shop:eu:user:1"]);
    for refused in ["", "a b", "{a}", "a#", "a\u{0}"] {
        assert!(Cache::builder().url(server.url()).namespace(refused).build().await.is_err(), "{refused:?}");
    }
}

#[tokio::test]
async fn a_long_key_is_invalidated_by_the_name_that_redis_shows() {
    #[cached_aside(ttl = "5m", key = "long:{text}")]
    async fn length(text: &str) -> usize {
        text.len()
    }
    let server = RedisServer::start();
    let cache = patient(server.url()).namespace("by-name").build().await.unwrap();
    cache.scope(length(&"a".repeat(1000))).await;
    carried_out(&cache).await;
    let keys: Vec<String> = server.run(redis::cmd("KEYS").arg("*"));
    let [name] = &keys[..] else { panic!("{keys:?}") };
    let key = AnyKey::new(name.strip_prefix("by-name:").unwrap());
    cache.scope(key.invalidate()).await.unwrap();
    assert_eq!(server.run::<u64>(&redis::cmd("DBSIZE")), 0);
}
