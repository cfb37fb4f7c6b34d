//! Constants are checked when compiling too.

#![allow(unused)]

use std::time::Duration;

use cached_aside::cached_aside;

const NOTHING: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

#[cached_aside(ttl = "5m", stale_while_revalidate = NOTHING)]
async fn no_window() {}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", load_timeout(soft = SECOND, hard = SECOND))]
async fn soft_as_long_as_hard() -> Result<u64, cached_aside::Error> {
    Ok(5)
}

#[cached_aside(ttl = "5m", early_refresh = f64::NAN)]
async fn no_number() {}

fn main() {}
