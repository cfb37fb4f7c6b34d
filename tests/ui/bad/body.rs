//! Mistakes in the body are reported in the body, as without the attributes.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m", key = "a:{id}")]
async fn wrong_value(id: u64) -> String {
    if id == 0 {
        return 5;
    }
    id
}

#[cached_aside(ttl = "5m", key = "b:{id}")]
async fn wrong_question_mark(id: u64) -> Option<u64> {
    let number: u64 = "5".parse()?;
    Some(number + id)
}

struct Repo;

trait Load {
    async fn load(&self, id: u64) -> String;
}

impl Load for Repo {
    #[cached_aside(ttl = "5m", key = "c:{id}", skip(self))]
    async fn load(&self, id: u64) -> String {
        id
    }
}

#[invalidates("a:{id}")]
async fn wrong_write(id: u64) -> String {
    if id == 0 {
        return 5;
    }
    id
}

#[invalidates("a:{id}")]
async fn unknown_name(id: u64) {
    let _ = idd;
}

fn main() {}
