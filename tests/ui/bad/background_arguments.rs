//! What a load in the background can't keep when its caller has gone.

#![allow(unused)]

use std::{borrow::Cow, rc::Rc};

use cached_aside::cached_aside;

struct Db;

trait Load {
    fn load(&self) -> u64;
}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "background", skip(db))]
async fn not_clone(db: &Db, id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "background", skip(db))]
async fn not_sized(db: &(dyn Load + Send + Sync), id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "background", skip(db))]
async fn not_send(db: Rc<Db>, id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "background", skip(db, name))]
async fn borrows(db: &mut Db, name: Option<&str>, id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", stale_if_error = "1m", load_timeout(soft = "1s"), skip(name))]
async fn borrows_and_is_slow(name: Cow<'_, str>, id: u64) -> Result<u64, String> {
    Ok(id)
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "background", skip(self))]
    async fn of_self(&self, id: u64) -> u64 {
        id
    }
}

trait Loads {
    async fn loads(&self, id: u64) -> u64;
}

impl Loads for Repo {
    #[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "background", skip(self))]
    async fn loads(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
