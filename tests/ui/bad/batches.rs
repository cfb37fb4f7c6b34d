//! What a batch can't be.

#![allow(unused)]

use std::collections::HashMap;

use cached_aside::{cached_aside, invalidates};

struct Db;

#[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
async fn load_user(db: &Db, id: u64) -> Option<String> {
    let Db = db;
    Some(id.to_string())
}

fn none() -> HashMap<u64, String> {
    HashMap::new()
}

// What belongs to the entries.
#[cached_aside(load_user(id) for id in ids, skip(db), ttl = "5m", key = "user:{id}", none_ttl = "1m")]
async fn options(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in ids, skp(db))]
async fn mistyped(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in ids, skip(db), load_team)]
async fn two(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

// The grammar.
#[cached_aside(load_user(id) for id, skip(db))]
async fn no_in(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in ids if id > 3, skip(db))]
async fn condition(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(for id in ids { load_user(id) }, skip(db))]
async fn a_loop(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user for id in ids, skip(db))]
async fn no_arguments(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id?) for id in ids, skip(db))]
async fn optional(db: &Db, ids: &[Option<u64>]) -> HashMap<u64, String> {
    none()
}

// The list.
#[cached_aside(load_user(id) for id in idz, skip(db))]
async fn no_such_list(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in ids.iter().filter(|id| **id > 3), skip(db))]
async fn computed(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in page.ids, skip(db))]
async fn a_field(db: &Db, page: Page) -> HashMap<u64, String> {
    none()
}

struct Page {
    ids: Vec<u64>,
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn mutable(db: &Db, ids: &mut Vec<u64>) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn destructured(db: &Db, Page { ids }: Page) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in ids, skip(db, ids))]
async fn skipped(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

// The answer.
#[cached_aside(load_user(id) for id in ids, skip(db))]
async fn an_iterator(db: &Db, ids: &[u64]) -> impl Iterator<Item = (u64, String)> {
    none().into_iter()
}

// The parameters.
#[cached_aside(load_user(id) for id in ids)]
async fn uncovered(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(1) for id in ids, skip(db))]
async fn one_key(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(load_user(id) for id in ids, skip(db, id))]
async fn hidden(db: &Db, id: u64, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "of:{self.tenant}:{id}")]
    async fn user(&self, id: u64) -> Option<String> {
        Some(id.to_string())
    }

    #[cached_aside(load_user(id) for id in ids)]
    async fn captured(&self, ids: &[u64]) -> HashMap<u64, String> {
        let _ = self.tenant;
        none()
    }

    #[cached_aside(self.user(id) for id in self)]
    async fn no_list(&self) -> HashMap<u64, String> {
        none()
    }

    #[cached_aside(self.user(id) for id in ids)]
    async fn changing(&mut self, ids: &[u64]) -> HashMap<u64, String> {
        none()
    }
}

// A field, a path and a function of a parameter's name are not that parameter.
struct Line {
    db: u64,
    tenant: u64,
}

#[cached_aside(ttl = "5m", key = "price:{id}")]
async fn price(id: u64) -> Option<String> {
    Some(id.to_string())
}

#[cached_aside(price(line.tenant) for line in lines)]
async fn a_field_of_its_name(tenant: u64, lines: &[Line]) -> Vec<Option<String>> {
    vec![]
}

#[cached_aside(self::price(id) for id in ids)]
async fn a_path(price: u64, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(price(line.tenant) for tenant in tenants)]
async fn a_field_called_as_the_item(line: &Line, tenants: &[u64]) -> HashMap<u64, String> {
    none()
}

#[cached_aside(ttl = "5m", key = "named:{name}")]
async fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

// Nor is what a text has in braces.
#[cached_aside(named(&format!("{tenant_id}:{{tenant}}:{id}")) for id in ids, skip(tenant_id))]
async fn a_longer_name(tenant: u64, tenant_id: u64, ids: &[u64]) -> Vec<Option<String>> {
    vec![]
}

#[cached_aside(named(&"{tenant}:{id}".replace("{id}", &id.to_string())) for id in ids)]
async fn no_format(tenant: u64, ids: &[u64]) -> Vec<Option<String>> {
    vec![]
}

#[cached_aside(named("{id}") for id in ids)]
async fn one_text(ids: &[u64]) -> Vec<Option<String>> {
    vec![]
}

#[cached_aside(named(&format!("{tenant}:{id}", tenant = 0)) for id in ids)]
async fn given_another_value(tenant: u64, ids: &[u64]) -> Vec<Option<String>> {
    vec![]
}

// What is around the function.
struct Of<T>(T);

impl<T: Default, const N: usize> Of<[T; N]> {
    #[cached_aside(price(id) for id in ids)]
    async fn of_instantiations(ids: &[u64]) -> HashMap<u64, String> {
        none()
    }
}

trait Named {
    const NAME: &'static str;

    #[cached_aside(price(id) for id in ids)]
    async fn of_implementations(ids: &[u64]) -> HashMap<u64, String> {
        none()
    }
}

// No call.
#[cached_aside(for id in ids)]
async fn of_nothing(ids: &[u64]) -> HashMap<u64, String> {
    none()
}

// No list.
#[cached_aside(load_user(ids), skip(db))]
async fn of_no_list(db: &Db, ids: &[u64]) -> HashMap<u64, String> {
    none()
}

fn main() {}
