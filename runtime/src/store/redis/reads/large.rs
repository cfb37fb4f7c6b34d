//! How a key is read whose value may be large, and what is learned when that is late.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::{RedisStore, connection::Link, large::Way};
use crate::{
    patience::in_awake_time,
    store::answer::{Answer, LARGE, StoreError},
    thread::{self, Clock},
};

/// A read on its way. Dropped without an answer, when most of the time of a call is over, it was late.
pub(in super::super) struct Reading<'a> {
    store: &'a RedisStore,
    key: &'a str,
    way: Way,
    began: Instant,
    within: Duration,
    ended: bool,
}

impl Reading<'_> {
    /// Whether the value is not known to be large.
    pub(in super::super) fn is_usual(&self) -> bool {
        self.way == Way::Usual
    }

    pub(in super::super) fn end(mut self, there: Option<&Bytes>) {
        self.ended = true;
        self.store.large.read(self.key, there);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        if self.ended || now - self.began < self.within / 2 {
            return;
        }
        match self.way {
            Way::Usual => self.store.ask_length(self.key),
            Way::Apart => self.store.large.late(self.key, self.within, now),
            Way::Not => {}
        }
    }
}

impl RedisStore {
    /// The link over which a key is read, and what takes note of how that goes.
    pub(in super::super) async fn way<'a>(&'a self, key: &'a str) -> Answer<(Link, Reading<'a>)> {
        let owner = self.route.owner(self.full(key))?;
        let within = owner.limits().call;
        let way = self.large.way(key, Instant::now);
        // Begun first: the connection for large values may be the one that is late.
        let reading = Reading { store: self, key, way, began: Instant::now(), within, ended: false };
        match way {
            Way::Usual => Ok((owner.into_owned(), reading)),
            Way::Apart => Ok((owner.for_large_values().await?, reading)),
            Way::Not => Err(StoreError::Timeout(Duration::ZERO)),
        }
    }

    /// A read was late: that may be because of its length, which is asked for in the background.
    #[cold]
    pub(in super::super) fn ask_length(&self, key: &str) {
        let Some(asking) = self.large.ask() else { return };
        let Ok(owner) = self.route.owner(self.full(key)) else { return };
        let (within, owner, key) = (owner.limits().call, owner.into_owned(), key.to_owned());
        let mut get = redis::cmd("GETRANGE");
        // A user who may run the scripts may run it.
        get.arg(self.full(&key)).arg(LARGE).arg(LARGE);
        let large = self.large.clone();
        thread::spawn(async move {
            let _asking = asking;
            let answer = async { owner.for_large_values().await?.call::<Bytes>(&get).await };
            let answer = in_awake_time!(Clock::Real, within, answer);
            if matches!(answer, Some(Ok(beyond)) if !beyond.is_empty()) {
                large.late(&key, within, Instant::now());
            }
        });
    }
}
