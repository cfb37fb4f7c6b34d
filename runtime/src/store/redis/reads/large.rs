//! Reading keys whose values may be large, and what a timeout of such a read says.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::{RedisStore, connection::NodeConnection, large::ReadVia};
use crate::{
    patience::in_awake_time,
    store::answer::{Answer, LARGE, StoreError},
    thread::{self, Clock},
};

/// A read in progress. Dropped without an answer after most of the time limit of a call, it counts as a timeout.
pub(in super::super) struct ReadInProgress<'a> {
    store: &'a RedisStore,
    key: &'a str,
    via: ReadVia,
    began: Instant,
    within: Duration,
    ended: bool,
}

impl ReadInProgress<'_> {
    /// Whether the value is not known to be large.
    pub(in super::super) fn is_usual(&self) -> bool {
        self.via == ReadVia::Shared
    }

    pub(in super::super) fn end(mut self, there: Option<&Bytes>) {
        self.ended = true;
        self.store.large.record_read(self.key, there);
    }
}

impl Drop for ReadInProgress<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        if self.ended || now - self.began < self.within / 2 {
            return;
        }
        match self.via {
            ReadVia::Shared => self.store.request_length(self.key),
            ReadVia::Dedicated => self.store.large.timed_out(self.key, self.within, now),
            ReadVia::Skip => {}
        }
    }
}

impl RedisStore {
    /// The connection over which a key is read, and the record of that read.
    pub(in super::super) async fn read_connection<'a>(
        &'a self,
        key: &'a str,
    ) -> Answer<(NodeConnection, ReadInProgress<'a>)> {
        let owner = self.route.owner(self.full(key))?;
        let within = owner.limits().call;
        let via = self.large.read_via(key, Instant::now);
        // Created first: connecting for large values may be what takes long.
        let reading = ReadInProgress { store: self, key, via, began: Instant::now(), within, ended: false };
        match via {
            ReadVia::Shared => Ok((owner.into_owned(), reading)),
            ReadVia::Dedicated => Ok((owner.large_value_connection().await?, reading)),
            ReadVia::Skip => Err(StoreError::Timeout(Duration::ZERO)),
        }
    }

    /// A read timed out, maybe because of the length of the value: requests the length in the background.
    #[cold]
    pub(in super::super) fn request_length(&self, key: &str) {
        let Some(request) = self.large.request_length() else { return };
        let Ok(owner) = self.route.owner(self.full(key)) else { return };
        let (within, owner, key) = (owner.limits().call, owner.into_owned(), key.to_owned());
        let mut get = redis::cmd("GETRANGE");
        // Every user that may run the scripts may run `GETRANGE`.
        get.arg(self.full(&key)).arg(LARGE).arg(LARGE);
        let large = self.large.clone();
        thread::spawn(async move {
            let _asking = request;
            let answer = async { owner.large_value_connection().await?.call::<Bytes>(&get).await };
            let answer = in_awake_time!(Clock::Real, within, answer);
            if matches!(answer, Some(Ok(beyond)) if !beyond.is_empty()) {
                large.timed_out(&key, within, Instant::now());
            }
        });
    }
}
