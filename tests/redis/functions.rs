//! Every kind of function that can carry the attributes, on both stores.

use std::{
    collections::HashMap,
    fmt::{Debug, Display},
    future::Future,
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

use crate::{
    deployments,
    support::{carried_out, filled},
};

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

/// Runs a test on both stores, in a cache of its own each: in this process, and in Redis wherever it runs.
pub(crate) async fn on_both_stores<F: Future<Output = ()>>(name: &str, test: impl Fn(Cache) -> F) {
    let namespace = format!("functions-{name}");
    let cache = Cache::in_process();
    cache.scope(test(cache.clone())).await;
    for deployment in deployments::all() {
        println!("{name}: {}", deployment.name);
        let cache = deployment.cache(&namespace).await;
        cache.scope(test(cache.clone())).await;
        assert_eq!(deployment.keys_without_ttl(&namespace), [""; 0], "{}", deployment.name);
    }
}

// --- Return types -----------------------------------------------------------------------------------------

#[cached_aside(ttl = "5m", key = "plain:{id}", skip(db))]
async fn plain(db: &Db, id: u64) -> (u64, u64) {
    (id, db.ask())
}

#[cached_aside(ttl = "5m", key = "option:{id}", skip(db))]
async fn option(db: &Db, id: u64) -> Option<u64> {
    let asked = db.ask();
    (id != 0).then_some(asked)
}

#[cached_aside(ttl = "5m", none_ttl = "30s", key = "remembered:{id}", skip(db))]
async fn option_remembered(db: &Db, id: u64) -> Option<u64> {
    let asked = db.ask();
    (id != 0).then_some(asked)
}

#[cached_aside(ttl = "5m", key = "result:{id}", skip(db))]
async fn result(db: &Db, id: u64) -> Result<u64, DbError> {
    let asked = db.ask();
    if id == 0 { Err(DbError("no")) } else { Ok(asked) }
}

#[cached_aside(ttl = "5m", none_ttl = "1m", key = "both:{id}", skip(db))]
async fn result_option(db: &Db, id: u64) -> Result<Option<User>, DbError> {
    db.ask();
    match id {
        0 => Ok(None),
        1 => Err(DbError("one")),
        id => Ok(Some(user(id, "Ada"))),
    }
}

type Fallible<T> = Result<T, DbError>;
type Found = Fallible<Option<u64>>;
type Maybe<T> = Option<T>;

#[cached_aside(ttl = "5m", key = "alias:{id}", skip(db))]
async fn through_an_alias(db: &Db, id: u64) -> Found {
    let asked = db.ask();
    if id == 0 { Ok(None) } else { Ok(Some(asked)) }
}

#[cached_aside(ttl = "5m", key = "aliases:{id}", skip(db))]
async fn through_nested_aliases(db: &Db, id: u64) -> Fallible<Maybe<u64>> {
    let asked = db.ask();
    if id == 0 { Ok(None) } else { Ok(Some(asked)) }
}

#[cached_aside(ttl = "5m", key = "io:{id}", skip(db))]
async fn io_result(db: &Db, id: u64) -> std::io::Result<u64> {
    let text = if id == 0 { "x".to_owned() } else { db.ask().to_string() };
    // `?` and `return` leave the body, not the cache.
    let asked = text.parse().map_err(std::io::Error::other)?;
    if id == 1 {
        return Ok(0);
    }
    Ok(asked)
}

#[cached_aside(ttl = "5m", key = "unit:{id}", skip(db))]
async fn unit(db: &Db, id: u64) {
    db.ask();
    let _ = id;
}

#[tokio::test]
async fn what_is_stored_of_a_return_value() {
    on_both_stores("outcomes", async |_| {
        let db = Db::default();
        let asked = || db.asked.swap(0, SeqCst);
        assert_eq!((plain(&db, 1).await, plain(&db, 1).await, plain(&db, 2).await), ((1, 1), (1, 1), (2, 2)));
        asked();
        assert_eq!((option(&db, 1).await, option(&db, 1).await, asked()), (Some(1), Some(1), 1));
        assert_eq!(
            (option(&db, 0).await, option(&db, 0).await, asked()),
            (None, None, 2),
            "`None` is not stored"
        );
        assert_eq!(
            (option_remembered(&db, 0).await, option_remembered(&db, 0).await, asked()),
            (None, None, 1)
        );
        assert_eq!(
            (option_remembered(&db, 1).await, option_remembered(&db, 1).await, asked()),
            (Some(1), Some(1), 1)
        );
        assert_eq!((result(&db, 1).await, result(&db, 1).await, asked()), (Ok(1), Ok(1), 1));
        let error = || Err(DbError("no"));
        assert_eq!(
            (result(&db, 0).await, result(&db, 0).await, asked()),
            (error(), error(), 2),
            "`Err` is not stored"
        );
        for (id, expected, bodies) in
            [(0, Ok(None), 1), (1, Err(DbError("one")), 2), (2, Ok(Some(user(2, "Ada"))), 1)]
        {
            assert_eq!(result_option(&db, id).await, expected);
            assert_eq!((result_option(&db, id).await, asked()), (expected, bodies));
        }
        assert_eq!(
            (through_an_alias(&db, 1).await, through_an_alias(&db, 1).await, asked()),
            (Ok(Some(1)), Ok(Some(1)), 1)
        );
        assert_eq!(
            (through_an_alias(&db, 0).await, through_an_alias(&db, 0).await, asked()),
            (Ok(None), Ok(None), 2)
        );
        assert_eq!(through_nested_aliases(&db, 0).await, Ok(None));
        assert_eq!(
            (through_nested_aliases(&db, 0).await, asked()),
            (Ok(None), 2),
            "an alias for `Option` is one"
        );
        assert_eq!((io_result(&db, 2).await.unwrap(), io_result(&db, 2).await.unwrap(), asked()), (1, 1, 1));
        assert_eq!((io_result(&db, 1).await.unwrap(), io_result(&db, 1).await.unwrap(), asked()), (0, 0, 1));
        assert!(io_result(&db, 0).await.is_err() && io_result(&db, 0).await.is_err());
        unit(&db, 1).await;
        unit(&db, 1).await;
        assert_eq!(asked(), 1);
    })
    .await;
}

// --- Kinds of functions -----------------------------------------------------------------------------------

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

mod users {
    use super::{Db, DbError, User, cached_aside, user};

    #[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
    pub(crate) async fn load_user(db: &Db, id: u64) -> Result<Option<User>, DbError> {
        db.ask();
        Ok(Some(user(id, "Ada")))
    }
}

use users::load_user;

#[invalidates(load_user(user.id), "users:recent")]
async fn save_user(user: &User) -> Result<(), DbError> {
    if user.name.is_empty() { Err(DbError("empty")) } else { Ok(()) }
}

#[invalidates(users::load_user(result.id), "name:{result.name}")]
async fn create_user(name: String) -> Result<User, DbError> {
    if name.is_empty() { Err(DbError("empty")) } else { Ok(User { id: 9, name }) }
}

#[invalidates(load_user(id), when = really)]
async fn maybe(id: u64, really: bool) {
    let _ = id;
}

struct Service {
    cache: Cache,
}

impl Service {
    #[cached_aside(ttl = "5m", key = "own:{id}", skip(self, db), cache = self.cache)]
    async fn load(&self, db: &Db, id: u64) -> u64 {
        id + db.ask()
    }

    #[invalidates(self.load(id), cache = &self.cache)]
    async fn save(&self, id: u64) {
        let _ = id;
    }
}

#[tokio::test]
async fn writes() {
    on_both_stores("writes", async |cache| {
        let db = Db::default();
        let asked = || db.asked.swap(0, SeqCst);
        let key = || load_user::key(1);
        // A fill goes by another connection than what a write sends.
        let load = async |id| {
            load_user(&db, id).await.unwrap();
            carried_out(&cache).await;
        };
        load(1).await;
        save_user(&user(1, "Grace")).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None, "`Ok` invalidates");
        load(1).await;
        save_user(&user(1, "")).await.unwrap_err();
        assert_eq!(key().peek().await.unwrap(), None, "`Err` too: the database may have been written");

        load(9).await;
        create_user(String::new()).await.unwrap_err();
        assert!(
            load_user::key(9).peek().await.unwrap().is_some(),
            "without a result there is no key of the result"
        );
        create_user("Ada".to_owned()).await.unwrap();
        assert_eq!(load_user::key(9).peek().await.unwrap(), None);

        load(1).await;
        maybe(1, false).await;
        assert!(key().peek().await.unwrap().is_some());
        maybe(1, true).await;
        assert_eq!(key().peek().await.unwrap(), None);
        asked();

        let service = Service { cache: Cache::in_process() };
        assert_eq!((service.load(&db, 1).await, service.load(&db, 1).await, asked()), (2, 2, 1));
        assert_eq!(Service::load_key(1).peek().await.unwrap(), None, "not in the cache in scope");
        assert_eq!(Service::load_key(1).in_cache(&service.cache).peek().await.unwrap(), Some(2));
        service.save(1).await;
        assert_eq!(Service::load_key(1).in_cache(&service.cache).peek().await.unwrap(), None);

        load(1).await;
        let guard = cache.guard([key()]).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None);
        load(1).await;
        assert_eq!(key().peek().await.unwrap(), None, "nothing is stored under guard");
        guard.release().await.unwrap();
        load(1).await;
        cache.invalidate(&key()).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None);
        load(1).await;
        cached_aside::AnyKey::new("user:1").invalidate().await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None);
        asked();

        load(1).await;
        cached_aside::bypass(load_user(&db, 1)).await.unwrap();
        assert_eq!(asked(), 2, "a bypass neither reads");
        key().invalidate().await.unwrap();
        cached_aside::bypass(load_user(&db, 1)).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None, "nor stores");

        let counts = cache.stats().function("load_user");
        assert!(counts.hits == 0 && counts.stored > 3 && counts.bypassed == 2, "{counts:?}");
    })
    .await;
}

#[tokio::test]
async fn every_codec() {
    use cached_aside::{Json, MessagePack, Postcard};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Loose {
        id: u64,
        #[serde(flatten)]
        rest: HashMap<String, String>,
    }

    #[cached_aside(ttl = "5m", key = "json:{id}", codec = Json)]
    async fn json(id: u64) -> Loose {
        Loose { id, rest: HashMap::from([("a".to_owned(), "b".to_owned())]) }
    }

    #[cached_aside(ttl = "5m", key = "messagepack:{id}", codec = MessagePack)]
    async fn messagepack(id: u64) -> Loose {
        json::uncached(id).await
    }

    #[cached_aside(ttl = "5m", key = "postcard:{id}", codec = Postcard)]
    async fn postcard(id: u64) -> User {
        user(id, "Ada")
    }

    #[cached_aside(ttl = "5m", key = "lost:{id}")]
    async fn never_readable(id: u64) -> Loose {
        json::uncached(id).await
    }

    let _ = (Json, MessagePack, Postcard);
    on_both_stores("codecs", async |cache| {
        for _ in 0..2 {
            assert_eq!(json(1).await, json::uncached(1).await);
            assert_eq!(messagepack(1).await, json::uncached(1).await);
            assert_eq!(postcard(1).await, user(1, "Ada"));
            assert_eq!(never_readable(1).await, json::uncached(1).await);
        }
        assert_eq!(cache.stats().total.hits, 3);
        let uncached = cache.stats().function("never_readable");
        assert_eq!(
            (uncached.bypassed, uncached.stored),
            (2, 0),
            "bincode can't read it back, so it is not written"
        );
    })
    .await;
}

/// A changed type, and a changed version: two releases share one cache.
#[tokio::test]
async fn two_releases_share_a_cache() {
    mod before {
        #[cached_aside::cached_aside(ttl = "5m", key = "release:{id}")]
        pub(super) async fn load(id: u64) -> (u64, u32) {
            (id, 1)
        }
    }
    mod after {
        #[cached_aside::cached_aside(ttl = "5m", key = "release:{id}", version = 2)]
        pub(super) async fn load(id: u64) -> (u64, u32) {
            (id, 2)
        }
    }
    mod swapped {
        #[cached_aside::cached_aside(ttl = "5m", key = "release:{id}")]
        pub(super) async fn load(id: u64) -> (u32, u64) {
            (3, id)
        }
    }
    on_both_stores("releases", async |cache| {
        for _ in 0..2 {
            assert_eq!(before::load(1).await, (1, 1));
            assert_eq!(after::load(1).await, (1, 2));
            assert_eq!(swapped::load(1).await, (3, 1));
        }
        filled(&cache, 6).await;
        let total = cache.stats().total;
        assert_eq!((total.hits, total.unusable, total.stored), (0, 5, 6), "each replaces the other's entry");
        // An invalidation reaches what the other release stored.
        before::load::key(1).invalidate().await.unwrap();
        swapped::load(1).await;
        before::load::key(1).invalidate().await.unwrap();
        assert_eq!(swapped::load::key(1).peek().await.unwrap(), None);
    })
    .await;
}

// --- `Send` -----------------------------------------------------------------------------------------------

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
