//! A derived key takes only types whose text tells their values apart.

#![allow(unused)]

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use cached_aside::cached_aside;

struct Secret(String);

#[cached_aside(ttl = "5m")]
async fn search(filters: HashMap<String, u64>, kinds: Option<&HashSet<u8>>) -> u64 {
    1
}

#[cached_aside(ttl = "5m")]
async fn session(token: Secret, id: u64) -> String {
    token.0
}

#[cached_aside(ttl = "5m")]
async fn file(path: &PathBuf) -> String {
    String::new()
}

#[cached_aside(ttl = "5m", key = "{T}:{id}")]
async fn named<T: std::fmt::Display>(id: T) -> u64 {
    1
}

#[cached_aside(ttl = "5m")]
async fn generic<T: std::fmt::Display>(id: T) -> u64 {
    1
}

fn main() {}
