//! Where the keys of a write lie: each in the cache that it names itself, the others in the write's own.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use super::deletion::whole;
use crate::{
    AnyKey,
    engine::{scope, shared::Shared},
    function::name::FunctionName,
};

/// The caches of one write.
pub(crate) struct Places {
    function: FunctionName,
    /// The cache of the keys that name none: what the write names, else the one in scope or installed. It is asked for only where
    /// there is such a key.
    own: OnceLock<Option<Arc<Shared>>>,
}

/// The keys of a write that lie in one cache, each once.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) cache: Arc<Shared>,
    pub(crate) keys: Vec<AnyKey>,
}

impl Places {
    pub(crate) fn new(function: FunctionName, named: Option<&Arc<Shared>>) -> Places {
        let own = named.map_or_else(OnceLock::new, |cache| OnceLock::from(Some(cache.clone())));
        Places { function, own }
    }

    fn own(&self) -> Option<&Arc<Shared>> {
        let here = || scope::for_call(self.function, None).0.map(Cow::into_owned);
        self.own.get_or_init(here).as_ref()
    }

    pub(crate) fn of<'a>(&'a self, key: &'a AnyKey) -> Option<&'a Arc<Shared>> {
        key.cache().or_else(|| self.own())
    }

    /// The keys by their caches. Those that have none are left out.
    pub(crate) fn sort(&self, keys: Vec<AnyKey>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::with_capacity(1);
        for key in whole(self.function, keys) {
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
    pub(crate) fn count(&self, parts: &[Part]) {
        let joins = scope::is_in_write();
        let own = if parts.is_empty() { self.own() } else { None };
        for cache in parts.iter().map(|part| &part.cache).chain(own) {
            cache.table.writes.writes.increment();
            if joins {
                cache.table.writes.joined.increment();
            }
        }
    }
}
