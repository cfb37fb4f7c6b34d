//! What newcomers write in `#[invalidates]`, `#[updates]` and `keys!`, as it is written elsewhere.

#![allow(unused)]

use cached_aside::{Key, cached_aside, invalidate, invalidates, keys, updates};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct User {
    id: u64,
}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

mod users {
    #[cached_aside::cached_aside(ttl = "5m", key = "name:{id}")]
    pub async fn load_name(id: u64) -> u64 {
        id
    }
}

const TTL: std::time::Duration = std::time::Duration::from_secs(60);

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "team:{id}", skip(self))]
    async fn load_team(&self, id: u64) -> u64 {
        id
    }
}

#[updates(key = "user:{id}")]
async fn put_by_key(id: u64) -> u64 {
    id
}

#[updates(id)]
async fn put_by_parameter(id: u64) -> u64 {
    id
}

#[invalidates(load_user(id for id in ids))]
async fn list_inside(ids: &[u64]) {}

#[invalidates(load_user(*))]
async fn all_by_a_star(id: u64) {}

#[invalidates("user:{}", id)]
async fn positions(id: u64) {}

#[invalidates(User)]
async fn a_type(user: User) {}

#[invalidates(users::load_name::key(id))]
async fn key_in_a_module(id: u64) {}

#[invalidates(Repo::load_team::key(id))]
async fn key_of_a_method(id: u64) {}

#[updates(by_hand(5))]
async fn put_by_function(id: u64) -> u64 {
    id
}

#[invalidates("user:*")]
async fn by_pattern(id: u64) {}

#[invalidates(tags("tenant:*"))]
async fn by_pattern_of_tags(id: u64) {}

#[invalidates(load_user(result))]
async fn of_nothing(id: u64) {}

#[invalidates("user:{result}")]
async fn of_nothing_by_text(id: u64) -> Result<(), String> {
    Ok(())
}

#[invalidates(load_user(id).invalidate())]
async fn verb_behind_the_call(id: u64) {}

#[invalidates(Repo::load_team_key(id))]
async fn companion_of_a_type(id: u64) {}

impl Repo {
    #[invalidates(self.load_team_key(id))]
    async fn companion_of_self(&self, id: u64) {}
}

mod labels {
    cached_aside::tags! {
        pub fn author(id: u64) = "author:{id}";
    }
}

#[cached_aside(ttl = "5m", key = "tagged:{id}", tags(labels::author(result.author)))]
async fn tag_of_the_value(id: u64) -> User {
    User { id }
}

#[cached_aside(ttl = TTL / 2, key = "half:{id}")]
async fn half_a_ttl(id: u64) -> u64 {
    id
}

#[invalidates(load_user(id), when(id > 3))]
async fn option_as_call(id: u64) {}

#[cached_aside(ttl = "5m", key = "new:{id}", cache = cached_aside::Cache::in_process())]
async fn a_new_cache(id: u64) -> u64 {
    id
}

async fn by_hand(ids: &[u64]) {
    let key = load_user::key(5);
    let _ = invalidate(keys![key, "users"]).await;
    let _ = invalidate(keys![ids]).await;
}

fn main() {}
