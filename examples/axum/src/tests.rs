//! The headers, as a client sees them. Time is paused.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use cached_aside::Cache;
use tokio::time::sleep;
use tower::ServiceExt;

use super::{app, users::Db};

/// The status, `X-Cache`, `Age` and the body of an answer.
async fn ask(method: &str, path: &str, cache_control: &str, body: &str) -> (StatusCode, String, String) {
    let request = Request::builder().method(method).uri(path).header("cache-control", cache_control);
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let db = DB.with(Arc::clone);
    let response = app(db).oneshot(request).await.expect("an answer");
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    let told = format!("{} {}", header("x-cache"), header("age"));
    let status = response.status();
    let body = to_bytes(response.into_body(), 1000).await.expect("a body");
    (status, told, String::from_utf8_lossy(&body).into_owned())
}

thread_local! {
    static DB: Arc<Db> = Arc::new(Db::with_a_few_users());
}

async fn told(path: &str, cache_control: &str) -> String {
    ask("GET", path, cache_control, "").await.1
}

#[tokio::test(start_paused = true)]
async fn answers_say_where_they_came_from() {
    Cache::in_process()
        .scope(async {
            assert_eq!(told("/users/1", "").await, "MISS 0");
            sleep(Duration::from_secs(20)).await;
            assert_eq!(told("/users/1", "").await, "HIT 20");
            assert_eq!(told("/users/1", "no-cache").await, "MISS 0");
            sleep(Duration::from_secs(10)).await;
            assert_eq!(told("/users/1", "").await, "HIT 10");
            // Past its TTL it is given on; the one that reloads it is told so.
            sleep(Duration::from_secs(60)).await;
            assert_eq!(told("/users/1", "only-if-cached").await, "STALE 70");
            assert_eq!(told("/users/1", "").await, "MISS 0");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_cached_can_be_refused() {
    Cache::in_process()
        .scope(async {
            let (status, told, _) = ask("GET", "/users/2", "only-if-cached", "").await;
            assert_eq!((status, told.as_str()), (StatusCode::GATEWAY_TIMEOUT, "MISS -"));
            let (status, ..) = ask("GET", "/users/9", "", "").await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            // That there is none is in the cache now, and that is another answer.
            let (status, told, _) = ask("GET", "/users/9", "only-if-cached", "").await;
            assert_eq!((status, told.as_str()), (StatusCode::NOT_FOUND, "HIT 0"));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_a_hit() {
    Cache::in_process()
        .scope(async {
            let (_, told, body) = ask("PUT", "/users/3", "", "Alan M. Turing").await;
            assert_eq!((told.as_str(), body.as_str()), ("- -", r#"{"id":3,"name":"Alan M. Turing"}"#));
            let (_, told, read) = ask("GET", "/users/3", "", "").await;
            assert_eq!((told.as_str(), read), ("HIT 0", body));
        })
        .await;
}
