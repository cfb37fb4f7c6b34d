//! What the page asks for: JSON.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use cached_aside::{AnyKey, Error, Node, NodeState, Tag, inspect};
use cached_aside_protocol::{format::MAX_PAYLOAD, outline::Outline};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Inspector, Source, cross_site,
    decoded::{Payload, ReadBack},
    entry::Entry,
    published::{Row, Totals},
    text::{millis, name_of},
};

/// How often the counts are sent.
const INTERVAL: Duration = Duration::from_secs(2);
/// Maximum number of times that counts are sent to one request. The browser asks again at once: so no request keeps a server from
/// shutting down for longer than this takes.
const EVENTS: usize = 15;
/// Maximum number of keys of the recovery list that are shown.
const OWED: usize = 100;
/// Maximum number of bytes of a value that is not decoded, as they are shown.
const SHOWN: usize = 256;

type App = State<Arc<Inspector>>;

/// Why something can't be shown or done.
pub(crate) struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, answer(&json!({ "error": self.1 }))).into_response()
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused(StatusCode::BAD_GATEWAY, error.to_string())
    }
}

/// JSON that nobody keeps, and that no browser takes for a page.
fn answer(value: &Value) -> impl IntoResponse + use<> {
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Json(value.clone()))
}

pub(crate) async fn overview(State(app): App) -> impl IntoResponse {
    answer(&counts(&app).await)
}

/// The same, every two seconds.
pub(crate) async fn events(State(app): App) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(0, move |number| {
        let app = app.clone();
        async move {
            if number == EVENTS {
                return None;
            }
            if number > 0 {
                tokio::time::sleep(INTERVAL).await;
            }
            let event = Event::default().retry(Duration::from_secs(1)).data(counts(&app).await.to_string());
            Some((Ok(event), number + 1))
        }
    });
    Sse::new(events)
}

async fn counts(app: &Inspector) -> Value {
    let stats = app.cache.stats();
    let published = match &app.servers {
        // What can't be read is left out: the servers' states say why.
        Some(servers) => Totals::of(&servers.published().await.unwrap_or_default()),
        None => Totals::default(),
    };
    let is_another = matches!(app.catalog, Source::Given(_));
    let is_of_all = is_another || published.processes > 0;
    let totals =
        if is_of_all { published } else { Totals::of(&[inspect::counts_of(&app.cache).into_bytes()]) };
    let functions: Vec<Value> = totals.functions.iter().map(|(name, row)| function(name, row)).collect();
    let servers: Vec<Value> = stats.nodes.iter().map(server).collect();
    // What only the process itself knows.
    let own = (!is_another).then(|| {
        json!({
            "owed": inspect::owed_of(&app.cache, OWED),
            "recovering": stats.recovering,
            "local_entries": stats.local_entries,
            "local_bytes": stats.local_bytes,
        })
    });
    json!({
        "own": own,
        "at": inspect::place_of(&app.cache),
        "namespace": inspect::namespace_of(&app.cache),
        "processes": is_of_all.then_some(totals.processes),
        "unreadable": totals.unreadable,
        "functions": functions,
        "writes": totals.writes,
        "recovering": totals.recovering,
        "servers": servers,
        "invalidation": app.allow_invalidation,
    })
}

fn function(name: &str, row: &Row) -> Value {
    json!({
        "name": name,
        "hit_rate": row.hit_rate(),
        "hits": row.hits(),
        "loads": row.get("loads"),
        "load_ms": row.load_time().map(|time| time.as_secs_f64() * 1_000.0),
        "stale": row.get("stale"),
        "refused": row.get("fills_refused"),
        "errors": row.errors(),
        "verified": row.get("verified"),
        "mismatched": row.get("mismatched"),
        "unverifiable": row.get("unverifiable"),
    })
}

fn server(node: &Node) -> Value {
    let (reason, down) = match &node.state {
        NodeState::Down { reason, since } => (Some(reason), Some(since.elapsed())),
        _ => (None, None),
    };
    json!({
        "address": node.address,
        "up": reason.is_none(),
        "reason": reason,
        "down_ms": down.map(millis),
        "outages": node.outages,
        "in_flight": node.in_flight,
    })
}

pub(crate) async fn catalog(State(app): App) -> Result<impl IntoResponse, Refused> {
    let none =
        || Refused(StatusCode::NOT_FOUND, "there is no catalog: start it with `--catalog FILE`".to_owned());
    let catalog = app.catalog().ok_or_else(none)?;
    Ok(answer(catalog.as_json()))
}

/// Which entry.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    key: String,
}

pub(crate) async fn entry(
    State(app): App,
    Query(Asked { key }): Query<Asked>,
) -> Result<impl IntoResponse, Refused> {
    let key = &*name_of(&key);
    let catalog = app.catalog();
    let owners = catalog.as_ref().map(|catalog| catalog.explained(key)).unwrap_or_default();
    let mut found = json!({ "key": key, "state": "absent", "owners": owners, "invalidation": app.allow_invalidation && !key.starts_with('#') });
    let Some(servers) = &app.servers else {
        found["facts"] =
            json!([["state", "the cache is inside this process, where entries can't be looked at"]]);
        return Ok(answer(&found));
    };
    let Some(inspected) = servers.inspect(&[key.to_owned()], MAX_PAYLOAD + (1 << 10)).await?.pop().flatten()
    else {
        found["facts"] = json!([["state", "nothing stands there; the next call loads it"]]);
        return Ok(answer(&found));
    };
    let entry = Entry::new(key, &inspected);
    found["state"] = json!(entry.state());
    found["facts"] = json!(entry.facts());
    if let Outline::Stored(stored) = &entry.outline {
        let read = ReadBack::of(&inspected.bytes, stored, catalog.as_deref(), key);
        read.add_to(&mut found);
        found["codec"] = json!(read.function.and_then(|function| function.codec.as_deref()));
        if let Payload::Bytes(bytes) = &read.payload {
            let more = if bytes.len() > SHOWN { "…" } else { "" };
            found["bytes"] = json!(format!("{}{more}", bytes[..bytes.len().min(SHOWN)].escape_ascii()));
        }
    }
    Ok(answer(&found))
}

/// What is to be invalidated: one of the two.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Named {
    Key(String),
    Tag(String),
}

pub(crate) async fn invalidate(
    State(app): App,
    headers: HeaderMap,
    body: String,
) -> Result<impl IntoResponse, Refused> {
    let refused = |status, reason: &str| Refused(status, reason.to_owned());
    if !app.allow_invalidation {
        let reason = "the page is read-only; build it with `Inspector::new(cache).allow_invalidation()`";
        return Err(refused(StatusCode::FORBIDDEN, reason));
    }
    if let Some(reason) = cross_site::refusal(&headers) {
        return Err(refused(StatusCode::FORBIDDEN, reason));
    }
    let named: Named = serde_json::from_str(&body).map_err(|error| {
        Refused(StatusCode::BAD_REQUEST, format!("write {{\"key\": …}} or {{\"tag\": …}}: {error}"))
    })?;
    match named {
        Named::Key(key) if key.starts_with('#') => {
            return Err(refused(StatusCode::BAD_REQUEST, "this is the key of a tag; write {\"tag\": …}"));
        }
        Named::Key(key) => {
            let key = AnyKey::new(&key);
            if is_foreign(&app, key.as_str()).await? {
                return Err(refused(StatusCode::CONFLICT, "data of another program, which is left alone"));
            }
            app.cache.invalidate_keys([key]).await?;
        }
        Named::Tag(tag) if tag.starts_with('#') => {
            let reason = "this is the key of a tag; write {\"tag\": …} without the `#` that it begins with";
            return Err(refused(StatusCode::BAD_REQUEST, reason));
        }
        Named::Tag(tag) => app.cache.invalidate_tag(Tag::from(tag.as_str())).await?,
    }
    Ok(answer(&json!({ "invalidated": true })))
}

async fn is_foreign(app: &Inspector, key: &str) -> Result<bool, Error> {
    let Some(servers) = &app.servers else { return Ok(false) };
    let inspected = servers.inspect(&[key.to_owned()], crate::entry::START).await?.pop().flatten();
    Ok(inspected.is_some_and(|inspected| Entry::new(key, &inspected).outline == Outline::Foreign))
}
