//! An HTTP service that says how old its answers are.
//!
//! ```sh
//! cargo run -p axum-example
//! curl -i localhost:3000/users/1                               # X-Cache: MISS, Age: 0
//! curl -i localhost:3000/users/1                               # X-Cache: HIT, Age: …
//! curl -i localhost:3000/users/1 -H 'Cache-Control: no-cache'  # loaded anew
//! curl -i localhost:3000/users/2 -H 'Cache-Control: only-if-cached'  # 504: not in the cache
//! curl -i -X PUT localhost:3000/users/1 -d 'Ada King'          # what it writes is in the cache at once
//! curl -i localhost:3000/stock/1                               # 10
//! curl -i localhost:3000/orders --json '[{"product": 1, "count": 3}]'  # a transaction, see `orders.rs`
//! curl -i -X DELETE localhost:3000/orders/1                    # so is this, of keys that only it knows
//! ```
//!
//! <http://127.0.0.1:3000/cache> shows what is in the cache, and who invalidates it. With a Redis, and a file for what `cached-aside` has to
//! know of the program, that says in a terminal why an entry is old, and ends it:
//!
//! ```sh
//! export CACHED_ASIDE_URL=redis://127.0.0.1:6379 CACHED_ASIDE_CATALOG=/tmp/catalog.json
//! cargo run -p axum-example
//! cargo run -p cached-aside-cli -- explain user:1
//! cargo run -p cached-aside-cli -- invalidate user:1
//! ```

mod orders;
mod users;

use std::{env, error::Error, fs, io, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use cached_aside::{Cache, Observed, Source, observe, only_cached, refresh};
use cached_aside_inspector::Inspector;

use crate::{
    orders::Shop,
    users::{Db, load_user, rename_user},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    // `CACHED_ASIDE_URL` or `REDIS_URL`, else inside this process, with a warning.
    let cache = Cache::from_env().await?;
    cache.clone().install()?;
    write_catalog()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // Whoever reaches the page sees keys and values: in a service it stands behind the authentication.
    let page = Inspector::new(cache).allow_invalidation().router();
    let app =
        app(Arc::new(Db::with_a_few_users())).merge(orders::routes(Shop::stocked())).nest("/cache", page);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Who owns which keys and who invalidates them, where `cached-aside` looks for it.
fn write_catalog() -> io::Result<()> {
    match env::var_os("CACHED_ASIDE_CATALOG") {
        Some(path) => fs::write(path, cached_aside::catalog().to_json()),
        None => Ok(()),
    }
}

fn app(db: Arc<Db>) -> Router {
    Router::new()
        .route("/users/{id}", get(show).put(rename))
        .layer(middleware::from_fn(cache_headers))
        .with_state(db)
}

async fn show(State(db): State<Arc<Db>>, Path(id): Path<u64>) -> Response {
    match load_user(&db, id).await {
        Some(user) => Json(user).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn rename(State(db): State<Arc<Db>>, Path(id): Path<u64>, name: String) -> Response {
    match rename_user(&db, id, name).await {
        Some(user) => Json(user).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Does what the request's `Cache-Control` asks for, and says where the answer came from.
///
/// In a service on the open internet only some should be allowed to have everything loaded anew. With `observe` around every request
/// each hit asks for the server's time as well: one more command for all that travel together, so that it costs a single caller most.
async fn cache_headers(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::CACHE_CONTROL).and_then(|asked| asked.to_str().ok());
    let asked = asked.unwrap_or_default().to_owned();
    let answer = async {
        match asked.as_str() {
            "no-cache" => refresh(next.run(request)).await,
            "only-if-cached" => only_cached(next.run(request)).await,
            _ => next.run(request).await,
        }
    };
    let (mut response, observed) = observe(answer).await;
    if observed.source() == Some(Source::Absent) {
        // RFC 9111: what is asked for only if it is cached, and is not.
        response = StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    describe(response.headers_mut(), &observed);
    response
}

/// `X-Cache`, and `Age` in seconds.
fn describe(headers: &mut HeaderMap, observed: &Observed) {
    let Some(source) = observed.source() else { return };
    let said = match source {
        Source::Local | Source::Hit => "HIT",
        Source::Stale => "STALE",
        _ => "MISS",
    };
    headers.insert("x-cache", HeaderValue::from_static(said));
    if let Some(age) = observed.age() {
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
}

#[cfg(test)]
mod tests;
