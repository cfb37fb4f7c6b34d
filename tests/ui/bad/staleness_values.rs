//! Values that the options about old values can't have.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", stale_while_revalidate = "0s")]
async fn no_window() {}

#[cached_aside(ttl = "5m", stale_if_error = 60)]
async fn no_unit() {}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = "backgroud")]
async fn misspelt() {}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", refresh = true)]
async fn no_text() {}

#[cached_aside(ttl = "5m", load_timeout())]
async fn no_limit() {}

#[cached_aside(ttl = "5m", load_timeout = "2s")]
async fn which_limit() {}

#[cached_aside(ttl = "5m", load_timeout(hart = "2s"))]
async fn unknown_limit() {}

#[cached_aside(ttl = "5m", load_timeout(hard = "2s", hard = "0s"))]
async fn twice() {}

#[cached_aside(ttl = "5m", early_refresh = 0.0)]
async fn never_early() {}

#[cached_aside(ttl = "5m", early_refresh = -1.0)]
async fn negative() {}

#[cached_aside(ttl = "5m", early_refresh = "1.0")]
async fn text() {}

fn main() {}
