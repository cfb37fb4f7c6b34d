//! Tags wherever they can be written.

#![deny(warnings, missing_docs)]

use cached_aside::{Tag, cached_aside, invalidates};

cached_aside::tags! {
    /// All that a tenant sees.
    #[must_use]
    pub fn catalog(tenant: u64) = "catalog:{tenant}";
    fn all() = "all";
    fn generic<T: std::fmt::Display>(value: T) = "generic:{value}";
    fn named(name: &str, number: u64) = "{name}/{number:08x}";
    fn bounded<T>(value: T)
    where
        T: std::fmt::Debug,
    = "bounded:{value:?}";
}

cached_aside::tags! {
    crate = ::cached_aside;
    fn renamed() = "renamed";
}

mod inner {
    cached_aside::tags! { pub(crate) fn tag(id: u64) = "{id}"; }
}

#[cached_aside(ttl = "5m", key = "a:{tenant}:{name}", tags("t:{tenant}", catalog(tenant), all(), inner::tag(tenant), named(name, tenant)))]
async fn free(tenant: u64, name: &str) -> u64 {
    tenant + name.len() as u64
}

#[cached_aside(ttl = "5m", tags(generic(id), renamed()))]
async fn derived(id: u64) -> u64 {
    id
}

#[derive(Clone)]
struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "m:{self.tenant}:{id}", tags(catalog(self.tenant), "repo:{self.tenant}"))]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "5m", key = "o:{self.tenant}:{id}", stale_while_revalidate = "1m", refresh = "background", tags(Self::tag(id)))]
    async fn background(&self, id: u64) -> u64 {
        id
    }

    fn tag(id: u64) -> Tag {
        bounded_tag(id)
    }

    #[invalidates(self.load(id), tags(catalog(self.tenant), "repo:{self.tenant}", Self::tag(id)))]
    async fn save(&self, id: u64) -> Result<u64, ()> {
        Ok(id)
    }
}

fn bounded_tag(id: u64) -> Tag {
    bounded(id)
}

#[invalidates(tags(catalog(tenant), "t:{tenant}"), free(tenant, &name), "k:{tenant}")]
async fn save(tenant: u64, name: String) -> usize {
    name.len()
}

#[invalidates(tags(catalog(*result), "t:{result}", all(), catalog(other?)))]
async fn of_result(other: Option<u64>) -> u64 {
    other.unwrap_or_default()
}

// A list for one of them, and as many as a write has.
#[invalidates(tags("t:{tenant}" for tenant in tenants, catalog(tenant) for tenant in tenants, all()))]
async fn of_lists(tenants: &[u64]) -> usize {
    tenants.len()
}

// A list for all of them, of which only one is made of its items.
#[invalidates(tags("x", catalog(tenant), all()) for tenant in tenants)]
async fn of_one_list(tenants: &[u64]) -> usize {
    tenants.len()
}

#[invalidates(
    tags("of:{tenant}", catalog(user)) for (tenant, user) in pairs,
    tags("in:{tenant_id}", catalog(tenant)) for (tenant, _) in pairs
)]
async fn of_pairs(pairs: &[(u64, u64)], tenant_id: u64) -> usize {
    pairs.len() + usize::try_from(tenant_id).unwrap_or_default()
}

#[invalidates(tags("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17"))]
async fn of_many() {}

pub(super) fn main() {
    assert_eq!(catalog(7).as_str(), "catalog:7");
    assert_eq!(named("a b", 255).as_str(), "a%20b/000000ff");
    let _ = (free, derived, Repo::load, Repo::background, Repo::save, save, of_result, of_lists, of_one_list, of_pairs, of_many);
    assert_eq!(free::key(7, "x").as_str(), "a:7:x");
}
