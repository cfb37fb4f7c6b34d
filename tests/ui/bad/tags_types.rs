//! Mistakes with tags that the compiler finds.

#![deny(warnings)]

use cached_aside::{cached_aside, invalidates};

cached_aside::tags! {
    fn catalog(tenant: u64) = "catalog:{tenant}";
}

#[cached_aside(ttl = "5m", key = "a:{id}", tags(catalogue(id)))]
async fn undeclared(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "b:{id}", tags(catalog(&id)))]
async fn of_another_type(id: u64) -> u64 {
    id
}

mod cached {
    #[cached_aside::cached_aside(ttl = "5m", key = "ok:{id}")]
    pub async fn load(id: u64) -> u64 {
        id
    }
}

#[invalidates(tags(cached::load(id)))]
async fn no_tag(id: u64) {
    let _ = id;
}

#[invalidates(tags(catalog("seven")))]
async fn of_another_type_in_a_write() {}

#[invalidates(tags(catalog()))]
async fn no_argument() {}

fn main() {}
