//! The grammar of templates.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "")]
async fn empty() {}

#[cached_aside(ttl = "5m", key = "#user:{id}")]
async fn reserved(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{id")]
async fn never_closed(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:id}")]
async fn never_opened(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{}")]
async fn positional(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{0}")]
async fn numbered(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{id + 1}")]
async fn expression(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{id.to_string()}")]
async fn call(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{name:.3}")]
async fn precision(name: &str) {}

#[cached_aside(ttl = "5m", key = "user:{id:width$}")]
async fn width_of_a_parameter(id: u64, width: usize) {}

#[cached_aside(ttl = "5m", key = "user:{id:?5}")]
async fn no_format(id: u64) {}

fn main() {}
