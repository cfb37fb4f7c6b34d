//! Every kind of function that can carry the attributes, on both stores.

use std::{
    collections::HashMap,
    fmt::{Debug, Display},
    hash::Hash,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use cached_aside::{Cache, cached_aside, invalidates};
use serde::{Deserialize, Serialize};

use self::writes::load_user;
use crate::support::on_both_stores;

mod returns;
mod stored;
mod writes;

/// The database: how often it was asked.
#[derive(Debug, Default)]
struct Db {
    asked: AtomicU64,
}

impl Db {
    fn ask(&self) -> u64 {
        self.asked.fetch_add(1, SeqCst) + 1
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

fn user(id: u64, name: &str) -> User {
    User { id, name: name.to_owned() }
}

#[derive(Debug, Clone, PartialEq)]
struct DbError(&'static str);

/// Two tenants behind one `&self`.
struct Repo {
    tenant: String,
    db: Arc<Db>,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "repo:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> Result<Option<User>, DbError> {
        self.db.ask();
        Ok(Some(user(id, &self.tenant)))
    }

    #[cached_aside(ttl = "5m", key = "shared:{id}", skip(self))]
    pub(crate) async fn load_shared(&self, id: u64) -> User {
        self.db.ask();
        user(id, "shared")
    }

    #[cached_aside(
        ttl = "5m",
        none_ttl = "1m",
        key = "found:{self.tenant}:{id}",
        jitter = "5%",
        lease = "2s",
        wait = "1s"
    )]
    async fn find_in_tenant(&self, id: u64) -> Option<u64> {
        self.db.ask();
        (id > 0).then_some(id)
    }

    #[cached_aside(ttl = "5m", key = "associated:{id}", skip(db))]
    async fn associated(db: &Db, id: u64) -> u64 {
        id + db.ask()
    }

    #[cached_aside(ttl = "5m", key = "arc:{id}", skip(self))]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        id + self.db.ask()
    }

    #[invalidates(self.load(user.id), self.load_shared(user.id))]
    async fn save(&self, user: &User) -> Result<(), DbError> {
        let _ = user;
        Ok(())
    }

    #[invalidates(Self::load(self, id), Self::load_shared(id), Repo::associated(id))]
    async fn touch(&self, id: u64) {
        let _ = id;
    }
}

/// A generic type.
struct Table<K> {
    db: Arc<Db>,
    kind: PhantomData<K>,
}

impl<K: Display + Clone + Send + Sync> Table<K> {
    #[cached_aside(ttl = "5m", key = "table:{key}", skip(self))]
    async fn row(&self, key: K) -> Result<Vec<u64>, DbError> {
        Ok(vec![self.db.ask(), key.to_string().len() as u64])
    }

    #[invalidates(self.row(key.clone()))]
    async fn clear(&self, key: K) -> Result<(), DbError> {
        drop(key);
        Ok(())
    }
}

trait Store {
    async fn find(&self, id: u64) -> Option<User>;
    async fn put(&self, user: User) -> u64;
}

impl Store for Repo {
    #[cached_aside(ttl = "5m", key = "trait:{id}", skip(self))]
    async fn find(&self, id: u64) -> Option<User> {
        self.db.ask();
        Some(user(id, "trait"))
    }

    #[invalidates("trait:{user.id}")]
    async fn put(&self, user: User) -> u64 {
        user.id
    }
}

#[async_trait]
trait Boxed {
    async fn find_boxed(&self, id: u64, why: &str) -> Result<Option<User>, DbError>;
    async fn put_boxed(&self, user: User) -> Result<(), DbError>;
}

#[async_trait]
impl Boxed for Repo {
    #[cached_aside(ttl = "5m", key = "boxed:{self.tenant}:{id}:{why}")]
    async fn find_boxed(&self, id: u64, why: &str) -> Result<Option<User>, DbError> {
        self.db.ask();
        if why == "fail" {
            return Err(DbError("why"));
        }
        Ok(Some(user(id, why)))
    }

    #[invalidates("boxed:{self.tenant}:{user.id}:because")]
    async fn put_boxed(&self, user: User) -> Result<(), DbError> {
        drop(user);
        Ok(())
    }
}

#[cached_aside(ttl = "5m", key = "generic:{id}:{T}", skip(db))]
async fn generic<I, T>(db: &Db, id: I) -> Option<T>
where
    I: Display + Copy + Send,
    T: Default + Serialize + for<'de> Deserialize<'de>,
{
    db.ask();
    let _ = id;
    Some(T::default())
}

#[cached_aside(ttl = "5m", key = "impl:{id}:{name}", skip(db, a, numbers))]
async fn impl_and_borrowed(
    db: &Db,
    id: impl Display,
    name: &str,
    (a, b): (u64, u64),
    mut numbers: Vec<u64>,
) -> u64 {
    numbers.push(a + b);
    db.ask() + numbers.len() as u64 + name.len() as u64 + id.to_string().len() as u64
}

#[cached_aside(ttl = "5m", skip(db))]
async fn derived(db: &Db, id: u64, name: &str, filter: Option<&str>, page: Vec<u8>) -> u64 {
    let _ = (id, name, filter, page);
    db.ask()
}

/// Documented.
#[cached_aside(ttl = Duration::from_secs(300), key = "kept:{id}", skip(db), version = 3, jitter = "0%")]
#[deprecated(note = "still cached")]
#[must_use]
#[allow(clippy::unused_async, reason = "kept")]
async fn attributes_are_kept(db: &Db, id: u64) -> u64 {
    id + db.ask()
}

#[tokio::test]
async fn methods() {
    on_both_stores("methods", async |_| {
        let db = Arc::new(Db::default());
        let asked = || db.asked.swap(0, SeqCst);
        let repo = |tenant: &str| Repo { tenant: tenant.to_owned(), db: db.clone() };
        let (a, b) = (repo("a"), repo("b"));
        for repo in [&a, &b, &a, &b] {
            assert_eq!(repo.load(1).await, Ok(Some(user(1, &repo.tenant))), "each tenant its own");
        }
        assert_eq!(asked(), 2);
        assert_eq!(a.load_key(1).as_str(), "repo:a:1");
        assert_eq!(a.load_key(1).peek().await.unwrap(), Some(user(1, "a")));
        assert_eq!(a.load_uncached(7).await, Ok(Some(user(7, "a"))));
        assert_eq!(asked(), 1);
        assert_eq!(Repo::load_shared_key(1).as_str(), "shared:1");
        a.load_shared(1).await;
        b.load_shared(1).await;
        assert_eq!(asked(), 1);
        assert_eq!((Repo::associated(&db, 5).await, Repo::associated(&db, 5).await, asked()), (6, 6, 1));
        assert_eq!((a.find_in_tenant(0).await, a.find_in_tenant(0).await, asked()), (None, None, 1));
        assert_eq!((b.find_in_tenant(1).await, b.find_in_tenant(1).await, asked()), (Some(1), Some(1), 1));
        let arc = Arc::new(repo("c"));
        assert_eq!((arc.clone().by_arc(5).await, arc.by_arc(5).await, asked()), (6, 6, 1));

        a.save(&user(1, "new")).await.unwrap();
        assert_eq!(a.load_key(1).peek().await.unwrap(), None);
        assert_eq!(Repo::load_shared_key(1).peek().await.unwrap(), None);
        assert!(b.load_key(1).peek().await.unwrap().is_some(), "the other tenant's entry stays");
        b.touch(5).await;
        assert_eq!(Repo::associated_key(5).peek().await.unwrap(), None);
        b.touch(1).await;
        assert_eq!(b.load_key(1).peek().await.unwrap(), None);

        let table = Table::<&str> { db: db.clone(), kind: PhantomData };
        assert_eq!(
            (table.row("ab").await, table.row("ab").await, asked()),
            (Ok(vec![1, 2]), Ok(vec![1, 2]), 1)
        );
        table.clear("ab").await.unwrap();
        assert_eq!(Table::<&str>::row_key("ab").peek().await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn trait_methods() {
    on_both_stores("traits", async |_| {
        let db = Arc::new(Db::default());
        let asked = || db.asked.swap(0, SeqCst);
        let repo = Repo { tenant: "a".to_owned(), db: db.clone() };
        assert_eq!(
            (repo.find(1).await, repo.find(1).await, asked()),
            (Some(user(1, "trait")), Some(user(1, "trait")), 1)
        );
        assert_eq!(repo.put(user(1, "new")).await, 1);
        repo.find(1).await;
        assert_eq!(asked(), 1);

        let boxed: Box<dyn Boxed + Sync> = Box::new(repo);
        for _ in 0..2 {
            assert_eq!(boxed.find_boxed(1, "because").await, Ok(Some(user(1, "because"))));
        }
        assert_eq!(asked(), 1);
        assert_eq!(boxed.find_boxed(1, "fail").await, Err(DbError("why")));
        asked();
        boxed.put_boxed(user(1, "new")).await.unwrap();
        boxed.find_boxed(1, "because").await.unwrap();
        assert_eq!(asked(), 1);
    })
    .await;
}

#[tokio::test]
async fn generic_borrowed_derived_and_nested() {
    on_both_stores("generic", async |_| {
        let db = Db::default();
        let asked = || db.asked.swap(0, SeqCst);
        for _ in 0..2 {
            assert_eq!(generic::<_, u64>(&db, 1).await, Some(0));
            assert_eq!(generic::<_, String>(&db, 1).await, Some(String::new()));
            assert_eq!(generic::<_, HashMap<String, u8>>(&db, "x").await, Some(HashMap::new()));
        }
        assert_eq!(asked(), 3, "each type its own entry");
        assert_eq!(generic::key::<u64, u64>(1).as_str(), "generic:1:u64");

        for _ in 0..2 {
            let got = impl_and_borrowed(&db, 12, "Ada", (1, 2), vec![1]).await;
            assert_eq!(got, 1 + 2 + 3 + 2);
        }
        assert_eq!(asked(), 1);

        let keys: Vec<String> = vec![
            derived::key(1, "a", None, vec![]).to_string(),
            derived::key(1, "a", Some("b"), vec![1, 2]).to_string(),
        ];
        let module = module_path!();
        assert_eq!(keys[0], format!("{module}::derived:1:a:None:[]"));
        assert_eq!(keys[1], format!("{module}::derived:1:a:Some(\"b\"):[1%2C%202]"));
        derived(&db, 1, "a", None, vec![]).await;
        derived(&db, 1, "a", None, vec![]).await;
        derived(&db, 1, "a", Some("None"), vec![]).await;
        assert_eq!(asked(), 2);

        #[expect(deprecated, reason = "that it is, is kept")]
        async fn call(db: &Db) -> u64 {
            attributes_are_kept(db, 1).await + attributes_are_kept(db, 1).await
        }
        assert_eq!((call(&db).await, asked()), (4, 1));

        #[cached_aside(ttl = "5m", key = "nested:{id}")]
        async fn nested(id: u64) -> u64 {
            id * 2
        }
        assert_eq!((nested(4).await, nested::key(4).peek().await.unwrap()), (8, Some(8)));
        assert_eq!((tripled(4).await, tripled::key(4).peek().await.unwrap()), (12, Some(12)));
    })
    .await;
}

macro_rules! by_macro {
    ($name:ident, $ttl:literal, $key:literal, $wait:expr) => {
        #[cached_aside(ttl = $ttl, key = $key, wait = $wait)]
        async fn $name(id: u64) -> u64 {
            id * 3
        }
    };
}

by_macro!(tripled, "5m", "tripled:{id}", Duration::from_secs(1));

/// The future is `Send` whenever the body's is: axum takes no others.
#[tokio::test]
async fn in_axum_handlers() {
    use axum::{Router, extract::State, routing::get};

    async fn show(State(db): State<Arc<Db>>) -> String {
        format!("{:?}", load_user(&db, 1).await)
    }

    async fn store(State(db): State<Arc<Db>>) -> String {
        let repo = Repo { tenant: "axum".to_owned(), db };
        repo.save(&user(1, "axum")).await.unwrap();
        let loaded = repo.load(1).await;
        let derived = derived(&repo.db, 1, "axum", None, vec![]).await;
        let generic: Option<u64> = generic(&repo.db, 1).await;
        format!(
            "{loaded:?} {derived} {generic:?} {}",
            impl_and_borrowed(&repo.db, 1, "a", (1, 1), vec![]).await
        )
    }

    fn is_send<T: Send>(value: T) -> T {
        value
    }

    let db = Arc::new(Db::default());
    let app: Router = Router::new().route("/", get(show).post(store)).with_state(db.clone());
    drop(app);
    let cache = Cache::in_process();
    let shown = is_send(cache.scope(is_send(show(State(db.clone()))))).await;
    assert!(shown.contains("Ada"), "{shown}");
    cache.scope(is_send(store(State(db)))).await;
}

fn assert_types<K: Debug + Hash>(_: &K) {}

#[test]
fn handles_are_send_sync_and_cheap() {
    fn check<T: Clone + Send + Sync + Debug>() {}
    check::<Cache>();
    check::<cached_aside::Key<std::rc::Rc<u8>>>();
    check::<cached_aside::AnyKey>();
    assert_types(&cached_aside::AnyKey::new("a"));
}
