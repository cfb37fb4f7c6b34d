//! A type that borrows by `#[serde(borrow)]`: said once, at the return type.

#![allow(unused)]

use std::borrow::Cow;

use cached_aside::cached_aside;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Name<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct Pair<'a>(u64, &'a str);

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn borrows(name: &str) -> Result<Name<'_>, String> {
    Ok(Name { name: name.into() })
}

#[cached_aside(ttl = "5m", key = "names:{name}")]
async fn borrows_in_a_list(name: &str) -> Vec<Pair<'_>> {
    vec![Pair(1, name)]
}

fn main() {}
