//! The same cached function by different means.

mod by_hand;
mod cacheable;
mod cached;
mod fred;
mod hitbox;
mod multi_tier;
pub mod near;
mod ours;

use std::{future::Future, pin::Pin, time::Duration};

pub use self::{
    by_hand::{ByHand, decode, encode}, cacheable::Cacheable, cached::Cached, fred::Fred, hitbox::Hitbox, multi_tier::MultiTier,
    ours::{Ours, OursTagged, all_tagged},
};
use crate::{
    cell::{Cell, Sample},
    drive,
    origin::{Record, Size},
};

/// One way to cache.
pub trait Subject: Clone + Send + Sync + Sized + 'static {
    const NAME: &'static str;

    fn connect(url: &str) -> impl Future<Output = Self> + Send;

    /// Reads through the cache.
    fn get(&self, id: u64) -> impl Future<Output = Record> + Send;

    /// Writes to the origin and invalidates the entry.
    fn write(&self, id: u64) -> impl Future<Output = ()> + Send;
}

/// Entries live for this long.
pub const TTL: Duration = Duration::from_secs(3600);

type Measuring<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A subject of which only the name is known.
pub trait AnySubject: Send + Sync {
    fn name(&self) -> &'static str;
    fn check(&self) -> Measuring<'_, ()>;
    fn prepare(&self, size: Size, keys: u64) -> Measuring<'_, ()>;
    fn measure(&self, cell: Cell, time: Duration, server: u32) -> Measuring<'_, Sample>;
    /// Runs `count` hits of all callers together, those of each caller one after the other.
    fn calls(&self, cell: Cell, count: usize) -> Measuring<'_, ()>;
    fn get(&self, id: u64) -> Measuring<'_, Record>;
    fn write(&self, id: u64) -> Measuring<'_, ()>;
}

impl<S: Subject> AnySubject for S {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn check(&self) -> Measuring<'_, ()> {
        Box::pin(drive::check(self))
    }

    fn prepare(&self, size: Size, keys: u64) -> Measuring<'_, ()> {
        Box::pin(drive::prepare(self, size, keys))
    }

    fn measure(&self, cell: Cell, time: Duration, server: u32) -> Measuring<'_, Sample> {
        Box::pin(drive::measure(self, cell, time, server))
    }

    fn calls(&self, cell: Cell, count: usize) -> Measuring<'_, ()> {
        Box::pin(drive::calls(self, cell, count))
    }

    fn get(&self, id: u64) -> Measuring<'_, Record> {
        Box::pin(Subject::get(self, id))
    }

    fn write(&self, id: u64) -> Measuring<'_, ()> {
        Box::pin(Subject::write(self, id))
    }
}

/// What everything is compared with.
pub const BASE: &str = ByHand::NAME;

pub const NAMES: [&str; 7] =
    [Ours::NAME, ByHand::NAME, Cached::NAME, Cacheable::NAME, Hitbox::NAME, MultiTier::NAME, Fred::NAME];

/// The subject of this name, connected.
pub async fn connect(name: &str, url: &str) -> Box<dyn AnySubject> {
    match name {
        Ours::NAME => Box::new(Ours::connect(url).await),
        OursTagged::NAME => Box::new(OursTagged::connect(url).await),
        ByHand::NAME => Box::new(ByHand::connect(url).await),
        Cached::NAME => Box::new(Cached::connect(url).await),
        Cacheable::NAME => Box::new(Cacheable::connect(url).await),
        Hitbox::NAME => Box::new(Hitbox::connect(url).await),
        MultiTier::NAME => Box::new(MultiTier::connect(url).await),
        Fred::NAME => Box::new(Fred::connect(url).await),
        _ => panic!("there is no `{name}`"),
    }
}
