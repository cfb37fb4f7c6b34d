//! Calls in `#[invalidates]` mean what they would mean in the body, and what stands for a missing companion is in nobody's way.

#![deny(warnings, clippy::all)]
#![forbid(unused_imports)]

use std::sync::Arc;

use cached_aside::{Cache, cached_aside, invalidates, updates};

mod users {
    #[cached_aside::cached_aside(ttl = "5m", key = "user:{id}")]
    pub async fn user(id: u64) -> u64 {
        id
    }

    /// A parameter has the name of the cached function.
    #[cached_aside::invalidates(user(user))]
    pub async fn save(user: u64) {
        let _ = user;
    }
}

use users::user;

/// What is written here comes before what is imported by a `*`.
mod elsewhere {
    use super::*;

    #[cached_aside(ttl = "5m", key = "elsewhere:{id}")]
    pub async fn user(id: u64) -> u64 {
        id
    }

    #[invalidates(user(id))]
    pub async fn save(id: u64) {
        let _ = id;
    }
}

#[derive(Clone)]
struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "get:{id}", skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "5m", key = "made:{id}")]
    async fn made(id: u64) -> u64 {
        id
    }

    /// Called like a free function.
    async fn user(&self, id: u64) -> u64 {
        user(id).await
    }

    #[invalidates(self.get(id), Self::made(id), user(id))]
    async fn save(&self, id: u64) {
        let _ = id;
    }

    #[invalidates(Self::get(id), Repo::made(id), self::users::user(id))]
    async fn save_by_type(&self, id: u64) {
        let _ = id;
    }
}

/// The companions are those of what a pointer points to.
#[invalidates(repo.get(id), shared.get(id), twice.get(id))]
async fn save_through(repo: &Repo, shared: Arc<Repo>, twice: &Arc<Box<Repo>>, id: u64) {
    let _ = (repo, shared, twice, id);
}

#[updates(shared.get(id), crate::users::user(id))]
async fn update_through(shared: &Arc<Repo>, id: u64) -> u64 {
    let _ = shared;
    id
}

trait Store {
    async fn get(&self, id: u64) -> u64;
    async fn set(&self, id: u64);
}

/// An inherent companion is found where the trait has a function of that name.
impl Store for Repo {
    async fn get(&self, id: u64) -> u64 {
        Repo::get(self, id).await
    }

    #[invalidates(self.get(id))]
    async fn set(&self, id: u64) {
        let _ = id;
    }
}

/// A macro names a function of its own crate.
macro_rules! saving {
    ($name:ident) => {
        #[invalidates($crate::users::user(id))]
        async fn $name(id: u64) {
            let _ = id;
        }
    };
}

saving!(save_by_macro);

async fn is_there(key: cached_aside::Key<u64>) -> bool {
    key.peek().await.unwrap().is_some()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    Cache::in_process().install().unwrap();
    let (repo, id) = (Repo, 5);
    let load = async || {
        (repo.get(id).await, Repo::made(id).await, repo.user(id).await);
        assert!(is_there(Repo::get_key(id)).await && is_there(user::key(id)).await);
    };
    load().await;
    repo.save(id).await;
    assert!(!is_there(Repo::get_key(id)).await && !is_there(Repo::made_key(id)).await);
    assert!(!is_there(user::key(id)).await);
    load().await;
    repo.save_by_type(id).await;
    assert!(!is_there(Repo::get_key(id)).await && !is_there(user::key(id)).await);
    load().await;
    users::save(id).await;
    assert!(!is_there(user::key(id)).await);
    load().await;
    save_by_macro(id).await;
    assert!(!is_there(user::key(id)).await);
    save_through(&repo, Arc::new(Repo), &Arc::new(Box::new(Repo)), id).await;
    assert!(!is_there(Repo::get_key(id)).await);
    update_through(&Arc::new(Repo), id).await;
    assert!(is_there(Repo::get_key(id)).await && is_there(user::key(id)).await);
    (elsewhere::user(id).await, user(id).await);
    elsewhere::save(id).await;
    assert!(!is_there(elsewhere::user::key(id)).await && is_there(user::key(id)).await);
    Store::get(&repo, id).await;
    Store::set(&repo, id).await;
    assert!(!is_there(Repo::get_key(id)).await);
    nested(id).await;
}

/// Functions in a block.
async fn nested(id: u64) {
    #[cached_aside(ttl = "5m", key = "outer:{id}")]
    async fn outer(id: u64) -> u64 {
        id
    }
    {
        #[cached_aside(ttl = "5m", key = "inner:{id}")]
        async fn inner(id: u64) -> u64 {
            id
        }
        #[invalidates(outer(id), inner(*result))]
        async fn save(id: u64) -> u64 {
            id
        }
        #[invalidates(inner(inner))]
        async fn shadowed(inner: u64) {
            let _ = inner;
        }
        (outer(id).await, inner(id).await);
        save(id).await;
        assert!(!is_there(outer::key(id)).await && !is_there(inner::key(id)).await);
        inner(id).await;
        shadowed(id).await;
        assert!(!is_there(inner::key(id)).await);
    }
}
