//! Every form that a batch can be written in: lists, answers, patterns, methods, traits, generics, arguments by value.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Display,
    future::Future,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use cached_aside::{Cache, cached_aside};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User(u64);

/// An error that can't be cloned.
#[derive(Debug)]
struct Failed(#[expect(dead_code, reason = "it is only made")] std::io::Error);

type Answer<T> = Result<T, Failed>;

#[derive(Default)]
struct Db {
    bodies: AtomicUsize,
}

impl Db {
    fn query(&self) {
        self.bodies.fetch_add(1, SeqCst);
    }

    fn bodies(&self) -> usize {
        self.bodies.swap(0, SeqCst)
    }
}

#[cached_aside(ttl = "5m", skip(db))]
async fn load_user(db: &Db, id: u64) -> Result<Option<User>, Failed> {
    db.query();
    Ok(Some(User(id)))
}

#[cached_aside(ttl = "5m", skip(db))]
async fn by_name(db: &Db, name: &str) -> Option<User> {
    db.query();
    Some(User(name.len() as u64))
}

#[cached_aside(ttl = "5m", key = "price:{product}:{currency}", skip(db))]
async fn price(db: &Db, product: u64, currency: &str) -> Option<u64> {
    db.query();
    Some(product + currency.len() as u64)
}

#[cached_aside(ttl = "5m", key = "of:{tenant}:{id}", skip(db))]
async fn of_tenant(db: &Db, tenant: &str, id: u64) -> Answer<User> {
    db.query();
    Ok(User(id + tenant.len() as u64))
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn of_slice(db: &Db, ids: &[u64]) -> Answer<HashMap<u64, User>> {
    db.query();
    Ok(ids.iter().map(|id| (*id, User(*id))).collect())
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn of_vec(db: &Db, ids: Vec<u64>) -> BTreeMap<u64, User> {
    db.query();
    ids.into_iter().map(|id| (id, User(id))).collect()
}

#[expect(clippy::ptr_arg, reason = "people write it")]
#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn of_borrowed_vec(db: &Db, ids: &Vec<u64>) -> Vec<Option<User>> {
    db.query();
    ids.iter().map(|id| Some(User(*id))).collect()
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn of_set(db: &Db, mut ids: BTreeSet<u64>) -> Answer<Vec<Option<User>>> {
    db.query();
    ids.remove(&u64::MAX);
    Ok(ids.into_iter().map(|id| Some(User(id))).collect())
}

#[cached_aside(load_user(**id) for id in ids, skip(db))]
async fn of_borrowed_set(db: &Db, ids: &HashSet<Box<u64>>) -> HashMap<Box<u64>, User> {
    db.query();
    ids.iter().map(|id| (id.clone(), User(**id))).collect()
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn of_any(db: &Db, ids: impl IntoIterator<Item = u64>) -> Answer<Vec<Option<User>>> {
    db.query();
    Ok(ids.into_iter().map(|id| Some(User(id))).collect())
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn of_generic<I: IntoIterator<Item = u64>>(db: &Db, ids: I) -> Answer<HashMap<u64, User>> {
    db.query();
    Ok(ids.into_iter().map(|id| (id, User(id))).collect())
}

#[cached_aside(by_name(name) for name in names, skip(db))]
async fn of_strings(db: &Db, names: &[String]) -> HashMap<String, User> {
    db.query();
    names.iter().map(|name| (name.clone(), User(name.len() as u64))).collect()
}

#[cached_aside(by_name(name) for name in names, skip(db))]
async fn of_strs(db: &Db, names: &[&str]) -> Vec<Option<User>> {
    db.query();
    names.iter().map(|name| Some(User(name.len() as u64))).collect()
}

#[cached_aside(price(product, currency) for (product, currency) in pairs, skip(db))]
async fn of_pairs(db: &Db, pairs: &[(u64, &str)]) -> Vec<Option<u64>> {
    db.query();
    pairs.iter().map(|(product, currency)| Some(product + currency.len() as u64)).collect()
}

#[cached_aside(price(product, currency) for (product, currency) in pairs, skip(db))]
async fn of_owned_pairs(db: &Db, pairs: &[(u64, String)]) -> HashMap<(u64, String), u64> {
    db.query();
    pairs.iter().map(|pair| (pair.clone(), pair.0 + pair.1.len() as u64)).collect()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Ask {
    id: u64,
    why: String,
}

#[cached_aside(load_user(id) for Ask { id, .. } in asks, skip(db))]
async fn of_structs(db: &Db, asks: &[Ask]) -> HashMap<Ask, User> {
    db.query();
    asks.iter().map(|ask| (ask.clone(), User(ask.id))).collect()
}

/// An argument of the call that is used nowhere else, and one by value that the body takes.
#[cached_aside(of_tenant(tenant, id) for id in ids, skip(db, log))]
async fn of_a_tenant(db: &Db, tenant: &str, ids: &[u64], log: Vec<String>) -> Answer<HashMap<u64, User>> {
    db.query();
    drop(log);
    Ok(ids.iter().map(|id| (*id, User(id + 1))).collect())
}

/// What can't be cloned is given once.
struct Once;

#[cached_aside(load_user(id) for id in ids, skip(db, once))]
async fn of_once(db: &mut Arc<Db>, once: Once, ids: &[u64]) -> Answer<HashMap<u64, User>> {
    let Once = once;
    db.query();
    Ok(ids.iter().map(|id| (*id, User(*id))).collect())
}

mod users {
    use super::{Db, User, cached_aside};

    #[cached_aside(ttl = "5m", skip(db))]
    pub(super) async fn elsewhere(db: &Db, id: u64) -> User {
        db.query();
        User(id)
    }
}

#[cached_aside(users::elsewhere(id) for id in ids, skip(db), crate = ::cached_aside)]
async fn of_a_module(db: &Db, ids: &[u64]) -> HashMap<u64, User> {
    db.query();
    ids.iter().map(|id| (*id, User(*id))).collect()
}

struct Repo {
    tenant: u64,
    db: Db,
    cache: Cache,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "{self.tenant}:user:{id}", cache = self.cache)]
    async fn user(&self, id: u64) -> Answer<Option<User>> {
        self.db.query();
        Ok(Some(User(id)))
    }

    #[cached_aside(self.user(id) for id in ids)]
    async fn users(&self, ids: &[u64]) -> Answer<HashMap<u64, User>> {
        self.db.query();
        Ok(ids.iter().map(|id| (*id, User(self.tenant * 100 + id))).collect())
    }

    #[cached_aside(ttl = "5m", key = "row:{T}:{id}")]
    async fn row<T: Row>(id: u64) -> T {
        T::of(id)
    }

    #[cached_aside(Self::row::<T>(id) for id in ids)]
    async fn rows<T: Row>(ids: &[u64]) -> HashMap<u64, T> {
        ids.iter().map(|id| (*id, T::of(*id))).collect()
    }

    #[cached_aside(ttl = "5m", key = "one:{key}")]
    async fn one<K: Display>(key: K) -> usize {
        key.to_string().len()
    }

    #[cached_aside(Self::one(key) for key in keys)]
    async fn many<K: Display + Copy + Eq + Hash>(keys: &[K]) -> HashMap<K, usize> {
        keys.iter().map(|key| (*key, key.to_string().len())).collect()
    }
}

trait Row: Clone + Serialize + DeserializeOwned + 'static {
    fn of(id: u64) -> Self;
}

impl Row for User {
    fn of(id: u64) -> Self {
        User(id)
    }
}

#[async_trait::async_trait]
trait Users {
    async fn users(&self, ids: &[u64], log: Vec<String>) -> Answer<HashMap<u64, User>>;
    async fn sorted(&self, ids: Vec<u64>, of: (u64, String)) -> Vec<Option<User>>;
}

#[async_trait::async_trait]
impl Users for Db {
    #[cached_aside(load_user(id) for id in ids, skip(self, log))]
    async fn users(&self, ids: &[u64], log: Vec<String>) -> Answer<HashMap<u64, User>> {
        self.query();
        drop(log);
        if ids.contains(&u64::MAX) {
            return Err(Failed(std::io::Error::other("no such user")));
        }
        Ok(ids.iter().map(|id| (*id, User(*id))).collect())
    }

    #[cached_aside(load_user(id) for id in ids, skip(self, a, b))]
    async fn sorted(&self, mut ids: Vec<u64>, (a, mut b): (u64, String)) -> Vec<Option<User>> {
        self.query();
        b.push('!');
        for id in &mut ids {
            *id += a * b.len() as u64;
        }
        ids.drain(..).map(|id| Some(User(id))).collect()
    }
}

/// The same without a box.
trait Plain {
    fn changed(
        &self,
        ids: Vec<u64>,
        log: Vec<String>,
        of: (u64, String),
        text: &str,
    ) -> impl Future<Output = Vec<Option<User>>> + Send;
}

impl Plain for Db {
    #[cached_aside(load_user(id) for id in ids, skip(self, log, a, b, text))]
    async fn changed(
        &self,
        mut ids: Vec<u64>,
        mut log: Vec<String>,
        (a, mut b): (u64, String),
        mut text: &str,
    ) -> Vec<Option<User>> {
        self.query();
        log.push(b.clone());
        b.push_str(text);
        text = "";
        for id in &mut ids {
            *id += a * (log.len() + b.len() + text.len()) as u64;
        }
        ids.drain(..).map(|id| Some(User(id))).collect()
    }
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

fn users(ids: &[u64]) -> HashMap<u64, User> {
    ids.iter().map(|id| (*id, User(*id))).collect()
}

#[tokio::test]
async fn every_list_and_every_answer() {
    let db = Db::default();
    Cache::in_process()
        .scope(async {
            assert_eq!(is_send(of_slice(&db, &[1, 2])).await.unwrap(), users(&[1, 2]));
            assert_eq!(db.bodies(), 1);
            // All of these share the entries.
            assert_eq!(is_send(of_vec(&db, vec![2, 1])).await, users(&[1, 2]).into_iter().collect());
            assert_eq!(is_send(of_borrowed_vec(&db, &vec![2, 1])).await, [Some(User(2)), Some(User(1))]);
            let set = BTreeSet::from([1, 2]);
            assert_eq!(is_send(of_set(&db, set)).await.unwrap(), [Some(User(1)), Some(User(2))]);
            let boxed = HashSet::from([Box::new(1), Box::new(2)]);
            assert_eq!(is_send(of_borrowed_set(&db, &boxed)).await[&Box::new(2)], User(2));
            assert_eq!(is_send(of_any(&db, [1, 2])).await.unwrap(), [Some(User(1)), Some(User(2))]);
            assert_eq!(is_send(of_generic(&db, 1..3)).await.unwrap(), users(&[1, 2]));
            let asks = [Ask { id: 1, why: "a".into() }, Ask { id: 1, why: "b".into() }];
            let given = is_send(of_structs(&db, &asks)).await;
            assert_eq!(asks.map(|ask| given[&ask].clone()), [User(1), User(1)], "two ids of one key");
            assert_eq!(db.users(&[1, 2], vec![]).await.unwrap(), users(&[1, 2]));
            assert_eq!(load_user(&db, 2).await.unwrap(), Some(User(2)));
            assert_eq!(db.bodies(), 0, "and nothing was loaded again");
            assert_eq!(of_any(&db, [3]).await.unwrap(), [Some(User(3))]);
            assert_eq!(of_borrowed_set(&db, &HashSet::from([Box::new(4)])).await.len(), 1);
            assert_eq!(of_generic(&db, 4..6).await.unwrap(), users(&[4, 5]));
            assert_eq!(db.users(&[5, 6], vec![]).await.unwrap(), users(&[5, 6]));
            assert!(db.users(&[u64::MAX], vec![]).await.is_err());
            assert_eq!(db.bodies(), 5);
            assert_eq!(of_slice::uncached(&db, &[1]).await.unwrap(), users(&[1]));
            assert_eq!(db.bodies(), 1, "without the cache");
        })
        .await;
}

#[tokio::test]
async fn every_pattern_and_argument() {
    let mut db = Arc::new(Db::default());
    Cache::in_process()
        .scope(async {
            for bodies in [1, 0] {
                let names = is_send(of_strings(&db, &["ab".to_owned(), "c".to_owned()])).await;
                assert_eq!(names["ab"], User(2));
                assert_eq!(db.bodies(), bodies);
            }
            assert_eq!(is_send(of_strs(&db, &["c", "ab"])).await, [Some(User(1)), Some(User(2))]);
            assert_eq!(by_name(&db, "c").await, Some(User(1)));
            assert_eq!(db.bodies(), 0, "a name is a name");
            for bodies in [1, 0] {
                assert_eq!(is_send(of_pairs(&db, &[(1, "EUR"), (2, "YEN")])).await, [Some(4), Some(5)]);
                assert_eq!(db.bodies(), bodies);
            }
            let pairs = [(1, "EUR".to_owned())];
            assert_eq!(is_send(of_owned_pairs(&db, &pairs)).await[&pairs[0]], 4);
            assert_eq!(price(&db, 1, "EUR").await, Some(4));
            assert_eq!(db.bodies(), 0);
            let given = is_send(of_a_tenant(&db, "t", &[1, 2], vec![])).await.unwrap();
            assert_eq!((given[&2].clone(), db.bodies()), (User(3), 1));
            assert_eq!(of_tenant(&db, "t", 2).await.unwrap(), User(3));
            assert_eq!(of_a_tenant(&db, "u", &[1], vec![]).await.unwrap().len(), 1);
            assert_eq!(db.bodies(), 1, "another tenant has other entries");
            for bodies in [1, 0] {
                assert_eq!(is_send(of_once(&mut db, Once, &[7])).await.unwrap(), users(&[7]));
                assert_eq!(db.bodies(), bodies);
                assert_eq!(is_send(of_a_module(&db, &[7])).await, users(&[7]));
                assert_eq!(users::elsewhere(&db, 7).await, User(7));
                assert_eq!(db.bodies(), bodies);
            }
        })
        .await;
}

#[tokio::test]
async fn methods_and_generic_functions() {
    let repo = Repo { tenant: 3, db: Db::default(), cache: Cache::in_process() };
    for bodies in [1, 0] {
        let given = is_send(repo.users(&[1, 2])).await.unwrap();
        assert_eq!((given[&2].clone(), repo.db.bodies()), (User(302), bodies));
    }
    assert_eq!(repo.user(1).await.unwrap(), Some(User(301)), "in the cache that the method names");
    let other = Repo { tenant: 4, db: Db::default(), cache: repo.cache.clone() };
    assert_eq!((other.users(&[1]).await.unwrap()[&1].clone(), other.db.bodies()), (User(401), 1));
    assert_eq!(Repo::users_uncached(&repo, &[5]).await.unwrap()[&5], User(305));
    Cache::in_process()
        .scope(async {
            assert_eq!(is_send(Repo::rows::<User>(&[1, 2])).await, users(&[1, 2]));
            assert_eq!(Repo::row::<User>(1).await, User(1));
            assert_eq!(Repo::many(&["a", "bb"]).await["bb"], 2);
            assert_eq!(Repo::one("bb").await, 2);
        })
        .await;
}

/// What a method of a trait's `impl` binds it may change, and take apart.
#[tokio::test]
async fn methods_of_traits_bind_what_they_like() {
    let db = Db::default();
    Cache::in_process()
        .scope(async {
            for bodies in [1, 0] {
                let given = is_send(db.sorted(vec![1, 2], (10, "b".to_owned()))).await;
                assert_eq!((given, db.bodies()), (vec![Some(User(21)), Some(User(22))], bodies));
            }
        })
        .await;
    Cache::in_process()
        .scope(async {
            let of = || (10, "b".to_owned());
            for bodies in [1, 0] {
                let given = is_send(db.changed(vec![1, 2], vec![], of(), "text")).await;
                assert_eq!((given, db.bodies()), (vec![Some(User(61)), Some(User(62))], bodies));
            }
        })
        .await;
}

/// Without a cache, or with an empty list.
#[tokio::test]
async fn the_body_alone() {
    let db = Db::default();
    assert_eq!(of_borrowed_vec(&db, &vec![2, 2]).await, [Some(User(2)), Some(User(2))]);
    assert_eq!(of_slice(&db, &[]).await.unwrap(), HashMap::new());
    assert_eq!(db.bodies(), 1);
}
