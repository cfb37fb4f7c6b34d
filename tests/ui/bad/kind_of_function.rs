//! The attributes stand on `async fn`s whose callers can tell what they get.

#![allow(unused)]

use std::pin::Pin;

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m")]
fn blocking() {}

#[cached_aside(ttl = "5m")]
fn future() -> impl Future<Output = u8> {
    async { 5 }
}

#[cached_aside(ttl = "5m")]
fn boxed<'a>(id: &'a u64) -> Pin<Box<dyn Future<Output = Option<u64>> + Send + 'a>> {
    Box::pin(std::future::ready(Some(*id)))
}

#[cached_aside(ttl = "5m")]
async unsafe fn dangerous() {}

#[cached_aside(ttl = "5m")]
async extern "C" fn foreign() {}

#[cached_aside(ttl = "5m")]
async fn some_iterator() -> impl Iterator<Item = u8> {
    [5].into_iter()
}

#[cached_aside(ttl = "5m")]
struct Structure;

#[invalidates("a")]
impl Structure {}

#[cached_aside(ttl = "5m")]
pub mod module {}

impl Structure {
    #[cached_aside(ttl = "5m", skip(self))]
    async fn mutable(&mut self) {}

    #[cached_aside(ttl = "5m", skip(self))]
    async fn typed(self: &mut Self) {}
}

trait Load {
    #[cached_aside(ttl = "5m", skip(self))]
    async fn load(&self);
}

#[invalidates("a")]
fn blocking_write() {}

struct Generic<T>(T);

trait Answer {
    type Answer;

    async fn answer(&self) -> Self::Answer;
}

impl<T> Answer for Generic<T> {
    type Answer = Result<u64, T>;

    #[cached_aside(ttl = "5m", skip(self))]
    async fn answer(&self) -> Self::Answer {
        Ok(5)
    }
}

#[tokio::test]
#[invalidates("user:1")]
async fn below_the_runtime() {}

#[cached_aside(ttl = "5m")]
async fn reads_for_ever(id: u64) -> ! {
    panic!("{id}")
}

#[invalidates("user:{id}")]
async fn writes_for_ever(id: u64) -> ! {
    panic!("{id}")
}

fn main() {}
