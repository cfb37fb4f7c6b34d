//! A library over cached-aside, which it has under another name: what a program that depends on this one alone can write.

#![expect(clippy::unused_async, reason = "only async functions are cached")]

pub use caching;
use caching::{AnyKey, cached_aside, invalidates, keys, updates};

caching::tags! {
    crate = ::caching;
    /// Everything of a tenant.
    pub fn tenant(id: u64) = "tenant:{id}";
}

/// A user, of the library's own.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct User {
    /// Whose.
    pub id: u64,
    /// How it is called.
    pub name: String,
}

/// Loads a user.
///
/// # Errors
///
/// There is no user 0.
#[cached_aside(
    ttl = "5m",
    key = "user:{id}",
    error_ttl = "5s",
    error_if = |error: &String| error == "there is none",
    stale_if_error = "1m",
    crate = ::caching
)]
pub async fn load_user(id: u64) -> Result<User, String> {
    if id == 0 { Err("there is none".to_owned()) } else { Ok(User { id, name: format!("user {id}") }) }
}

/// Loads the users of a tenant.
#[cached_aside(ttl = "5m", key = "users:{id}", tags(tenant(id)), local = "1s", crate = ::caching)]
pub async fn load_users(id: u64) -> Vec<User> {
    vec![User { id, name: String::new() }]
}

/// Saves a user.
#[invalidates(load_user(user.id), crate = ::caching)]
pub async fn save(user: &User) {
    let _ = user;
}

/// Renames a user.
///
/// # Errors
///
/// None.
#[updates(load_user(id), crate = ::caching)]
pub async fn rename(id: u64, name: String) -> Result<User, String> {
    Ok(User { id, name })
}

/// Deletes all of a tenant.
#[invalidates(tags(tenant(id)), "other:{result}", crate = ::caching)]
pub async fn delete_tenant(id: u64) -> u64 {
    id
}

/// The keys of two users.
#[must_use]
pub fn two(id: u64) -> Vec<AnyKey> {
    keys![load_user(id), load_user(id + 1)]
}

/// A function with its cache, for a crate that does not depend on the library.
#[macro_export]
macro_rules! loader {
    ($(#[$attribute:meta])* $vis:vis $name:ident($parameter:ident: $key:ty) -> $value:ty $body:block) => {
        $(#[$attribute])*
        #[$crate::caching::cached_aside(ttl = "5m", crate = $crate::caching)]
        $vis async fn $name($parameter: $key) -> $value $body
    };
}
