//! What the README says of axum and sqlx, compiled and run: a whole program, but for where its databases are.

#![expect(dead_code, reason = "`main` would serve for ever")]

use cached_aside_tests::PostgresServer;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

#[rustfmt::skip]
use axum::{Json, Router, extract::{Path, State}, http::StatusCode, routing::get};
use cached_aside::{Cache, cached_aside, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

#[derive(Serialize, Deserialize, sqlx::FromRow)]
struct User {
    id: i64,
    name: String,
}

#[cached_aside(ttl = "5m", key = "user:{id}", skip(pool))]
async fn load_user(pool: &PgPool, id: i64) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as("SELECT id, name FROM users WHERE id = $1").bind(id).fetch_optional(pool).await
}

#[invalidates(load_user(user.id))]
async fn save_user(pool: &PgPool, user: &User) -> Result<(), sqlx::Error> {
    let update = sqlx::query("UPDATE users SET name = $2 WHERE id = $1").bind(user.id).bind(&user.name);
    update.execute(pool).await.map(drop)
}

async fn get_user(State(pool): State<PgPool>, Path(id): Path<i64>) -> Result<Json<User>, StatusCode> {
    let user = load_user(&pool, id).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    user.map(Json).ok_or(StatusCode::NOT_FOUND)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Cache::builder().url("redis://127.0.0.1:6379").namespace("shop").build().await?.install()?;
    let router = Router::new().route("/users/{id}", get(get_user));
    let router = router.with_state(PgPool::connect("postgres://localhost/shop").await?);
    Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, router).await?)
}

#[test]
fn the_readme_says_what_is_compiled_here() {
    let (_, block) = include_str!("../../../README.md").split_once("```rust,ignore\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert!(include_str!("readme.rs").contains(block), "the README differs:\n{block}");
}

#[tokio::test]
async fn what_the_readme_says_works() {
    // One connection, whose tables nobody else sees.
    const TABLE: &str = "CREATE TEMPORARY TABLE users (id bigint PRIMARY KEY, name text NOT NULL)";
    let at = PostgresServer::shared().socket();
    let options = PgConnectOptions::new_without_pgpass().socket(at).username("test").database("postgres");
    let pool: PgPool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    for statement in [TABLE, "INSERT INTO users VALUES (1, 'Ada Lovelace')"] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let _: Router = Router::new().route("/users/{id}", get(get_user)).with_state(pool.clone());
    let name = async |id| get_user(State(pool.clone()), Path(id)).await.map(|Json(user)| user.name);
    let cache = Cache::in_process();
    cache
        .scope(async {
            for _ in 0..2 {
                assert_eq!(name(1).await.as_deref(), Ok("Ada Lovelace"));
                assert_eq!(name(2).await, Err(StatusCode::NOT_FOUND));
            }
            save_user(&pool, &User { id: 1, name: "Ada King".to_owned() }).await.unwrap();
            assert_eq!(name(1).await.as_deref(), Ok("Ada King"));
        })
        .await;
    let total = cache.stats().total;
    assert_eq!((total.hits, total.loads), (1, 4), "that there is none is not stored: {total:?}");
}
