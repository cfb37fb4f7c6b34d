//! The headers, as a client sees them. Time is paused.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::IntoResponse,
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

#[test]
fn everything_that_is_cached_is_invalidated() {
    let catalog = cached_aside::catalog();
    assert_eq!(catalog.problems(), []);
    let reads = catalog.functions().iter().enumerate().filter(|(_, function)| !function.is_family);
    let edges: Vec<_> = reads
        .flat_map(|(number, function)| {
            catalog.writes_of(number).map(|write| (function.place.name, write.place.name))
        })
        .collect();
    assert_eq!(edges, [("stock", "cancel"), ("stock", "place"), ("load_user", "rename_user")]);
}

/// What the command line and the page draw of this program. `UPDATE_EXPECT=1 cargo test` rewrites the files.
#[test]
fn the_catalog_as_programs_and_people_read_it() {
    // A family is in the catalog once it is used.
    let _ = super::orders::OPEN.key(());
    let catalog = cached_aside::catalog();
    expect_test::expect_file!["../catalog/example.mmd"].assert_eq(&catalog.to_mermaid());
    expect_test::expect_file!["../catalog/example.dot"].assert_eq(&catalog.to_dot());
    let mut json: serde_json::Value = serde_json::from_str(&catalog.to_json()).expect("it is JSON");
    json.sort_all_objects();
    for list in ["functions", "writes"] {
        for entry in json[list].as_array_mut().expect("a list") {
            // It moves with every change of the example.
            let line = entry.as_object_mut().expect("an object").remove("line");
            assert!(line.is_some_and(|line| line.is_u64()), "{entry}");
        }
    }
    let text = serde_json::to_string_pretty(&json).expect("it can be written") + "\n";
    expect_test::expect_file!["../catalog/example.json"].assert_eq(&text);
}

/// Each tenant in a cache of its own, as `docs/recipes.md` has it.
fn by_tenant(app: Router, caches: HashMap<&'static str, Cache>) -> Router {
    app.layer(middleware::from_fn(move |request: Request, next: Next| {
        let tenant = request.headers().get("x-tenant").and_then(|tenant| tenant.to_str().ok());
        let cache = tenant.and_then(|tenant| caches.get(tenant)).cloned();
        async move {
            match cache {
                Some(cache) => cache.scope(next.run(request)).await,
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn each_request_is_in_the_scope_of_the_cache_of_its_tenant() {
    let caches = HashMap::from([("a", Cache::in_process()), ("b", Cache::in_process())]);
    let app = by_tenant(app(DB.with(Arc::clone)), caches.clone());
    let ask = async |tenant: &str| {
        let request = Request::builder().uri("/users/1").header("x-tenant", tenant);
        let request = request.body(Body::empty()).expect("a request");
        app.clone().oneshot(request).await.expect("an answer").status()
    };
    for (tenant, status) in
        [("a", StatusCode::OK), ("a", StatusCode::OK), ("b", StatusCode::OK), ("c", StatusCode::NOT_FOUND)]
    {
        assert_eq!(ask(tenant).await, status);
    }
    let counts = ["a", "b"].map(|tenant| caches[tenant].stats().total);
    assert_eq!(counts.map(|counts| (counts.loads, counts.hits)), [(1, 1), (1, 0)]);
}

#[test]
fn the_page_has_the_layer_that_is_tested_here() {
    let (_, text) =
        include_str!("../../../docs/recipes.md").split_once("In axum that is a layer").expect("the recipe");
    let (text, _) =
        text.split_once("```rust,ignore\n").expect("its block").1.split_once("```").expect("its end");
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let here = lines(include_str!("tests.rs"));
    assert!(here.contains(lines(text).trim()), "the layer differs:\n{text}");
}
