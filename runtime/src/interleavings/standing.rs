//! What is left when nobody does anything any more.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::Ordering::SeqCst,
    task::{Context, Poll, Waker},
    time::Duration,
};

use cached_aside_protocol::{
    Token,
    entry::{self, Entry, TagSlot, Versions},
};
use tokio::time::{Instant, timeout};

use super::{
    batch::{OF_OTHER, OTHER},
    scenario::{GUARD_FOR, KEY, LEASE, NAMES},
    world::{World, coded, type_info},
};
use crate::Tag;

/// Longer than a lease, a guard, and the pauses of the recovery list.
const QUIET: Duration = Duration::from_secs(LEASE.as_secs() + 2 * GUARD_FOR.as_secs());

/// What stands under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    Lease,
    Guard,
    Version(u64),
    Other,
}

impl World<'_> {
    pub(super) fn standing(&self) -> Standing {
        self.standing_under(KEY)
    }

    fn standing_under(&self, key: &str) -> Standing {
        let Some(bytes) = self.under(key) else { return Standing::Nothing };
        match entry::parse(&bytes, type_info().fingerprint) {
            // Nobody is given an entry whose tags were invalidated.
            Entry::Value(value) if !self.carries(value.versions) => Standing::Nothing,
            Entry::Value(value) => {
                let version = value.payload.and_then(|payload| (coded().decode)(payload).ok());
                version.map_or(Standing::Other, Standing::Version)
            }
            Entry::Lease => Standing::Lease,
            Entry::Guard => Standing::Guard,
            Entry::Failure(_) | Entry::Unusable(_) | Entry::Foreign => Standing::Other,
        }
    }

    fn carries(&self, versions: Versions<'_>) -> bool {
        let current = self.tags().map(|there| entry::tag_slot(there.as_deref()));
        let carried = versions.iter().filter_map(|version| version.try_into().ok().map(Token::from_bytes));
        current.eq(carried.map(TagSlot::Version))
    }

    /// What stands under the keys of the tags.
    fn tags(&self) -> impl Iterator<Item = Option<Vec<u8>>> {
        self.scenario.tags.iter().map(|tag| self.under(Tag::new(tag).key()))
    }

    /// What stands under all keys.
    pub(super) fn all_stored(&self) -> Vec<Option<Vec<u8>>> {
        NAMES.iter().map(|key| self.under(key)).collect()
    }

    fn under(&self, key: &str) -> Option<Vec<u8>> {
        match pin!(self.inside.read(key)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(stored)) => stored.map(Vec::from),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    /// Once nobody does anything any more: nothing is left over, and the store has what the database has, or nothing.
    pub(super) async fn check_the_end(&mut self) -> Result<(), String> {
        let living = usize::from(!self.alive)..self.caches.len();
        let settled = |world: &World<'_>| {
            [KEY, OTHER]
                .iter()
                .all(|key| matches!(world.standing_under(key), Standing::Nothing | Standing::Version(_)))
                && world.caches[living.clone()].iter().all(|cache| cache.inner.recovery.len() == 0)
        };
        if !settled(self) {
            // What is sent now is no call's, not even that of one which was cut off.
            self.stage.act(None, false);
            // Leases and guards that nobody holds end, and the recovery lists are delivered.
            let end = Instant::now() + QUIET;
            while Instant::now() < end {
                for number in self.stage.commands(|(number, _)| *number) {
                    self.stage.carry_out(number);
                }
                let _ = timeout(Duration::from_millis(100), self.stage.stirred.notified()).await;
                tokio::task::yield_now().await;
            }
        }
        for cache in &self.caches[living.clone()] {
            if cache.inner.flights.len() > 0 {
                return Err("in the end a flight is left".to_owned());
            }
            if cache.inner.recovery.len() > 0 {
                return Err("in the end an invalidation is undelivered".to_owned());
            }
        }
        if self.inside.watched() > 0 {
            return Err("in the end a watch is left".to_owned());
        }
        match self.standing_under(OTHER) {
            Standing::Nothing | Standing::Version(OF_OTHER) => {}
            other => return Err(format!("in the end the store has {other:?} under the other key")),
        }
        let origin = self.origin.load(SeqCst);
        match self.standing() {
            Standing::Nothing => Ok(()),
            Standing::Version(version) if version == origin => Ok(()),
            Standing::Version(version) if self.history.allows(self.scenario, version) => Ok(()),
            other => Err(format!("in the end the store has {other:?}, and the database version {origin}")),
        }
    }
}
