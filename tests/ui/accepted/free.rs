//! Free functions of every return type, through aliases, with every way of writing the key.

use std::{borrow::Cow, fmt, time::Duration};

use cached_aside::{Cache, Key, cached_aside};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

/// An error that can't be cloned.
#[derive(Debug)]
struct Failed(#[expect(dead_code)] std::io::Error);

struct Db;

type Answer<T> = Result<T, Failed>;
type Maybe<T> = Option<T>;

const MINUTE: Duration = Duration::from_secs(60);
const VERSION: u32 = 7;

#[cached_aside(ttl = "5m", key = "plain:{id}")]
async fn plain(id: u64) -> User {
    User { id, name: id.to_string() }
}

#[cached_aside(ttl = "5m", key = "option:{id}", none_ttl = "30s")]
async fn option(id: u64) -> Option<User> {
    let id = id.checked_sub(1)?;
    Some(User { id, name: "a".into() })
}

#[cached_aside(ttl = MINUTE, key = "result:{id}", skip(db))]
async fn result(db: &Db, id: u64) -> Result<User, Failed> {
    let Db = db;
    if id == 0 {
        return Err(Failed(std::io::Error::other("none")));
    }
    Ok(User { id, name: "a".into() })
}

#[cached_aside(ttl = "1h 30m", key = "alias:{id}", none_ttl = MINUTE, jitter = "0%", lease = "2s", wait = "0s",
    verify = "0.05%")]
async fn alias(id: u64) -> Answer<Maybe<User>> {
    Ok(Some(User { id, name: "a".into() }))
}

#[cached_aside(ttl = "1s", key = "io:{path}", codec = Json, version = 2)]
async fn io(path: &str) -> std::io::Result<String> {
    Ok(path.to_owned())
}

#[cached_aside(ttl = "1s", version = VERSION, codec = cached_aside::MessagePack)]
async fn unit() {}

#[cached_aside(ttl = "1s", key = "everything")]
async fn everything() -> Vec<User> {
    vec![]
}

#[cached_aside(ttl = "1s", key = "{user.id:08}/{user.name}|{pair.0}#{pair.1:?} {kind:x}")]
async fn paths(user: &User, pair: (u8, Option<bool>), kind: u8) -> u64 {
    u64::from(pair.0) + user.id + u64::from(kind)
}

#[cached_aside(ttl = "1s")]
async fn derived(id: u64, name: &str, kinds: Vec<u8>, _extra: Option<&str>) -> usize {
    usize::try_from(id).unwrap() + name.len() + kinds.len()
}

#[derive(Debug)]
struct Page {
    number: u32,
    size: u32,
}

#[cached_aside(ttl = "1s", key = "page:{id}", skip(number))]
async fn destructured(mut id: u64, Page { number, size }: Page, (_, _): (u8, u8), _: u16) -> u64 {
    id += u64::from(number * size);
    id
}

#[cached_aside(ttl = "1s", key = "generic:{T}:{N}:{id}", skip(load))]
async fn generic<T, F, const N: usize>(load: F, id: impl fmt::Display + Send) -> Result<[T; 1], Failed>
where
    T: Serialize + DeserializeOwned + Clone,
    F: Fn(String) -> T,
{
    Ok([load(id.to_string())])
}

#[cached_aside(ttl = "1s")]
async fn derived_generic<T: Serialize + DeserializeOwned + Default, D>(id: u64) -> (T, u64)
where
    D: Default,
{
    let _ = D::default();
    (T::default(), id)
}

#[cached_aside(ttl = "1s", key = "borrowed:{name}")]
async fn borrowed<'a>(name: &'a str) -> Result<Cow<'a, str>, &'a str> {
    Ok(Cow::Borrowed(name))
}

#[cached_aside(ttl = "1s", key = "boxed:{id}")]
async fn boxed_error(id: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    Ok("5".parse::<u64>()? + id)
}

mod users {
    use cached_aside::cached_aside;

    /// In a module of its own, called from outside.
    #[cached_aside(ttl = "1s", key = "inner:{id}")]
    pub(crate) async fn inner(id: u64) -> u64 {
        id
    }
}

use users::inner;

#[cached_aside(ttl = "1s", key = "elsewhere:{id}", cache = cache, skip(cache))]
async fn elsewhere(cache: &Cache, id: u64) -> u64 {
    let _ = cache;
    id
}

#[cached_aside(ttl = "1s", key = "{{shop}}:{r#type}")]
async fn raw(r#type: u8) -> u8 {
    r#type
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    let cache = Cache::in_process();
    cache.clone().install().unwrap();

    #[cached_aside(ttl = "1s")]
    async fn nested(id: u64) -> u64 {
        id
    }

    let user = is_send(plain(1)).await;
    assert_eq!(plain(1).await, user);
    let key: Key<User> = plain::key(1);
    assert_eq!(key.as_str(), "plain:1");
    assert_eq!(key.peek().await.unwrap(), Some(user.clone()));
    assert_eq!(plain::uncached(1).await, user);
    assert!(option(0).await.is_none());
    let key: Key<User> = option::key(0);
    assert_eq!(key.as_str(), "option:0");
    assert!(is_send(result(&Db, 0)).await.is_err());
    assert!(result::uncached(&Db, 3).await.is_ok());
    let _: Key<User> = result::key(3);
    alias(4).await.unwrap().unwrap();
    let _: Key<User> = alias::key(4);
    assert_eq!(io("a b").await.unwrap(), "a b");
    assert_eq!(io::key("a b").as_str(), "io:a%20b");
    unit().await;
    assert_eq!(unit::key().as_str(), "free::unit".replace("free", module_path!()));
    everything().await;
    assert_eq!(paths::key(&user, (1, Some(true)), 10).as_str(), "00000001/1|1#Some(true) a");
    paths(&user, (1, None), 10).await;
    derived(1, "a", vec![1], None).await;
    assert_eq!(
        derived::key(1, "a:", vec![1], None).as_str(),
        format!("{}::derived:1:a%3A:[1]:None", module_path!())
    );
    assert_eq!(destructured(1, Page { number: 2, size: 3 }, (0, 0), 0).await, 7);
    assert_eq!(destructured::key(1).as_str(), "page:1");
    is_send(generic::<String, _, 3>(|text| text, 5)).await.unwrap();
    assert_eq!(generic::key::<String, 3>(5).as_str(), "generic:alloc%3A%3Astring%3A%3AString:3:5");
    assert_eq!(derived_generic::<u8, u16>(1).await, (0, 1));
    assert_eq!(
        derived_generic::key::<u8, u16>(1).as_str(),
        format!("{}::derived_generic:u8:u16:1", module_path!())
    );
    borrowed("a").await.unwrap();
    assert_eq!(borrowed::key("a").as_str(), "borrowed:a");
    boxed_error(1).await.unwrap();
    inner(1).await;
    assert_eq!(inner::key(1).as_str(), "inner:1");
    elsewhere(&cache, 1).await;
    raw(1).await;
    assert_eq!(raw::key(1).as_str(), "{shop}:1");
    nested(1).await;
    assert!(nested::key(1).as_str().ends_with("::nested:1"));
}
