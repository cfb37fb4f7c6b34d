//! Mistakes with tags.

#![deny(warnings)]

use cached_aside::{cached_aside, invalidates, updates};

cached_aside::tags! {
    fn catalog(tenant: u64) = "catalog:{tenant}";
}

mod declared {
    cached_aside::tags! {
        fn unused(tenant: u64, region: u64) = "unused:{tenant}";
    }

    cached_aside::tags! {
        fn unknown(tenant: u64) = "unknown:{tenants}";
    }

    cached_aside::tags! {
        fn with_self(&self) = "self";
    }

    cached_aside::tags! {
        fn without_a_name(_: u64) = "without";
    }

    cached_aside::tags! {
        const CATALOG: u64 = 5;
    }

    cached_aside::tags! {
        fn sign() = "#sign";
    }
}

#[cached_aside(ttl = "5m", key = "a:{id}", tags("tenant:{tenant}"), skip(tenant))]
async fn template_beside_the_key(tenant: u64, id: u64) -> u64 {
    tenant + id
}

#[cached_aside(ttl = "5m", key = "b:{id}", tags(catalog(tenant)), skip(tenant))]
async fn call_beside_the_key(tenant: u64, id: u64) -> u64 {
    tenant + id
}

#[cached_aside(ttl = "5m", key = "c:{id}", tags("t:{ids}"))]
async fn no_parameter(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "d", tags("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"))]
async fn seventeen() -> u64 {
    1
}

#[cached_aside(ttl = "5m", key = "e", tags("#all"))]
async fn sign() -> u64 {
    1
}

#[cached_aside(ttl = "5m", key = "f", tags = "all")]
async fn no_list() -> u64 {
    1
}

#[cached_aside(ttl = "5m", key = "g", tags())]
async fn none() -> u64 {
    1
}

#[cached_aside(ttl = "5m", key = "h", tag("all"))]
async fn one() -> u64 {
    1
}

#[cached_aside(ttl = "5m", key = "ok:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[updates(load(id), tags(catalog(id)))]
async fn update(id: u64) -> u64 {
    id
}

#[updates(load(id), tags("catalog:{id}"))]
async fn update_template(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "l:{id}", tags("tenant:{tenant}" for tenant in tenants), skip(tenants))]
async fn a_list_of_tags(id: u64, tenants: &[u64]) -> u64 {
    id
}

#[invalidates(tags("tenant:{tenant}" for tenant in tenants) for tenant in tenants)]
async fn two_lists(tenants: &[u64]) {}

#[invalidates(tag("tenant:{tenant}"))]
async fn mistyped(tenant: u64) {}

#[invalidates(tags = catalog(1))]
async fn no_list_of_write() {}

#[invalidates(tags(catalog))]
async fn no_call() {}

mod cached {
    use cached_aside::{cached_aside, invalidates};

    #[cached_aside(ttl = "5m", key = "user:{id}")]
    async fn load_user(id: u64) {
        let _ = id;
    }

    #[invalidates(tags(load_user(id)))]
    async fn by_write(id: u64) {
        let _ = id;
    }

    #[cached_aside(ttl = "5m", key = "team:{id}", tags(load_user(id)))]
    async fn by_read(id: u64) {
        let _ = id;
    }
}

fn main() {}
