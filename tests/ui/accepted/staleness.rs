//! Old values: every option, and every kind of argument that a load in the background keeps.

#![deny(warnings)]

use std::{sync::Arc, time::Duration};

use cached_aside::{Cache, Error, cached_aside};

const MINUTE: Duration = Duration::from_secs(60);
const BETA: f64 = 0.5;

#[derive(Clone)]
struct Db;

#[cached_aside(ttl = "5m", stale_while_revalidate = MINUTE, key = "a:{id}", skip(db))]
async fn inline(db: &mut Db, id: &str) -> u64 {
    let Db = db;
    id.len() as u64
}

#[cached_aside(ttl = "5m", stale_if_error = "1h", refresh = "inline", early_refresh = BETA, key = "b:{id}")]
async fn if_error(id: u64) -> Result<Option<u64>, Error> {
    Ok(Some(id))
}

#[cached_aside(ttl = "5m", load_timeout(hard = "1s"), key = "c:{id}")]
async fn hard(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[cached_aside(
    ttl = "5m",
    early_refresh = 1,
    refresh = "background",
    load_timeout(soft = "1s", hard = MINUTE),
    key = "d:{name}:{ids:?}:{kind}",
    skip(db, shared, first, f, N, T)
)]
async fn everything<T: Clone + Send + Sync + 'static, const N: usize>(
    db: &Db,
    name: &str,
    ids: &[u64],
    kind: &'static str,
    shared: &Arc<T>,
    (first, _second): (u64, u64),
    _: &Option<u64>,
    f: impl Fn(u64) -> u64 + Send + 'static,
) -> Result<Vec<u64>, Error> {
    let (Db, _, _) = (db, shared, (name, kind));
    Ok(ids.iter().map(|id| f(*id) + first + N as u64).collect())
}

#[derive(Clone)]
struct Repo<T> {
    tenant: u64,
    cache: Cache,
    row: T,
}

impl<T: Clone + Send + Sync + std::fmt::Display + 'static> Repo<T> {
    #[cached_aside(
        ttl = "5m",
        stale_while_revalidate = "1m",
        refresh = "background",
        key = "e:{self.tenant}:{id}",
        cache = self.cache
    )]
    async fn by_reference(&self, id: u64) -> String {
        format!("{}{id}", self.row)
    }

    #[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "background", key = "f:{id}", skip(self))]
    async fn by_value(self: Arc<Self>, id: u64) -> String {
        format!("{}{id}", self.row)
    }
}

fn assert_send<T: Send>(future: T) -> T {
    future
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    let cache = Cache::in_process();
    let repo = Repo { tenant: 1, cache: cache.clone(), row: "row".to_owned() };
    cache
        .scope(async {
            inline(&mut Db, "id").await;
            if_error(1).await.unwrap();
            hard(1).await.unwrap();
            let shared = Arc::new(String::new());
            let all = everything::<_, 3>(&Db, "name", &[1], "kind", &shared, (1, 2), &None, |id| id);
            assert_eq!(assert_send(all).await.unwrap(), [5]);
            assert_eq!(assert_send(repo.by_reference(1)).await, "row1");
            assert_eq!(assert_send(Arc::new(repo.clone()).by_value(1)).await, "row1");
        })
        .await;
}
