//! What is expected of a function is expected of it alone, and of it with its body.

#![deny(warnings, missing_docs, clippy::all)]

use cached_aside::{Cache, cached_aside, invalidates, updates};

#[expect(dead_code)]
#[cached_aside(ttl = "5m", key = "unused:{id}")]
async fn unused(id: u64) -> Option<u64> {
    Some(id)
}

#[expect(dead_code, unused_variables, reason = "one of the item, one of its body")]
#[cached_aside(ttl = "5m", key = "both:{id}")]
async fn both(id: u64) -> u64 {
    let twice = 2 * id;
    id
}

#[expect(unused)]
#[cached_aside(ttl = "5m", key = "group:{id}")]
async fn group(id: u64) -> u64 {
    let twice = 2 * id;
    id
}

#[expect(dead_code)]
#[cached_aside(ttl = "5m", key = "background:{id}", refresh = "background", stale_while_revalidate = "5m")]
async fn background(id: u64) -> u64 {
    id
}

#[expect(dead_code)]
#[cached_aside(many(id) for id in ids)]
async fn of_many(ids: &[u64]) -> Vec<Option<u64>> {
    ids.iter().copied().map(Some).collect()
}

#[cached_aside(ttl = "5m", key = "many:{id}")]
async fn many(id: u64) -> Option<u64> {
    Some(id)
}

#[expect(dead_code)]
#[invalidates(many(id))]
async fn forget(id: u64) {
    let _ = id;
}

#[expect(dead_code)]
#[updates(many(id))]
async fn update(id: u64) -> Option<u64> {
    Some(id)
}

/// A module that is seen from outside.
pub mod public {
    use cached_aside::cached_aside;

    #[expect(missing_docs, non_snake_case)]
    #[cached_aside(ttl = "5m", key = "undocumented:{id}")]
    pub async fn byId(id: u64) -> u64 {
        id
    }
}

struct Repo;

impl Repo {
    #[expect(dead_code)]
    #[cached_aside(ttl = "5m", key = "method:{id}", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[expect(dead_code)]
    #[invalidates(self.load(id))]
    async fn save(&self, id: u64) {
        let _ = id;
    }
}

/// A lint level of a parameter is the body's.
#[cached_aside(ttl = "1m")]
pub async fn expected_parameter(#[expect(unused_variables)] n: u8) -> u8 {
    1
}

/// Also where it goes on without its caller.
#[cached_aside(ttl = "1m", key = "expected:{n}:{m}", stale_while_revalidate = "1m", refresh = "background")]
pub async fn expected_in_background(#[expect(unused_variables)] n: u8, m: u8) -> u8 {
    m
}

/// And of a method.
pub struct OfParameters;

impl OfParameters {
    /// Here.
    #[cached_aside(ttl = "1m", key = "expected-by:{n}", skip(self))]
    pub async fn expected(&self, #[expect(unused_variables)] n: u8) -> u8 {
        1
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    let _ = Repo;
    assert_eq!((public::byId(2).await, many(3).await), (2, Some(3)));
}
