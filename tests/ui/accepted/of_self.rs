//! Types that are written with `Self`, in an `impl` that says what it is.

#![deny(warnings)]

use cached_aside::{Cache, cached_aside, invalidates};
use serde::{Deserialize, Serialize};

pub trait Entity {
    type Of: Serialize;
}

/// Not of every type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T: Entity> {
    rows: Vec<u64>,
    #[serde(skip)]
    of: std::marker::PhantomData<fn() -> T>,
}

fn page<T: Entity>(rows: Vec<u64>) -> Page<T> {
    Page { rows, of: std::marker::PhantomData }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    id: u64,
}

impl Entity for User {
    type Of = u64;
}

pub type Found<T> = Result<Option<T>, String>;

impl User {
    const TTL: std::time::Duration = std::time::Duration::from_secs(60);

    #[cached_aside(ttl = "5m", key = "users:{from}")]
    async fn page(from: u64) -> Result<Page<Self>, String> {
        Ok(page(vec![from]))
    }

    #[cached_aside(ttl = "5m", key = "user:{id}")]
    async fn find(id: u64) -> Found<Self> {
        Ok(Some(Self { id }))
    }

    #[invalidates(Self::find(result.id), Self::page(0))]
    async fn save(self) -> Result<Self, String> {
        Ok(self)
    }
}

trait Pages: Sized + Entity {
    type All: Serialize;

    async fn of(from: u64) -> Result<Option<Page<Self>>, String>;
    async fn first(id: u64) -> Result<Self::Of, String>;
    async fn all(id: u64) -> Self::All;
}

impl Pages for User {
    type All = Found<Self>;

    #[cached_aside(ttl = "5m", key = "pages:{from}")]
    async fn of(from: u64) -> Result<Option<Page<Self>>, String> {
        Ok(Some(page(vec![from])))
    }

    #[cached_aside(ttl = Self::TTL, lease = Self::TTL, key = "first:{id}")]
    async fn first(id: u64) -> Result<Self::Of, String> {
        Ok(id)
    }

    #[cached_aside(ttl = "5m", key = "all:{id}")]
    async fn all(id: u64) -> Self::All {
        Ok(Some(Self { id }))
    }
}

#[async_trait::async_trait]
trait Rows<T: Entity> {
    const TTL_OF_ROWS: std::time::Duration;

    async fn rows(&self, from: u64) -> Result<Page<T>, String>;
}

struct Table<T>(std::marker::PhantomData<fn() -> T>);

#[async_trait::async_trait]
impl<T: Entity + 'static> Rows<T> for Table<T> {
    const TTL_OF_ROWS: std::time::Duration = std::time::Duration::from_secs(60);

    #[cached_aside(ttl = "5m", key = "rows:{T}:{from}", skip(self))]
    async fn rows(&self, from: u64) -> Result<Page<T>, String> {
        Ok(page(vec![from]))
    }
}

impl<T: Entity + 'static> Table<T> {
    #[cached_aside(ttl = "5m", key = "own:{T}:{from}", skip(self))]
    async fn own(&self, from: u64) -> Result<Option<Page<T>>, String> {
        Ok(Some(page(vec![from])))
    }

    #[invalidates(self.own(from))]
    async fn cut(&self, from: u64) -> Result<Page<T>, String> {
        Ok(page(vec![from]))
    }
}

#[async_trait::async_trait]
impl Rows<User> for User {
    const TTL_OF_ROWS: std::time::Duration = std::time::Duration::from_secs(60);

    #[cached_aside(ttl = Self::TTL_OF_ROWS, key = "rows-of-user:{from}", skip(self))]
    async fn rows(&self, from: u64) -> Result<Page<Self>, String> {
        Ok(page(vec![from]))
    }
}

/// A semicolon in the header of the `impl` ends nothing.
pub struct Store<T>(T);

impl Store<[u8; 4]> {
    #[cached_aside(ttl = "5m", key = "store:{id}", skip(self))]
    async fn get(&self, id: usize) -> Option<u8> {
        self.0.get(id).copied()
    }

    #[cached_aside(ttl = "5m", key = "stored:{id}")]
    async fn whole(id: u8) -> Vec<u8> {
        vec![id; 4]
    }

    #[invalidates(self.get(id), Self::whole(1))]
    async fn set(&mut self, id: usize, to: u8) {
        self.0[id] = to;
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    assert_eq!(User::page(0).await.unwrap(), page(vec![0]));
    assert_eq!(User::find(1).await.unwrap(), Some(User { id: 1 }));
    assert!(User::find_key(1).peek().await.unwrap().is_some());
    User { id: 1 }.save().await.unwrap();
    assert!(User::find_key(1).peek().await.unwrap().is_none());
    assert!(User::page_key(0).peek().await.unwrap().is_none());
    assert_eq!(<User as Pages>::of(2).await.unwrap().unwrap().rows, [2]);
    assert_eq!(<User as Pages>::first(3).await, Ok(3));
    assert_eq!(User::all(3).await, Ok(Some(User { id: 3 })));
    let table = Table::<User>(std::marker::PhantomData);
    assert_eq!(table.rows(1).await.unwrap(), table.own(1).await.unwrap().unwrap());
    table.cut(1).await.unwrap();
    assert!(Table::<User>::own_key(1).peek().await.unwrap().is_none());
    assert_eq!(User { id: 1 }.rows(4).await.unwrap().rows, [4]);
    let mut store = Store([1, 2, 3, 4]);
    assert_eq!((store.get(1).await, Store::whole(1).await.len()), (Some(2), 4));
    store.set(1, 9).await;
    assert_eq!((store.get(1).await, store.get(7).await), (Some(9), None));
    assert!(Store::whole_key(1).peek().await.unwrap().is_none());
}
