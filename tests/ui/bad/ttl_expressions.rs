//! Expressions that are no TTL, whatever their names mean.

#![allow(unused)]

use std::time::Duration;

use cached_aside::cached_aside;

const TTL: Duration = Duration::from_secs(5);

#[cached_aside(ttl = -5)]
async fn negative(id: u64) {}

#[cached_aside(ttl = TTL * 2)]
async fn twice(id: u64) {}

#[cached_aside(ttl = TTL + TTL)]
async fn a_sum(id: u64) {}

#[cached_aside(ttl = 5.minutes())]
async fn a_method(id: u64) {}

#[cached_aside(60)]
async fn a_number_alone(id: u64) {}

#[cached_aside(5m)]
async fn a_duration_alone(id: u64) {}

struct Settings {
    ttl: Duration,
}

impl Settings {
    fn length(&self) -> Duration {
        self.ttl
    }
}

static SETTINGS: Settings = Settings { ttl: TTL };

fn settings() -> &'static Settings {
    &SETTINGS
}

#[cached_aside(ttl = settings().ttl)]
async fn a_field_of_a_call(id: u64) {}

#[cached_aside(ttl = SETTINGS.length())]
async fn a_method_of_a_static(id: u64) {}

fn main() {}
