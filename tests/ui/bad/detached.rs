//! Writes that can't go on when their callers have gone.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, updates};

struct Db;

#[invalidates("x", detach)]
async fn borrowed_mutably(db: &mut Db) {}

#[invalidates("x", detach)]
async fn borrows_inside(name: Option<&str>) {}

#[invalidates("x", detach)]
async fn returns_a_borrow(name: &str) -> &str {
    name
}

#[cached_aside(ttl = "5m", key = "of:{name}")]
async fn by_name(name: String) -> u64 {
    0
}

#[invalidates(by_name(format!("{name}{result}")), detach)]
async fn made_of_both(name: &str) -> u64 {
    5
}

#[invalidates(by_name(format!("{name}{id}")) for id in result, by_name(id.clone()) for id in pick(result, name), detach)]
async fn made_of_both_in_a_list(name: &str) -> Vec<u64> {
    vec![]
}

#[invalidates("x", detach)]
async fn taken_apart((a, b): (u64, u64)) {}

#[invalidates("x", detach)]
#[invalidates("y")]
async fn not_the_last() {}

#[invalidates("x", detach = true)]
async fn with_a_value() {}

#[invalidates("x", detach, detach)]
async fn twice() {}

#[invalidates("x", detached)]
async fn mistyped() {}

struct Counter(u64);

impl Counter {
    #[cached_aside(ttl = "5m", key = "by:{id}", skip(self))]
    async fn by(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.by(*result), Self::by(*result), detach)]
    async fn on_what_is_borrowed(&self) -> u64 {
        5
    }

    #[invalidates("x", detach)]
    async fn add(&mut self) {
        self.0 += 1;
    }
}

trait Save {
    async fn save(&self);
}

impl Save for Counter {
    #[invalidates("x", detach)]
    async fn save(&self) {}
}

fn main() {}
