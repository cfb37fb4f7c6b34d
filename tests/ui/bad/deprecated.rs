//! What is deprecated is so under all its names.

#![deny(deprecated)]

use cached_aside::{cached_aside, invalidates};

#[deprecated(note = "use `load`")]
#[cached_aside(ttl = "1m", key = "old:{id}")]
async fn old(id: u64) -> u64 {
    id
}

struct Repo;

impl Repo {
    #[deprecated(note = "use `load`")]
    #[cached_aside(ttl = "1m", key = "repo:{id}", skip(self))]
    async fn old(&self, id: u64) -> u64 {
        id
    }
}

#[invalidates(old(id))]
async fn of_a_function(id: u64) {
    let _ = id;
}

#[invalidates(repo.old(id), Repo::old(id))]
async fn of_a_method(repo: &Repo, id: u64) {
    let _ = (repo, id);
}

fn main() {
    let _ = (old::key(1), old::uncached(2));
    let _ = (Repo::old_key(1), Repo.old_uncached(2));
}
