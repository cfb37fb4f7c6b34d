//! Registering local copies, in the background: no caller waits for it. While one question is on its way to the store, those that come
//! meanwhile are asked together next.

use std::{
    any::Any,
    iter,
    sync::{Arc, atomic::AtomicBool, atomic::AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::{
    entry::{self, Entry},
    steps::{Register, Registered},
};
use futures_util::future::{join, join_all};

use super::{LocalCopy, clock};
use crate::{
    Tag,
    engine::shared::Shared,
    function::read::{LocalMode, ReadFunction},
    store::{ChangeListener, Watched},
};

/// A call that asks for a copy.
pub(crate) struct Asked<'a> {
    pub(crate) function: &'static ReadFunction,
    pub(crate) key: &'a str,
    pub(crate) tags: &'a [Tag],
    pub(crate) local: Duration,
}

impl Shared {
    /// A call was given this entry by a look at the store: keeps a copy of what it holds, if that is worth its registration.
    pub(crate) fn keep_copy(
        self: &Arc<Self>,
        &Asked { function, key, tags, local }: &Asked<'_>,
        fingerprint: u64,
        bytes: &Bytes,
        value: impl FnOnce() -> Option<Arc<dyn Any + Send + Sync>>,
    ) {
        let is_bounded = function.settings.local_mode == LocalMode::Bounded;
        // No writer of a tag would wait for a copy that is registered on the entry.
        if !is_bounded && (!entry::can_have_copies(bytes) || !tags.is_empty()) {
            return;
        }
        let number = function.number();
        if self.tasks.is_closed() || !self.local.is_hot(number, key, clock::now(self.clock), local) {
            return;
        }
        let length = (bytes.len() + key.len()) as u64;
        if !self.local.has_room(length) {
            return;
        }
        let copy = LocalCopy {
            key: key.into(),
            tags: tags.iter().map(|tag| tag.key().into()).collect(),
            is_bounded,
            fingerprint,
            function: number,
            value: value(),
            header: entry::header_of(bytes),
            // A store's clock may begin with zero.
            stored_at: entry::stored_at(bytes).unwrap_or_default(),
            local,
            length,
            losses: AtomicU64::new(0),
            until: AtomicU64::new(0),
            born: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            changes: Box::default(),
        };
        self.register(Arc::new(copy));
    }

    /// A call is given this copy: has it registered again before it ends.
    pub(crate) fn used_copy(self: &Arc<Self>, copy: &Arc<LocalCopy>, now: clock::Nanos) {
        if !self.tasks.is_closed() && copy.is_due(now) {
            self.register(copy.clone());
        }
    }

    fn register(self: &Arc<Self>, copy: Arc<LocalCopy>) {
        if self.local.queue(copy) {
            let asking = Asking(Some(self.clone()));
            drop(self.spawn(asking.ask()));
        }
    }
}

/// Whoever asks for the copies that are queued. What is queued is forgotten where it goes away before they all are.
struct Asking(Option<Arc<Shared>>);

impl Asking {
    async fn ask(mut self) {
        let Some(cache) = self.0.clone() else { return };
        loop {
            let copies = cache.local.next();
            if copies.is_empty() {
                self.0 = None;
                return;
            }
            let sent = (clock::now(cache.clock), cache.store.losses());
            let (bounded, registered): (Vec<_>, Vec<_>) =
                copies.into_iter().partition(|copy| copy.is_bounded);
            let looks = bounded.iter().map(|copy| cache.compare_copy(copy, sent));
            join(cache.register_copies(&registered, sent), join_all(looks)).await;
            cache.local.sweep(sent);
        }
    }
}

impl Shared {
    /// Registers copies on their entries: whoever changes those waits for the copies.
    async fn register_copies(&self, copies: &[Arc<LocalCopy>], sent: (clock::Nanos, u64)) {
        if copies.is_empty() {
            return;
        }
        let keys: Vec<&str> = copies.iter().map(|copy| &*copy.key).collect();
        let step = |copy: &Arc<LocalCopy>| Register { expected: copy.header.clone(), local: copy.local };
        let steps = copies.iter().map(step).collect();
        let answers = self.run_all_of_load(&keys, steps, Option::is_some, self.timeout).await;
        for (copy, answer) in copies.iter().zip(answers) {
            match answer {
                Ok(Some(Registered { granted, now })) => {
                    tracing::trace!(key = &*copy.key, ?granted, "local copy registered");
                    self.local.registered(copy.clone(), sent, granted, now);
                }
                _ => self.local.refused(copy),
            }
        }
    }

    /// Looks whether a bounded copy is of the entry that stands there now: then it is used from the moment of this question on. Where the
    /// server announces changes of what it looks at, the next one ends it.
    async fn compare_copy(&self, copy: &Arc<LocalCopy>, sent: (clock::Nanos, u64)) {
        let keys = iter::once(&copy.key).chain(&copy.tags);
        let looks = join_all(keys.map(|key| self.watch(key, self.timeout))).await;
        let looks: Result<Vec<Watched>, _> = looks.into_iter().collect();
        let Some((granted, now, changes)) = looks.ok().and_then(|looks| copy.granted_by(looks)) else {
            return self.local.refused(copy);
        };
        let copy = LocalCopy {
            key: copy.key.clone(),
            tags: copy.tags.clone(),
            value: copy.value.clone(),
            header: copy.header.clone(),
            losses: AtomicU64::new(0),
            until: AtomicU64::new(0),
            born: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            changes,
            ..**copy
        };
        tracing::trace!(key = &*copy.key, ?granted, "local copy compared");
        self.local.registered(Arc::new(copy), sent, granted, now);
    }
}

impl LocalCopy {
    /// For how long it may be used if these are its entry and the tags of that: not if they are not what it was made of. With the store's
    /// time, and what announces their changes.
    fn granted_by(&self, looks: Vec<Watched>) -> Option<(Duration, Duration, Box<[ChangeListener]>)> {
        let now = looks.first()?.now;
        let (changes, there): (Vec<_>, Vec<_>) =
            looks.into_iter().map(|look| (look.watch, look.there)).unzip();
        let (stored, tags) = there.split_first()?;
        let Entry::Value(value) = entry::parse(stored.as_deref()?, self.fingerprint) else { return None };
        if entry::written_by(stored.as_deref()?) != entry::written_by(&self.header)
            || !value.versions.are_current(tags)
        {
            return None;
        }
        let fresh = (value.stored_at + value.fresh_for).saturating_sub(now);
        Some((self.local.min(fresh), now, changes.into())).filter(|_| !fresh.is_zero())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(cache) = &self.0 {
            cache.local.abandoned();
        }
    }
}
