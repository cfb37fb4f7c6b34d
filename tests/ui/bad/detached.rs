//! Writes that can't go on when their callers have gone.

#![allow(unused)]

use cached_aside::{invalidates, updates};

struct Db;

#[invalidates("x", detach)]
async fn borrowed_mutably(db: &mut Db) {}

#[invalidates("x", detach)]
async fn borrows_inside(name: Option<&str>) {}

#[invalidates("x", detach)]
async fn returns_a_borrow(name: &str) -> &str {
    name
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
