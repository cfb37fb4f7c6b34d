//! What is answered, and to whom.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
    response::Response,
};
use cached_aside::{AnyKey, Cache};
use cached_aside_inspector::{Inspector, router};
use cached_aside_tests::RedisServer;
use redis::cmd;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{copied, filled, load_user, rate};

async fn get(router: &Router, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    read(router.clone().oneshot(request).await.expect("an answer")).await
}

async fn read(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 24).await.expect("an answer");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Asks to invalidate something, with these headers.
async fn invalidate(router: &Router, body: &Value, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut request = Request::post("/api/invalidate").header(header::HOST, "shop:3000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(
        router
            .clone()
            .oneshot(request.body(Body::from(body.to_string())).expect("a request"))
            .await
            .expect("an answer"),
    )
    .await
}

const OWN: (&str, &str) = ("x-cached-aside", "invalidate");

#[tokio::test]
async fn entries_are_shown_with_their_owners_and_writes() {
    let server = RedisServer::start();
    let router = router(filled(&server.url()).await);
    let (status, user) = get(&router, "/api/entry?key=user:1").await;
    assert_eq!(
        (status, &user["state"], &user["fingerprint_fits"]),
        (StatusCode::OK, &json!("value"), &json!(true))
    );
    assert_eq!((&user["codec"], &user["value"]["id"]), (&json!("json"), &json!(1)));
    assert_eq!(user["owners"][0]["invalidated_by"][0]["function"], "page::support::save_user");
    let price = get(&router, "/api/entry?key=price:7:1").await.1;
    assert!(
        price["bytes"].is_string() && price["value"].is_null(),
        "only the program can decode it: {price}"
    );
    let nobody = get(&router, "/api/entry?key=user:99").await;
    assert_eq!((nobody.0, &nobody.1["state"]), (StatusCode::OK, &json!("absent")));
    let catalog = get(&router, "/api/catalog").await.1;
    assert!(catalog["schema"] == 1 && catalog["problems"].is_array(), "{catalog}");
    let overview = get(&router, "/api/overview").await.1;
    assert_eq!(
        (&overview["processes"], &overview["servers"][0]["up"]),
        (&Value::Null, &json!(true)),
        "{overview}"
    );
    assert_eq!(overview["recovering"], 0);
}

#[tokio::test]
async fn the_counts_of_all_processes_are_shown_where_they_are_published() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let publishing =
        Cache::builder().url(server.url()).timeout(std::time::Duration::from_secs(5)).publish_stats(true);
    let others = [publishing.clone().build().await.unwrap(), publishing.build().await.unwrap()];
    for other in &others {
        other.scope(load_user(1)).await;
    }
    let router = router(cache);
    let begun = std::time::Instant::now();
    let overview = loop {
        let overview = get(&router, "/api/overview").await.1;
        let user = overview["functions"].as_array().unwrap().iter().find(|row| row["hits"] == 2);
        if overview["processes"] == 2 && user.is_some() {
            break overview;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{overview}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(overview["functions"][0]["hit_rate"], 1.0, "{overview}");
}

#[tokio::test]
async fn the_recovery_list_and_the_local_copies_of_this_process_are_shown() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let router = router(cache.clone());
    let own = |overview: &Value| overview["own"].clone();
    let before = own(&get(&router, "/api/overview").await.1);
    let none = json!({ "owed": [], "recovering": 0, "local_entries": 0, "local_bytes": 0 });
    assert_eq!(before, none);
    let begun = std::time::Instant::now();
    while cache.stats().local_entries == 0 {
        assert_eq!(cache.scope(copied(1)).await, 1);
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "there is no copy");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let copies = own(&get(&router, "/api/overview").await.1);
    assert!(copies["local_entries"] == 1 && copies["local_bytes"].as_u64() > Some(0), "{copies}");

    server.kill();
    let hostile = "<b>\u{202e}";
    let keys: Vec<_> = (0..130).map(|id| AnyKey::new(&format!("{hostile}:{id}"))).collect();
    assert!(cache.invalidate_keys(keys).await.is_err());
    let owed = own(&get(&router, "/api/overview").await.1);
    assert_eq!((&owed["recovering"], owed["owed"].as_array().unwrap().len()), (&json!(130), 100));
    assert!(owed["owed"][0].as_str().unwrap().starts_with(hostile), "{owed}");
    // What this process owes is not what another program does.
    let other = Inspector::new(cache).of_another_program(None).router();
    assert_eq!(own(&get(&other, "/api/overview").await.1), Value::Null);
}

#[tokio::test]
async fn nothing_is_invalidated_unless_the_application_allows_it() {
    let server = RedisServer::start();
    let router = router(filled(&server.url()).await);
    let (status, body) = invalidate(&router, &json!({ "key": "user:1" }), &[OWN]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body["error"].as_str().unwrap().contains("allow_invalidation()"), "{body}");
    assert_eq!(get(&router, "/api/entry?key=user:1").await.1["state"], "value");
    let by_get = Request::get("/api/invalidate").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(by_get).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn requests_of_other_sites_invalidate_nothing() {
    let server = RedisServer::start();
    let router = Inspector::new(filled(&server.url()).await).allow_invalidation().router();
    let user = json!({ "key": "user:1" });
    for headers in [
        &[][..],
        &[("sec-fetch-site", "same-origin")],
        &[OWN, ("sec-fetch-site", "cross-site")],
        &[OWN, ("sec-fetch-site", "same-site")],
        &[OWN, ("origin", "https://evil.example")],
        &[OWN, ("origin", "null")],
    ] {
        assert_eq!(invalidate(&router, &user, headers).await.0, StatusCode::FORBIDDEN, "{headers:?}");
    }
    // What a browser asks before it sends a header of its own elsewhere: nobody is allowed to.
    let asks = Request::options("/api/invalidate")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-cached-aside");
    let answer = router.clone().oneshot(asks.body(Body::empty()).unwrap()).await.unwrap();
    assert!(!answer.status().is_success(), "{answer:?}");
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")), "{answer:?}");
    assert_eq!(get(&router, "/api/entry?key=user:1").await.1["state"], "value");

    let own = [OWN, ("origin", "http://shop:3000"), ("sec-fetch-site", "same-origin")];
    assert_eq!(invalidate(&router, &user, &own).await.0, StatusCode::OK);
    assert_eq!(get(&router, "/api/entry?key=user:1").await.1["state"], "absent");
    assert_eq!(invalidate(&router, &json!({ "tag": "tenant:7" }), &own).await.0, StatusCode::OK);
    assert_eq!(get(&router, "/api/entry?key=%23tenant:7").await.1["state"], "absent");
    for wrong in [
        json!({}),
        json!({ "key": "a", "tag": "b" }),
        json!({ "key": "#tenant:7" }),
        json!({ "tag": "#tenant:7" }),
        json!("user:1"),
    ] {
        assert_eq!(invalidate(&router, &wrong, &own).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let () = server.run(cmd("SET").arg("cached-aside:theirs").arg("x"));
    assert_eq!(invalidate(&router, &json!({ "key": "theirs" }), &own).await.0, StatusCode::CONFLICT);
    assert_eq!(server.run::<String>(cmd("GET").arg("cached-aside:theirs")), "x");
}

#[tokio::test]
async fn the_page_runs_its_own_script_alone() {
    let answer =
        router(Cache::in_process()).oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    for part in ["default-src 'none'", "script-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_cache_in_this_process_has_a_page_without_entries() {
    let cache = Cache::in_process();
    cache.scope(async { (load_user(1).await, rate().await) }).await;
    let router = router(cache);
    let overview = get(&router, "/api/overview").await.1;
    assert_eq!(
        (&overview["functions"][0]["loads"], &overview["servers"]),
        (&json!(1), &json!([])),
        "{overview}"
    );
    let entry = get(&router, "/api/entry?key=user:1").await.1;
    assert!(entry["facts"][0][1].as_str().unwrap().contains("inside this process"), "{entry}");
    assert_eq!(entry["owners"][0]["function"], "page::support::load_user");
}

#[tokio::test]
async fn a_server_that_is_gone_is_said_and_no_password_is() {
    let server = RedisServer::builder().password("verysecret").start();
    let router = router(filled(&server.url()).await);
    server.kill();
    let (status, body) = get(&router, "/api/entry?key=user:1").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let overview = get(&router, "/api/overview").await.1;
    let all = format!("{body}{overview}");
    assert!(overview["servers"][0]["up"] == false && !all.contains("verysecret"), "{all}");
}
