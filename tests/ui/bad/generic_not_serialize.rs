//! A generic value needs its bounds written out.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "of:{T}")]
async fn load<T: Default>() -> T {
    T::default()
}

fn main() {}
