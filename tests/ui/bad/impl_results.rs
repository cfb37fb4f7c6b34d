//! What of a write needs to know the return type.

#![allow(unused)]

use cached_aside::invalidates;

#[invalidates("user:{id}", detach)]
async fn detached(id: u64) -> impl Send {}

#[invalidates("user:{id}", guard = "required")]
async fn guarded(id: u64) -> Result<impl Send, cached_aside::Error> {
    Ok(())
}

#[invalidates("user:{id}", transaction = "required")]
async fn in_a_transaction(id: u64) -> impl Send {}

#[invalidates("user:{result}")]
async fn by_the_result(id: u64) -> impl std::fmt::Display {
    id
}

fn main() {}
