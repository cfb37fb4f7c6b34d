//! Where the keys of a write lie: each in the cache that it names itself, the others in the write's own.

use std::sync::{Arc, OnceLock};

use cached_aside_protocol::Token;

use super::{Guards, Removal, whole};
use crate::{AnyKey, Cache, cache::Inner};

/// The caches of one write.
pub(super) struct Places {
    function: &'static str,
    /// The cache of the keys that name none: what the write names, else the one in scope or installed. It is asked for only where
    /// there is such a key.
    own: OnceLock<Option<Arc<Inner>>>,
}

/// The keys of a write that lie in one cache, each once.
pub(super) struct Part {
    pub(super) cache: Arc<Inner>,
    pub(super) keys: Vec<AnyKey>,
}

impl Places {
    pub(super) fn new(function: &'static str, named: Option<&Cache>) -> Places {
        let own = named.map_or_else(OnceLock::new, |cache| OnceLock::from(Some(cache.inner.clone())));
        Places { function, own }
    }

    fn own(&self) -> Option<&Arc<Inner>> {
        let here = || Cache::of_call(self.function).map(|cache| cache.inner.clone());
        self.own.get_or_init(here).as_ref()
    }

    fn of<'a>(&'a self, key: &'a AnyKey) -> Option<&'a Arc<Inner>> {
        key.cache().map(|cache| &cache.inner).or_else(|| self.own())
    }

    /// The keys by their caches. Those that have none are left out.
    pub(super) fn sort(&self, keys: Vec<AnyKey>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::with_capacity(1);
        for key in whole(keys) {
            let Some(cache) = self.of(&key).cloned() else { continue };
            let key = key.without_cache();
            match parts.iter_mut().find(|part| Arc::ptr_eq(&part.cache, &cache)) {
                Some(part) => part.keys.push(key),
                None => parts.push(Part { cache, keys: vec![key] }),
            }
        }
        for part in &mut parts {
            part.keys.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
            part.keys.dedup();
        }
        parts
    }

    /// Counts the write in each cache that it guards keys in.
    pub(super) fn count(&self, parts: &[Part]) {
        for part in parts {
            part.cache.table.writes.writes.one();
        }
        if parts.is_empty()
            && let Some(own) = self.own()
        {
            own.table.writes.writes.one();
        }
    }

    /// The deletion of keys that only the result names.
    pub(super) fn removals(&self, keys: Vec<AnyKey>) -> Vec<Removal> {
        let function = self.function;
        self.sort(keys).into_iter().map(|Part { cache, keys }| Removal { function, cache, keys }).collect()
    }
}

/// The caches and guards of a write whose body is over.
pub(crate) struct Inside<'a> {
    pub(super) places: &'a Places,
    pub(super) guards: &'a Guards,
}

impl Inside<'_> {
    /// The cache of a key that was named before the body, and the write's token there.
    pub(crate) fn of<'a>(&'a self, key: &'a AnyKey) -> Option<(&'a Arc<Inner>, Token)> {
        let cache = self.places.of(key)?;
        Some((cache, self.guards.token(cache)?))
    }
}
