//! What is known by its traits alone has companions where there is an `impl` for it, or where it leads to a type that has some.

use std::{ops::Deref, sync::Arc};

use cached_aside::{Cache, cached_aside, invalidates};

trait Users: Send + Sync {}

struct Repo;

impl Users for Repo {}

impl dyn Users + '_ {
    #[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "repo:{id}", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

struct Service {
    users: Arc<dyn Users>,
}

impl Service {
    #[invalidates(self.users.user(id))]
    async fn of_a_field(&self, id: u64) {
        let _ = id;
    }
}

#[invalidates(users.user(id))]
async fn of_an_object(users: &dyn Users, id: u64) {
    let _ = (users, id);
}

#[invalidates(repo.load(id))]
async fn of_what_leads_to_it(repo: impl Deref<Target = Repo>, id: u64) {
    let _ = (repo, id);
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    let service = Service { users: Arc::new(Repo) };
    let users = &*service.users;
    let is_cached = |key: cached_aside::Key<u64>| async move { key.peek().await.unwrap().is_some() };
    users.user(1).await;
    assert!(is_cached(<dyn Users>::user_key(1)).await);
    of_an_object(users, 1).await;
    assert!(!is_cached(<dyn Users>::user_key(1)).await);
    users.user(1).await;
    service.of_a_field(1).await;
    assert!(!is_cached(<dyn Users>::user_key(1)).await);
    Repo.load(1).await;
    of_what_leads_to_it(Arc::new(Repo), 1).await;
    assert!(!is_cached(Repo::load_key(1)).await);
}
