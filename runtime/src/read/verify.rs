//! Verification: a hit that is sampled also runs the body, and what the codec makes of both is compared. The caller is given the entry's
//! value, since the next read would be given it too.
//!
//! One difference proves nothing: a write may be under way. So the entry and its tags are looked at again after a pause that is longer
//! than a deletion takes. If the same entry still stands there, the next hit of its key is a sample too. If the body then gives the same
//! as before, and the entry still stands there after another pause, they disagree: the entry is removed.

use std::{
    sync::{Arc, LazyLock, Weak},
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Entry, Value},
    steps::Elect,
};
use tracing::Instrument;
use xxhash_rust::xxh3::xxh3_64;

use super::{body::Body, found::Hit, site::Call, tagged};
use crate::{
    Tag,
    codec::coding::Coding,
    engine::{
        lease::{Right, StoreRight},
        nested, scope,
        shared::Shared,
        verification::Accused,
    },
    fingerprint::TypeInfo,
    function::{
        linked,
        read::{ReadFunction, ReadSettings},
    },
    outcome::Loaded,
    store::Together,
};

/// Minimum time for which a hit waits for its body, where `wait` is shorter.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many times a value is read back and written again, to find out whether the codec writes the same each time.
const ROUNDS: usize = 16;

impl<V, E> Call<'_, V, E> {
    /// Whether this hit is verified.
    #[inline]
    pub(super) fn is_sampled(&self, hit: &Hit<V, E>) -> bool {
        let share = self.function.settings.verify.unwrap_or(self.cache.verification.share);
        share > 0.0 && self.is_drawn(share, hit)
    }

    #[cold]
    fn is_drawn(&self, share: f64, hit: &Hit<V, E>) -> bool {
        // A write of this very task may be the difference; and a load that asks for its own key may not run its body again.
        // Where orders are searched a run is repeated, which chance would prevent.
        if matches!(hit.value, Loaded::Error(_))
            || scope::is_in_write()
            || self.cache.store.is_stepped()
            || nested::is_inside(self.cache, self.key())
        {
            return false;
        }
        let verification = &self.cache.verification;
        verification.suspects.waits_for(self.key())
            || self.counters.sampling.is_due(share, verification.now())
    }

    /// Gives a hit, after a look at what the body gives.
    pub(super) async fn verify<B: Body<V, E>>(&self, hit: Hit<V, E>, body: B) -> Loaded<V, E> {
        let ReadSettings { wait, staleness, .. } = &self.function.settings;
        let limit = staleness.hard_limit.unwrap_or(Duration::MAX).min((*wait).max(PATIENCE));
        let loading = nested::loading(self.cache, [self.key()]);
        // What fails, panics or takes too long proves nothing: without verification nobody would have run it.
        if let Ok(Some(gave)) = self.cache.clock.timeout(limit, body.try_run(loading)).await {
            self.compare(&hit.bytes, gave);
        }
        self.give(hit)
    }

    fn compare(&self, bytes: &Bytes, gave: Loaded<V, E>) {
        let written_by = entry::written_by(bytes);
        let Some((Entry::Value(Value { payload, .. }), token)) =
            Some(entry::parse(bytes, self.type_info.fingerprint)).zip(written_by)
        else {
            return;
        };
        let gave = match gave {
            Loaded::Value(value) => match encoded(self.coding, self.type_info, &value) {
                Some(bytes) => Some(bytes),
                None => return,
            },
            Loaded::None => None,
            Loaded::Error(_) => return,
        };
        let suspects = &self.cache.verification.suspects;
        if gave.as_deref() == payload {
            if suspects.acquit(self.key(), token) {
                record_unverifiable(self.cache, self.function, DISAGREES);
            } else {
                self.counters.verified.increment();
            }
            return;
        }
        if !payload.into_iter().chain(gave.as_deref()).all(|bytes| self.is_reproducible(bytes)) {
            record_unverifiable(self.cache, self.function, UNORDERED);
            return;
        }
        let gave = gave.map_or(0, |bytes| xxh3_64(&bytes) | 1);
        let Some(accused) = suspects.accuse(self.key(), token, gave) else { return };
        let disagreement = Disagreement {
            look: Look { cache: Arc::downgrade(self.cache), key: self.key().into() },
            function: self.function,
            fingerprint: self.type_info.fingerprint,
            tags: self.tags().into(),
            token,
            gave,
            accused,
        };
        let (clock, pause) = (self.cache.clock, self.cache.timeout * 2 + *LONGEST_SETTLE);
        let look = async move {
            clock.sleep(pause).await;
            disagreement.look_again().await;
        };
        self.cache.spawn_for_ever(look.in_current_span());
    }

    /// Whether the codec writes the same bytes each time: what holds a `HashMap` is written in another order.
    fn is_reproducible(&self, payload: &[u8]) -> bool {
        (0..ROUNDS).all(|_| {
            let again = (self.coding.decode)(payload).ok();
            again
                .and_then(|value| encoded(self.coding, self.type_info, &value))
                .is_some_and(|bytes| bytes == payload)
        })
    }
}

fn encoded<V>(coding: &Coding<V>, type_info: TypeInfo, value: &V) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    (coding.encode)(value, type_info.counts, &mut bytes).ok()?;
    Some(bytes)
}

/// Maximum part of `settle` in the pause.
const MAX_SETTLE: Duration = Duration::from_secs(60);

/// The longest `settle` of the program's writes: an origin answers with old data for no longer.
static LONGEST_SETTLE: LazyLock<Duration> = LazyLock::new(|| {
    linked::writes().iter().map(|write| write.settings.settle).max().unwrap_or_default().min(MAX_SETTLE)
});

const DISAGREES: &str = "it gives different values for one key, one after the other";
const UNORDERED: &str =
    "what it gives is written in another order each time; a `BTreeMap` or `BTreeSet` has an order";

fn record_unverifiable(cache: &Shared, function: &'static ReadFunction, why: &'static str) {
    let counters = cache.table.of(function);
    counters.unverifiable.increment();
    if counters.sampling.is_first_unverifiable() {
        let ReadSettings { module, name, file, line, .. } = function.settings;
        tracing::warn!(module, function = name, file, line, why, "the function can't be verified");
    }
}

/// A look at an entry. Dropped, it is over.
struct Look {
    cache: Weak<Shared>,
    key: Box<str>,
}

impl Drop for Look {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.verification.suspects.conclude(&self.key);
        }
    }
}

/// An entry that is something else than what the body gave.
struct Disagreement {
    look: Look,
    function: &'static ReadFunction,
    fingerprint: u64,
    tags: Box<[Tag]>,
    /// Who wrote the entry.
    token: Token,
    /// A digest of what the body gave.
    gave: u64,
    accused: Accused,
}

impl Disagreement {
    /// What it is worth after the pause.
    async fn look_again(self) {
        let Some(cache) = self.look.cache.upgrade() else { return };
        let Some((bytes, age)) = self.still_there(&cache).await else { return };
        match self.accused {
            Accused::First => cache.verification.suspects.adjourn(&self.look.key),
            Accused::Again { gave } if gave != self.gave => {
                record_unverifiable(&cache, self.function, DISAGREES);
            }
            Accused::Again { .. } => {
                cache.table.of(self.function).mismatched.increment();
                tracing::error!(
                    module = self.function.settings.module,
                    function = self.function.settings.name,
                    key = &*self.look.key,
                    ?age,
                    "the entry is not what the function gives, and is removed: a write that is not annotated has changed the data, or the \
                     function depends on more than its key"
                );
                self.remove(&cache, &bytes).await;
            }
        }
    }

    /// The entry, if it is the same and still valid, and how long it has been there.
    async fn still_there(&self, cache: &Shared) -> Option<(Bytes, Duration)> {
        let keys = tagged::keys(&self.look.key, &self.tags);
        let read = Box::pin(cache.read_together(&keys, true, cache.timeout));
        let Together { first, others, now } = read.await.ok()?;
        let bytes = first.as_ref().filter(|bytes| entry::written_by(bytes) == Some(self.token))?;
        let Entry::Value(value) = entry::parse(bytes, self.fingerprint) else { return None };
        let age = now.unwrap_or_default().saturating_sub(value.stored_at);
        value.versions.are_current(&others).then(|| (bytes.clone(), age))
    }

    /// Removes the entry, and nothing that has come in its place.
    async fn remove(&self, cache: &Arc<Shared>, bytes: &Bytes) {
        let (key, token) = (&*self.look.key, Token::fresh());
        // It exists before it is won: whatever becomes of the question, it gives up what may have been won.
        let hold = self.function.settings.lease;
        let mut right = StoreRight::new(cache, key, token, Right::Revalidate { failures: 0 }, hold);
        let elect = Elect { expected: entry::header_of(bytes), token, hold, force: true };
        match cache.elect(key, elect, cache.timeout).await {
            Ok(true) => {
                right.may_be_copied = entry::can_have_copies(bytes);
                right.discard().await;
            }
            Ok(false) => right.disarm(),
            Err(error) => right.unanswered(&error),
        }
    }
}
