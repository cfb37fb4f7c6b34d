//! Local copies on the path of a read: what is given without a look at the store, and what of a look is kept.

use super::{found::Hit, site::Call};
use crate::{
    engine::local::{clock, registering::Asked},
    options::Source,
    outcome::{Loaded, has_none},
};

impl<V, E> Call<'_, V, E> {
    /// What a local copy gives, if this process has one that may be given now.
    pub(super) fn local_copy(&self) -> Option<Loaded<V, E>> {
        let local = self.coding.local?();
        self.function.settings.local?;
        let copy = self.cache.local.get(self.function.number(), self.key())?;
        // A write may have returned whose invalidation could not be delivered.
        if self.is_listed() {
            return None;
        }
        let value = match &copy.value {
            None if !has_none(self.shape) => return None,
            None => None,
            Some(value) => Some((local.give)(&**value)?),
        };
        // Cloning may take a while: this is the moment at which it is given.
        let at = (clock::now(self.cache.clock), self.cache.store.losses());
        if !copy.is_valid(at) {
            self.cache.local.remove(&copy, at);
            return None;
        }
        self.cache.used_copy(&copy, at.0);
        self.counters.local_hits.increment();
        if self.is_observed() {
            self.record_source(Source::Local, Some(copy.age(at.0)));
        }
        Some(Loaded::of_entry(value))
    }

    /// The call is given this by a look at the store: a copy of it is kept if its key is asked for often.
    pub(super) fn keep_copy(&self, hit: &Hit<V, E>) {
        let (Some(local), Some(coding)) = (self.function.settings.local, self.coding.local) else { return };
        let keep = |value: Option<&V>| {
            let asked = Asked { function: self.function, key: self.key(), tags: self.tags(), local };
            let fingerprint = self.type_info.fingerprint;
            self.cache.keep_copy(&asked, fingerprint, &hit.bytes, || value.map(coding().keep));
        };
        match &hit.value {
            Loaded::Value(value) => keep(Some(value)),
            Loaded::None => keep(None),
            // An error is asked for again.
            Loaded::Error(_) => {}
        }
    }
}
