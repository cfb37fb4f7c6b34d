//! A type that borrows by `#[serde(borrow)]`: said once, at the return type.

#![allow(unused)]

use cached_aside::cached_aside;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Name<'a> {
    #[serde(borrow)]
    name: &'a str,
}

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn borrows(name: &str) -> Result<Name<'_>, String> {
    Ok(Name { name })
}

fn main() {}
