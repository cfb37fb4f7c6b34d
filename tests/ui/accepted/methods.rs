//! Methods, associated functions, traits, `#[async_trait]`.

use std::sync::Arc;

use async_trait::async_trait;
use cached_aside::{Cache, cached_aside, invalidates};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
}

#[derive(Debug, Clone)]
struct Failed;

struct Repo {
    tenant: String,
    cache: Cache,
}

impl Repo {
    /// The key uses a field.
    #[cached_aside(ttl = "5m", key = "{self.tenant}:user:{id}")]
    async fn load_user(&self, id: u64) -> Result<Option<User>, Failed> {
        assert!(!self.tenant.is_empty());
        Ok(Some(User { id }))
    }

    /// The key doesn't.
    #[cached_aside(ttl = "5m", key = "count:{kind}", skip(self))]
    pub async fn count(&self, kind: u8) -> u64 {
        u64::from(kind)
    }

    #[cached_aside(ttl = "5m")]
    pub async fn associated(id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "5m", skip(self))]
    async fn by_value(self: Arc<Self>, mut id: u64) -> u64 {
        id += 1;
        id
    }

    #[cached_aside(ttl = "5m", key = "own:{id}", skip(self), cache = self.cache)]
    async fn own_cache(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "5m", key = "generic:{id}:{T}", skip(self))]
    async fn generic<'a, T: Default + Serialize + DeserializeOwned>(&self, id: &'a str) -> Vec<T> {
        let _ = id;
        vec![T::default()]
    }

    #[invalidates(self.load_user(user.id), self.count(1), Self::associated(user.id), Repo::count(2), cache = self.cache)]
    async fn save(&self, user: User) -> Result<(), Failed> {
        drop(user);
        Ok(())
    }

    #[invalidates(self.load_user(result.id), self.count(kind), "list:{self.tenant}:{result.id}:{kind}")]
    async fn create(&self, kind: u8) -> Result<User, Failed> {
        Ok(User { id: u64::from(kind) })
    }

    #[invalidates("a:{self.tenant}")]
    async fn change(&mut self, tenant: String) {
        self.tenant = tenant;
    }
}

struct Generic<T, const N: usize> {
    value: T,
}

impl<T: Clone + Sync + Serialize + DeserializeOwned, const N: usize> Generic<T, N> {
    #[cached_aside(ttl = "5m", key = "generic:{T}:{N}:{id}", skip(self))]
    async fn load(&self, id: u64) -> Result<Option<T>, Failed> {
        let _ = id;
        Ok(Some(self.value.clone()))
    }

    #[cached_aside(ttl = "5m")]
    async fn derived(id: u64) -> u64 {
        id
    }

    #[invalidates(self.load(1), Self::derived(2))]
    async fn save(&self) -> T {
        self.value.clone()
    }
}

trait Load {
    type Error;

    async fn load(&self, id: u64) -> Result<Option<User>, Self::Error>;

    #[cached_aside(ttl = "1m", key = "default:{Self}:{id}", skip(self))]
    async fn default(&self, id: u64) -> u64 {
        id
    }
}

impl Load for Repo {
    type Error = Failed;

    #[cached_aside(ttl = "1m", key = "trait:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> Result<Option<User>, Self::Error> {
        if id == 0 {
            return Err(Failed);
        }
        let user = self.load_user(id).await?;
        Ok(user)
    }
}

#[async_trait]
trait LoadBoxed {
    type Error: Send;

    async fn load_boxed(&self, id: u64, name: &str) -> Result<Option<User>, Self::Error>;

    #[cached_aside(ttl = "1m", skip(self))]
    async fn default_boxed(&self, id: u64) -> u64
    where
        Self: Sync,
    {
        id
    }
}

#[async_trait]
impl<T: Send + Sync, const N: usize> LoadBoxed for Generic<T, N> {
    type Error = Failed;

    #[cached_aside(ttl = "1m", key = "boxed:{T}:{id}:{name}", skip(self))]
    async fn load_boxed(&self, id: u64, name: &str) -> Result<Option<User>, Self::Error> {
        let _ = (&self.value, name);
        if id == 0 {
            return Err(Failed);
        }
        Ok(Some(User { id }))
    }
}

#[async_trait]
impl LoadBoxed for Repo {
    type Error = Failed;

    #[cached_aside(ttl = "1m", skip(self))]
    async fn load_boxed(&self, mut id: u64, name: &str) -> Result<Option<User>, Failed> {
        id += name.len() as u64;
        self.load_user(id).await
    }
}

#[async_trait]
trait Save {
    async fn save_boxed(&self, user: User, (a, b): (u8, u8)) -> Result<User, Failed>;
}

#[async_trait]
impl Save for Repo {
    #[invalidates(self.load_user(user.id), self.count(result.id as u8))]
    async fn save_boxed(&self, user: User, (a, b): (u8, u8)) -> Result<User, Failed> {
        let _ = a + b;
        Ok(user)
    }
}

trait Answer {
    type Answer;

    async fn answer(&self) -> Self::Answer;
}

impl Answer for Repo {
    type Answer = Result<Option<User>, Failed>;

    /// Its errors are not stored, although it doesn't look like a `Result`.
    #[cached_aside(ttl = "1m", none_ttl = "1s", key = "answer:{self.tenant}")]
    async fn answer(&self) -> Self::Answer {
        Ok(None)
    }
}

macro_rules! repository {
    ($name:ident, $value:ty) => {
        struct $name;

        impl $name {
            #[cached_aside(ttl = "1m", skip(self))]
            async fn load(&self, id: u64) -> Option<$value> {
                let _ = id;
                None
            }
        }

        impl Load for $name {
            type Error = Failed;

            #[cached_aside(ttl = "1m", skip(self))]
            async fn load(&self, id: u64) -> Result<Option<User>, Failed> {
                let _ = id;
                Ok(None)
            }
        }
    };
}

repository!(Users, User);

/// Two types whose names differ in a parameter alone.
pub struct Of<T> {
    tenant: T,
}

impl Of<u8> {
    #[cached_aside(ttl = "1m", key = "of:{self.tenant}:{id}")]
    pub async fn get(&self, id: u64) -> u64 {
        id
    }
}

impl Of<u16> {
    #[cached_aside(ttl = "1m", key = "all:{id}", skip(self))]
    pub async fn get(&self, id: u64) -> u64 {
        id + u64::from(self.tenant)
    }
}

#[invalidates(Of::<u16>::get(id))]
pub async fn forget(id: u64) {
    let _ = (id, Of { tenant: 1_u8 });
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    let cache = Cache::in_process();
    cache.clone().install().unwrap();
    let mut repo = Repo { tenant: "a".into(), cache };
    repo.load_user(1).await.unwrap();
    assert_eq!(repo.load_user_key(1).as_str(), "a:user:1");
    assert!(repo.load_user_key(1).peek().await.unwrap().is_some());
    repo.count(1).await;
    assert_eq!(Repo::count_key(1).as_str(), "count:1");
    repo.count_uncached(1).await;
    Repo::associated(1).await;
    assert_eq!(Repo::associated_key(1).as_str(), format!("{}::Repo::associated:1", module_path!()));
    repo.own_cache(1).await;
    repo.generic::<u8>("a").await;
    repo.save(User { id: 1 }).await.unwrap();
    assert!(repo.load_user_key(1).peek().await.unwrap().is_none());
    repo.create(1).await.unwrap();
    repo.change("b".into()).await;
    Load::load(&repo, 1).await.unwrap();
    Load::default(&repo, 1).await;
    repo.load_boxed(1, "a").await.unwrap();
    repo.default_boxed(1).await;
    assert!(repo.answer().await.unwrap().is_none());
    repo.save_boxed(User { id: 1 }, (1, 2)).await.unwrap();
    Arc::new(repo).by_value(1).await;
    let generic = Generic::<u8, 4> { value: 1 };
    generic.load(1).await.unwrap();
    Generic::<u8, 4>::derived(1).await;
    let derived = Generic::<u8, 4>::derived_key(1);
    assert_eq!(derived.as_str(), format!("{}::Generic<u8, 4>::derived:1", module_path!()));
    generic.save().await;
    generic.load_boxed(1, "a").await.unwrap();
    assert!(Users.load(1).await.is_none());
    assert!(Load::load(&Users, 1).await.unwrap().is_none());
    assert_eq!(Users::load_key(1).as_str(), format!("{}::Users::load:1", module_path!()));
}
