//! What rust-analyzer is asked about: every place where a cached function, its batch and a tag are named.

use std::collections::HashMap;

use cached_aside::{cached_aside, invalidates, keys, updates};

use self::users::load_user;

mod users {
    use super::*;

    #[cached_aside(ttl = "5m", key = "user:{id}")]
    pub async fn load_user(id: u64) -> Option<String> {
        Some(id.to_string())
    }
}

cached_aside::tags! {
    pub fn catalog(tenant: u64) = "catalog:{tenant}";
}

#[cached_aside(ttl = "5m", key = "price:{tenant}:{id}", tags(catalog(tenant)))]
pub async fn price(tenant: u64, id: u64) -> Option<u64> {
    Some(tenant + id)
}

#[cached_aside(price(tenant, id) for id in ids)]
pub async fn prices(tenant: u64, ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, tenant + id)).collect()
}

#[invalidates(load_user(id), price(1, id), tags(catalog(id)))]
async fn save(id: u64) {
    let _ = id;
}

#[invalidates(users::load_user(id) for id in ids, price(tenant, id) for id in ids)]
async fn save_all(tenant: u64, ids: &[u64]) {
    let _ = (tenant, ids);
}

#[updates(load_user(id))]
async fn update(id: u64) -> Option<String> {
    Some(id.to_string())
}

pub struct Repo {
    inner: Inner,
}

pub struct Inner;

impl Inner {
    #[cached_aside(ttl = "5m", key = "order:{id}", skip(self))]
    pub async fn order(&self, id: u64) -> Option<u64> {
        Some(id)
    }

    #[cached_aside(self.order(id) for id in ids, skip(self))]
    pub async fn orders(&self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }

    #[invalidates(self.order(id), Self::order(id))]
    pub async fn save(&self, id: u64) {
        let _ = id;
    }
}

impl Repo {
    #[invalidates(Inner::order(id) for id in [1, 2])]
    async fn save_inside(&self) {
        let _ = &self.inner;
    }
}

#[updates(inner.order(id))]
async fn update_order(inner: &Inner, id: u64) -> Option<u64> {
    let _ = inner;
    Some(id)
}

async fn methods(repo: &Repo) {
    let _ = (repo.inner.order(1).await, repo.inner.orders(&[1]).await, repo.inner.save(2).await);
    let _ = (Inner::order_key(1), repo.save_inside().await, update_order(&repo.inner, 1).await);
    let _ = keys![Inner::order(1), Inner::order(2)];
}

async fn calls() {
    let _ = (load_user(1).await, load_user::key(2), users::load_user::uncached(3).await);
    let _ = (price(1, 2).await, price::key(1, 2), prices(1, &[2]).await, prices::uncached(1, &[2]).await);
    let _ = (save(1).await, save_all(1, &[2]).await, update(3).await);
    let _ = (catalog(1), keys![load_user(1), price(1, 2), tags(catalog(1))]);
}

fn main() {
    let _ = (calls(), methods(&Repo { inner: Inner }));
}
