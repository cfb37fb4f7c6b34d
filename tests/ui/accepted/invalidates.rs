//! Every way of naming what a write makes stale.

use cached_aside::{Cache, cached_aside, invalidates};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Debug)]
enum Failed {
    #[expect(dead_code)]
    Cache(cached_aside::Error),
}

impl From<cached_aside::Error> for Failed {
    fn from(error: cached_aside::Error) -> Self {
        Failed::Cache(error)
    }
}

mod users {
    use super::{Failed, User, cached_aside};

    #[cached_aside(ttl = "5m", key = "user:{id}")]
    pub async fn load_user(id: u64) -> Result<Option<User>, Failed> {
        Ok(Some(User { id, name: "a".into() }))
    }

    #[cached_aside(ttl = "5m", key = "name:{tenant}:{name}")]
    pub async fn by_name(tenant: &str, name: &str) -> u64 {
        (tenant.len() + name.len()) as u64
    }

    #[cached_aside(ttl = "5m", key = "typed:{T}:{id}")]
    pub async fn typed<T>(id: u64) -> u64 {
        id
    }
}

use users::load_user;

#[invalidates(load_user(user.id), "users:recent", "named:{user.name}")]
async fn save_user(user: User) -> Result<(), Failed> {
    drop(user);
    Ok(())
}

#[invalidates(users::load_user(id), users::by_name(&tenant, "a"), users::typed::<u8>(id), guard = "best_effort")]
async fn paths(tenant: String, id: u64) -> u64 {
    drop(tenant);
    id
}

#[invalidates(
    load_user(result.id),
    users::by_name(&tenant.clone(), &result.name),
    "{tenant}:{result.id:04}:{tenant}",
    guard = "required",
    guard_for = "2s",
    settle = "10ms"
)]
async fn create(tenant: String) -> Result<User, Failed> {
    let user = User { id: 3, name: tenant };
    Ok(user)
}

#[invalidates("a:{id}", when = id > 3, guard = "off", cache = cache)]
async fn sometimes(cache: Cache, id: u64) -> Option<u64> {
    id.checked_sub(1)
}

#[cached_aside(ttl = "1m", key = "page:{page:?}")]
async fn page(page: Option<u64>) -> u64 {
    page.unwrap_or_default()
}

/// A key may have an `Option` in it.
#[invalidates("page:{number:?}")]
async fn save_page(number: Option<u64>) {
    let _ = number;
}

#[invalidates("b:{ids:?}", "c:{T}:{N}")]
async fn generic<T: Clone, const N: usize>(ids: &[u64], value: &mut T) -> T {
    let _ = ids;
    value.clone()
}

/// A write may be cached reads' own companion too.
#[invalidates(load_user(1))]
#[invalidates(load_user(2))]
async fn twice() {}

/// What the body takes is copied before, for keys that only the result completes.
#[invalidates(users::by_name(&tenant, &result), users::by_name(&user.name, "n"), users::by_name(&user.name, &result.clone()))]
async fn taken(tenant: String, user: User) -> Result<String, u64> {
    drop(tenant);
    let User { name, .. } = user;
    Ok(name)
}

struct Email(String);

impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

struct NewUser {
    id: u64,
    email: Email,
}

#[cached_aside(ttl = "1m", key = "email:{email}:{id}")]
async fn by_email(email: &Email, id: u64) -> u64 {
    let _ = email;
    id
}

/// The body takes another part.
#[invalidates(by_email(&user.email, *result))]
async fn taken_in_part(user: NewUser) -> u64 {
    user.id
}

mod result {
    pub const KIND: u64 = 7;
}

/// A module is not the result, and an item of a list no parameter.
#[invalidates(load_user(result::KIND), load_user(user.id) for user in [User { id: 8, name: String::new() }])]
async fn other_names(user: &mut User) -> Result<(), u64> {
    user.id += 1;
    Err(user.id)
}

#[invalidates(load_user(user.id) for user in result)]
async fn items_of_a_name(user: &mut User) -> Vec<User> {
    user.id += 1;
    vec![user.clone()]
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    let cache = Cache::in_process();
    cache.clone().install().unwrap();
    load_user(1).await.unwrap();
    assert!(load_user::key(1).peek().await.unwrap().is_some());
    is_send(save_user(User { id: 1, name: "a".into() })).await.unwrap();
    assert!(load_user::key(1).peek().await.unwrap().is_none());
    users::by_name("t", "a").await;
    users::typed::<u8>(1).await;
    is_send(paths("t".into(), 1)).await;
    assert!(users::by_name::key("t", "a").peek().await.unwrap().is_none());
    load_user(3).await.unwrap();
    is_send(create("t".into())).await.unwrap();
    assert!(load_user::key(3).peek().await.unwrap().is_none());
    is_send(sometimes(cache, 2)).await;
    generic::<_, 3>(&[1, 2], &mut 5).await;
    page(None).await;
    save_page(None).await;
    assert!(page::key(None).peek().await.unwrap().is_none());
    twice().await;
    for id in [7, 8, 9] {
        load_user(id).await.unwrap();
    }
    is_send(other_names(&mut User { id: 1, name: String::new() })).await.unwrap_err();
    is_send(items_of_a_name(&mut User { id: 8, name: String::new() })).await;
    for id in [7, 8, 9] {
        assert!(load_user::key(id).peek().await.unwrap().is_none(), "{id}");
    }
    let email = || Email("a@b".into());
    by_email(&email(), 5).await;
    is_send(taken_in_part(NewUser { id: 5, email: email() })).await;
    assert!(by_email::key(&email(), 5).peek().await.unwrap().is_none());
    users::by_name("t", "n").await;
    users::by_name("n", "n").await;
    is_send(taken("t".into(), User { id: 1, name: "n".into() })).await.unwrap();
    for tenant in ["t", "n"] {
        assert!(users::by_name::key(tenant, "n").peek().await.unwrap().is_none());
    }
}
