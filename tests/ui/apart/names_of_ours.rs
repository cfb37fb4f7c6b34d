//! The program has the names that an expansion gives to its items and variables.

#![allow(dead_code, non_camel_case_types, non_upper_case_globals, non_snake_case)]

use cached_aside::{Cache, cached_aside, invalidates, updates};
use serde::{Deserialize, Serialize};

static __READ: u64 = 100;
static __WRITE: u64 = 200;
const __SHAPE: u64 = 300;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape(u64);
pub type __Shape = Shape;
pub struct NoShape;
pub struct Companion;

pub trait CachedMethod {
    const OWN: u64;
}

impl CachedMethod for u64 {
    const OWN: u64 = 5;
}

/// Functions named like what is inside of them.
pub mod functions {
    use super::{__READ, __SHAPE, __Shape, Shape, cached_aside, invalidates, updates};

    static key: u8 = 1;
    static body: u8 = 1;
    static cache: u8 = 1;
    static keys: u8 = 1;
    static when: u8 = 1;
    static never: u8 = 1;
    static returned: u8 = 1;
    static argument0: u8 = 1;
    static kept0: u8 = 1;

    #[cached_aside(ttl = "1m")]
    pub async fn __aside(n: u64) -> __Shape {
        Shape(n + __READ)
    }

    #[cached_aside(ttl = "1m", key = "named:{__aside}:{__named}", stale_while_revalidate = "1m", refresh = "background")]
    pub async fn __named(__aside: u64, __named: u64) -> Option<Shape> {
        (__aside == 1).then(|| Shape(format!("{__named}").parse().unwrap()))
    }

    #[cached_aside(ttl = "1m", key = "companion:{n}")]
    pub async fn Companion(n: u64) -> u64 {
        n
    }

    #[cached_aside(ttl = "1m", key = "write:{n}")]
    pub async fn __WRITE(n: u64) -> u64 {
        n
    }

    #[invalidates(__aside(n), __named(1, n), "companion:{n}", when = n < super::__WRITE)]
    pub async fn save(n: u64) -> u64 {
        super::__WRITE
    }

    #[updates(__WRITE(n))]
    pub async fn update(n: u64) -> u64 {
        __SHAPE
    }
}

mod __aside {
    pub fn tenant() -> u64 {
        7
    }
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "1m", key = "repo:{__aside}", skip(self))]
    async fn load(&self, __aside: u64) -> Shape {
        Shape(__aside)
    }

    #[invalidates(self.load(__aside::tenant()), Self::load(<u64 as CachedMethod>::OWN), "repo:{result}")]
    async fn save(&self) -> u64 {
        __aside::tenant() + __WRITE
    }
}

/// Of a trait, so that the body is inside of the expansion.
trait Load {
    async fn load(&self, n: u64) -> Shape;
}

impl Load for u64 {
    #[cached_aside(ttl = "1m", key = "trait:{n}", skip(self))]
    async fn load(&self, n: u64) -> __Shape {
        __Shape { 0: n + __aside::tenant() + __READ + __SHAPE }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    Cache::in_process().install().unwrap();
    for _ in 0..2 {
        assert_eq!(functions::__aside(1).await, Shape(101));
        assert_eq!(functions::__named(1, 2).await, Some(Shape(2)));
        assert_eq!(functions::Companion(1).await, 1);
        assert_eq!(Repo.load(7).await, Shape(7));
        assert_eq!(Load::load(&1, 1).await, Shape(408));
    }
    assert_eq!(functions::__named::key(1, 2).as_str(), "named:1:2");
    assert!(functions::__aside::key(1).as_str().ends_with("functions::__aside:1"), "{}", functions::__aside::key(1));
    assert_eq!((functions::save(1).await, functions::update(1).await, Repo.save().await), (200, 300, 207));
    assert_eq!(functions::__aside::key(1).peek().await.unwrap(), None);
    assert_eq!(functions::__WRITE::key(1).peek().await.unwrap(), Some(300));
    assert_eq!(Repo::load_key(7).peek().await.unwrap(), None);
}
