//! Writes that can't go on when their callers have gone: what the compiler finds.

#![allow(unused)]

use std::{cell::Cell, rc::Rc};

use cached_aside::invalidates;

struct Db;

#[invalidates("x", detach)]
async fn not_clone(db: &Db) {}

#[invalidates("x", detach)]
async fn not_send(db: Rc<Db>) {}

#[invalidates("x", detach)]
async fn body_not_send(id: u64) -> u64 {
    let shared = Rc::new(id);
    tokio::task::yield_now().await;
    *shared
}

#[invalidates("x", detach)]
async fn result_not_send() -> Rc<u64> {
    Rc::new(5)
}

fn main() {}
