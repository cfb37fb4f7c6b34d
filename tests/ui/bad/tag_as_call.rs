//! A tag in the place of a cached function, and functions that macros make.

#![deny(warnings)]

use cached_aside::{cached_aside, invalidates, keys};

use self::tags::imported;

mod tags {
    cached_aside::tags! {
        pub fn imported(tenant: u64) = "imported:{tenant}";
    }
}

cached_aside::tags! {
    fn catalog(tenant: u64) = "catalog:{tenant}";
}

macro_rules! made {
    ($(#[$attribute:meta])* async fn $name:ident) => {
        $(#[$attribute])*
        async fn $name(id: u64) -> u64 {
            id
        }
    };
}

made! { async fn not_cached }

made! {
    #[cached_aside(ttl = "5m", key = "made:{id}")]
    async fn cached
}

#[invalidates(catalog(tenant))]
async fn declared_here(tenant: u64) {
    _ = catalog(tenant);
}

#[invalidates(imported(tenant))]
async fn declared_elsewhere(tenant: u64) {
    _ = tenant;
}

#[invalidates(tags::imported(tenant))]
async fn with_its_module(tenant: u64) {
    _ = tenant;
}

#[invalidates(not_cached(id))]
async fn made_and_not_cached(id: u64) {
    _ = id;
}

#[invalidates(cached(id))]
async fn made_and_cached(id: u64) {
    _ = id;
}

async fn a_list_of_keys(cache: &cached_aside::Cache, tenant: u64) {
    _ = cache.invalidate_keys(keys![catalog(tenant)]).await;
}

#[tokio::main]
async fn main() {
    declared_here(1).await;
    declared_elsewhere(1).await;
    with_its_module(1).await;
    made_and_not_cached(1).await;
    made_and_cached(1).await;
    _ = (not_cached(1).await, cached(1).await);
}
