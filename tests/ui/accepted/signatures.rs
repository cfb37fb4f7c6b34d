//! Signatures that people write: what compiles without the attribute compiles with it.

#![deny(warnings)]
#![allow(async_fn_in_trait, reason = "these are not for others")]

use std::{collections::HashMap, fmt::Display, future::Future, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use cached_aside::{Cache, Key, cached_aside, invalidates, updates};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Parameters of the return type that `()` could not stand for.
pub mod bounded {
    use super::*;

    pub trait Entity: Serialize + DeserializeOwned + Send + Sync {
        const TABLE: &'static str;
        type Error;
    }

    #[derive(Serialize, Deserialize)]
    pub struct User;

    impl Entity for User {
        const TABLE: &'static str = "users";
        type Error = String;
    }

    #[derive(Serialize, Deserialize)]
    #[serde(bound = "T: Entity")]
    pub struct Page<T: Entity> {
        pub items: Vec<T>,
    }

    pub type Answer<T> = Result<Option<T>, String>;

    #[cached_aside(ttl = "1m", key = "page:{T}:{n}")]
    pub async fn page<T: Entity>(n: u32) -> Result<Page<T>, std::io::Error> {
        Ok(Page { items: vec![] })
    }

    #[cached_aside(ttl = "1m", key = "plain:{T}:{n}")]
    pub async fn plain<T: Entity>(n: u32) -> Page<T> {
        Page { items: vec![] }
    }

    #[cached_aside(ttl = "1m", key = "maybe:{T}:{n}", none_ttl = "1s")]
    pub async fn maybe<T>(n: u32) -> Result<Option<Page<T>>, <T as Entity>::Error>
    where
        T: Entity,
    {
        let error = PhantomData::<T::Error>;
        let _ = error;
        Ok(None)
    }

    #[cached_aside(ttl = "1m", key = "alias:{T}:{n}", none_ttl = "1s")]
    pub async fn alias<T: Serialize + DeserializeOwned + Send>(n: u32) -> Answer<T> {
        Ok(None)
    }

    #[invalidates("first:{result.items:?}")]
    pub async fn first<T: Entity + std::fmt::Debug>() -> Result<Page<T>, std::io::Error> {
        Ok(Page { items: vec![] })
    }

    #[cached_aside(ttl = "1m", key = "users:{n}")]
    pub async fn users(n: u32) -> Result<Option<Page<User>>, String> {
        Ok((n > 0).then(|| Page { items: vec![] }))
    }

    #[cached_aside(users(n) for n in numbers)]
    pub async fn all(numbers: &[u32]) -> Result<HashMap<u32, Page<User>>, String> {
        Ok(numbers.iter().map(|n| (*n, Page { items: vec![] })).collect())
    }

    #[updates(page::<T>(n))]
    pub async fn save<T: Entity>(n: u32) -> Result<Page<T>, String> {
        let _ = T::TABLE;
        Ok(Page { items: vec![] })
    }
}

/// Lifetimes without a name.
struct Repo<'a> {
    tenant: &'a str,
}

impl Repo<'_> {
    const TTL: Duration = Duration::from_secs(5);

    #[cached_aside(ttl = "5m", key = "{self.tenant}:{id}")]
    pub async fn user(&self, id: u64) -> Option<u64> {
        Some(self.tenant.len() as u64 + id)
    }

    #[cached_aside(ttl = Self::TTL, stale_while_revalidate = Self::TTL)]
    async fn by_constant(n: u8) -> Result<u8, String> {
        Ok(n)
    }

    #[invalidates(self.user(id), guard_for = Self::TTL)]
    async fn save(&self, id: u64) {
        let _ = id;
    }
}

struct Of<T>(T);

impl Of<&str> {
    #[cached_aside(ttl = "5m", key = "of:{self.0}")]
    async fn length(&self) -> usize {
        self.0.len()
    }
}

pub trait Named {}

impl dyn Named + '_ {
    #[cached_aside(ttl = "5m", key = "named", skip(self))]
    pub async fn named(&self) -> u8 {
        1
    }
}

/// The cache of a parameter that the body takes.
struct App {
    cache: Cache,
    db: u8,
}

#[cached_aside(ttl = "1m", key = "a:{id}", skip(app), cache = app.cache)]
async fn of_arc(app: Arc<App>, id: u64) -> u64 {
    drop(app);
    id
}

#[cached_aside(ttl = "1m", key = "b:{id}", skip(app), cache = app.cache.clone())]
async fn of_owned(app: App, id: u64) -> u64 {
    drop(app);
    id
}

#[cached_aside(ttl = "1m", key = "m:{id}", skip(app), cache = app.cache)]
async fn of_mut(app: &mut App, id: u64) -> u64 {
    app.db += 1;
    id + u64::from(app.db)
}

#[invalidates("a:{id}", cache = app.cache)]
async fn write_of_arc(app: Arc<App>, id: u64) -> u64 {
    id + u64::from(app.db)
}

#[updates(of_arc(id), cache = app.cache)]
async fn update_of_mut(app: &mut App, id: u64) -> u64 {
    app.db += 1;
    id + u64::from(app.db)
}

impl App {
    #[invalidates("a:{id}", cache = self.cache)]
    async fn change(&mut self, id: u8) {
        self.db += id;
    }

    #[cached_aside(ttl = "1m", key = "arc:{id}", skip(self), cache = self.cache)]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        drop(self);
        id
    }
}

/// Patterns inside of `#[async_trait]`.
#[async_trait]
trait Load {
    async fn tuple(&self, pair: (u8, u8), c: &str) -> u8;
    async fn unnamed(&self, _: u8, c: &str) -> u8;
}

#[async_trait]
impl Load for App {
    #[cached_aside(ttl = "1m", key = "tuple:{c}", skip(self, x, y))]
    async fn tuple(&self, (x, y): (u8, u8), c: &str) -> u8 {
        x + y + self.db + u8::try_from(c.len()).unwrap()
    }

    #[cached_aside(ttl = "1m", key = "unnamed:{c}", skip(self))]
    async fn unnamed(&self, _: u8, c: &str) -> u8 {
        u8::try_from(c.len()).unwrap()
    }
}

/// Parameters that are there or not.
#[cached_aside(ttl = "1m", key = "out:{id}", skip(extra))]
async fn out(id: u64, #[cfg(any())] extra: u8) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "in:{id}", skip(extra, more))]
async fn within(id: u64, #[cfg(not(any()))] extra: u8, #[cfg(any())] more: u8) -> u64 {
    id + u64::from(extra)
}

impl App {
    #[cached_aside(ttl = "1m", key = "method:{id}", skip(self, extra))]
    async fn out(&self, #[cfg(any())] extra: u8, id: u64) -> u64 {
        id + u64::from(self.db)
    }
}

/// The parameters of a trait in the return type of a method with a body.
trait Rows<T: Serialize + DeserializeOwned + Send + Sync>: Sync {
    fn ask(&self, id: u64) -> Option<T>;

    #[cached_aside(ttl = "1m", key = "{Self}:{id}", skip(self))]
    async fn get(&self, id: u64) -> Result<Option<T>, String> {
        Ok(self.ask(id))
    }
}

impl Rows<u8> for App {
    fn ask(&self, _: u64) -> Option<u8> {
        Some(self.db)
    }
}

impl Rows<String> for App {
    fn ask(&self, id: u64) -> Option<String> {
        Some(id.to_string())
    }
}

/// A generic `impl` that a macro puts together.
struct Generic<T>(T);

macro_rules! on {
    ([$($generics:tt)*] $ty:ty => $($body:tt)*) => {
        impl<$($generics)*> $ty { $($body)* }
    };
}

on! { [T: Serialize + DeserializeOwned + Send + Sync] Generic<T> =>
    #[cached_aside(ttl = "1m", key = "r:{n}", skip(self))]
    pub async fn get(&self, n: u8) -> Result<Vec<T>, String> {
        let _ = (n, &self.0);
        Ok(vec![])
    }
}

/// What `#[async_recursion]` makes of an `async fn` before the attribute sees it.
#[cached_aside(ttl = "5m", key = "fib:{n}")]
fn fib<'async_recursion>(
    n: u64,
) -> Pin<Box<dyn Future<Output = u64> + 'async_recursion + Send>> {
    Box::pin(async move { if n < 2 { n } else { fib(n - 1).await + fib(n - 2).await } })
}

#[invalidates(fib(3))]
async fn write_fib() {}

/// The crate itself, with what is borrowed, on a method and on a write.
#[async_recursion::async_recursion]
#[cached_aside(ttl = "5m", key = "depth:{text}")]
async fn depth(text: &str) -> usize {
    match text.strip_prefix('(') {
        Some(rest) => 1 + depth(rest).await,
        None => 0,
    }
}

struct Tree(u64);

impl Tree {
    #[async_recursion::async_recursion]
    #[cached_aside(ttl = "5m", key = "tree:{self.0}:{n}")]
    async fn sum(&self, n: u64) -> u64 {
        if n == 0 { self.0 } else { n + self.sum(n - 1).await }
    }

    #[async_recursion::async_recursion]
    #[invalidates(self.sum(n), depth(text))]
    async fn cut(&self, n: u64, text: &str) -> u64 {
        if n == 0 { 0 } else { 1 + self.cut(n - 1, text).await }
    }
}

/// What a handler gives.
#[invalidates(fib(id))]
async fn handler(axum::extract::Path(id): axum::extract::Path<u64>) -> impl axum::response::IntoResponse {
    (axum::http::StatusCode::ACCEPTED, id.to_string())
}

/// A function that calls itself may go on without its caller.
#[cached_aside(ttl = "5m", key = "back:{n}", stale_while_revalidate = "1m", refresh = "background")]
async fn back(n: u64) -> u64 {
    if n < 2 { n } else { Box::pin(back(n - 1)).await + Box::pin(back(n - 2)).await }
}

/// A write need not name what it returns.
#[invalidates("shown:{id}", fib(id))]
async fn shown(id: u64) -> impl Display {
    if id == 0 {
        return "none".to_owned();
    }
    id.to_string()
}

fn is_send<T: Send>(future: T) -> T {
    future
}

/// An error that the caller chooses is no part of the key.
#[cached_aside(ttl = "1m", key = "chosen:{id}")]
async fn chosen<E: From<std::num::TryFromIntError>>(id: u64) -> Result<u8, E> {
    Ok(u8::try_from(id)?)
}

struct Chosen;

impl Chosen {
    #[cached_aside(ttl = "1m", key = "chosen-by:{id}")]
    async fn by<T: Numbered, E: From<std::num::TryFromIntError> + Send>(id: T) -> Result<Option<u8>, (E, u8)> {
        Ok(u8::try_from(id.number()).ok())
    }
}

trait Numbered: std::fmt::Display {
    fn number(&self) -> u64;
}

impl Numbered for u64 {
    fn number(&self) -> u64 {
        *self
    }
}

#[invalidates(chosen(id), Chosen::by(id))]
async fn save_chosen(id: u64) {
    let _ = id;
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    let cache = Cache::in_process();
    cache.clone().install().unwrap();
    assert!(bounded::page::<bounded::User>(1).await.unwrap().items.is_empty());
    let key: Key<bounded::Page<bounded::User>> = bounded::page::key::<bounded::User>(1);
    assert!(key.peek().await.unwrap().is_some());
    bounded::plain::<bounded::User>(1).await;
    assert!(bounded::maybe::<bounded::User>(1).await.unwrap().is_none());
    assert!(bounded::alias::<u8>(1).await.unwrap().is_none());
    bounded::save::<bounded::User>(1).await.unwrap();
    assert!(bounded::users(0).await.unwrap().is_none());
    assert_eq!(bounded::all(&[1, 2]).await.unwrap().len(), 2);
    assert!(bounded::users::key(2).peek().await.unwrap().is_some());
    let repo = Repo { tenant: "t" };
    assert_eq!((repo.user(1).await, Repo::by_constant(2).await), (Some(2), Ok(2)));
    let key: Key<u64> = repo.user_key(1);
    assert_eq!(key.as_str(), "t:1");
    repo.save(1).await;
    assert_eq!(Of("abc").length().await, 3);
    let app = Arc::new(App { cache: cache.clone(), db: 1 });
    assert_eq!((of_arc(app.clone(), 1).await, write_of_arc(app.clone(), 1).await), (1, 2));
    assert_eq!(of_arc::key(1).in_cache(&cache).peek().await.unwrap(), None);
    assert_eq!(app.clone().by_arc(1).await, 1);
    assert_eq!((app.tuple((1, 2), "c").await, app.unnamed(1, "cc").await), (5, 2));
    assert_eq!((out(1).await, within(1, 2).await, App::out(&app, 1).await), (1, 3, 2));
    assert_eq!(out::key(1).as_str(), "out:1");
    assert_eq!((Rows::<u8>::get(&*app, 7).await, Rows::<String>::get(&*app, 7).await), (Ok(Some(1)), Ok(Some("7".into()))));
    let mut app = App { cache, db: 1 };
    app.change(1).await;
    assert_eq!(update_of_mut(&mut app, 1).await, 4);
    assert_eq!((of_mut(&mut app, 1).await, of_mut(&mut app, 1).await, app.db), (5, 5, 4));
    assert_eq!(of_owned(app, 1).await, 1);
    assert!(Generic(1).get(1).await.unwrap().is_empty());
    assert_eq!((is_send(fib(10)).await, is_send(back(10)).await), (55, 55));
    write_fib().await;
    let tree = Tree(1);
    assert_eq!((is_send(depth("((a")).await, is_send(tree.sum(3)).await), (2, 7));
    assert_eq!(is_send(tree.cut(3, "((a")).await, 3);
    assert_eq!((depth::key("((a").peek().await.unwrap(), tree.sum(0).await), (None, 1));
    let _: axum::Router = axum::Router::new().route("/{id}", axum::routing::post(handler));
    assert_eq!(fib::key(3).peek().await.unwrap(), None);
    assert_eq!((fib::uncached(5).await, back::uncached(5).await), (5, 5));
    assert_eq!(is_send(shown(3)).await.to_string(), "3");
    assert_eq!(chosen::<std::num::TryFromIntError>(3).await, Ok(3));
    assert_eq!(Chosen::by::<u64, std::num::TryFromIntError>(3).await, Ok(Some(3)));
    assert_eq!((chosen::key(3).as_str(), Chosen::by_key(3_u64).as_str()), ("chosen:3", "chosen-by:3"));
    save_chosen(3).await;
    assert_eq!(chosen::key(3).peek().await.unwrap(), None);
}
