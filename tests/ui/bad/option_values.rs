//! Values that an option can't have.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", jitter = 10)]
async fn jitter_number() {}

#[cached_aside(ttl = "5m", jitter = "110%")]
async fn jitter_too_much() {}

#[cached_aside(ttl = "5m", verify = 0.001)]
async fn verify_number() {}

#[cached_aside(ttl = "5m", verify = "0.1")]
async fn verify_without_percent() {}

#[cached_aside(ttl = "5m", verify = "101%")]
async fn verify_too_much() {}

#[cached_aside(ttl = "5m", version = "2")]
async fn version_text() {}

#[cached_aside(ttl = "5m", version = 5_000_000_000)]
async fn version_too_large() {}

#[cached_aside(ttl = "5m", codec = "Json")]
async fn codec_text() {}

#[cached_aside(ttl = "5m", key = user)]
async fn key_name() {}

#[cached_aside(ttl = "5m", skip = db)]
async fn skip_value(db: u8) {}

#[cached_aside(ttl = "5m", skip("db"))]
async fn skip_text(db: u8) {}

#[cached_aside(ttl = "5m", key = "json:{id}", codec = json)]
async fn written_small(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", codec = JSON)]
async fn codec_in_capitals() {}

fn main() {}
