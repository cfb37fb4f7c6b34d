//! Registering local copies, in the background: no caller waits for it. While one question is on its way to the store, those that come
//! meanwhile are asked together next.

use std::{
    any::Any,
    collections::HashMap,
    iter,
    sync::{Arc, atomic::AtomicBool, atomic::AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Entry},
    steps::{Register, Registered},
};
use futures_util::future::{join, join_all};
use typeid::ConstTypeId;

use super::{LocalCopy, clock};
use crate::{
    Tag,
    engine::shared::Shared,
    function::read::{LocalMode, ReadFunction},
    store::{Answer, ChangeListener, Watched},
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
        (type_id, fingerprint): (ConstTypeId, u64),
        bytes: &Bytes,
        value: impl FnOnce() -> Option<Arc<dyn Any + Send + Sync>>,
    ) {
        let is_bounded = function.settings.local_mode == LocalMode::Bounded;
        if !is_bounded && !entry::can_have_copies(bytes) {
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
        let Entry::Value(stored) = entry::parse(bytes, fingerprint) else { return };
        let versions = stored.versions.tokens();
        let copy = LocalCopy {
            key: key.into(),
            tags: tags.iter().map(|tag| tag.key().into()).zip(versions).collect(),
            is_bounded,
            type_id,
            fingerprint,
            function: number,
            value: value(),
            // A part of the bytes would keep them all.
            header: Bytes::copy_from_slice(entry::header(bytes)),
            // A store's clock may begin with zero.
            stored_at: entry::stored_at(bytes).unwrap_or_default(),
            local,
            length,
            losses: AtomicU64::new(0),
            until: AtomicU64::new(0),
            due: AtomicU64::new(0),
            born: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            changes: Box::default(),
        };
        self.register(Arc::new(copy));
    }

    /// A call is given this copy: has it registered again before it ends.
    pub(crate) fn used_copy(self: &Arc<Self>, copy: &Arc<LocalCopy>, now: clock::Nanos) {
        if copy.is_due(now) && !self.tasks.is_closed() {
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
    /// Registers copies on their entries and the tags of those: whoever changes one of them waits for the copies.
    async fn register_copies(&self, copies: &[Arc<LocalCopy>], sent: (clock::Nanos, u64)) {
        if copies.is_empty() {
            return;
        }
        let tags = CarriedTags::of(copies);
        let keys: Vec<&str> = copies.iter().map(|copy| &*copy.key).chain(tags.keys()).collect();
        let step = |copy: &Arc<LocalCopy>| Register { expected: copy.header.clone(), local: copy.local };
        let steps = copies.iter().map(step).chain(tags.steps()).collect();
        let mut answers = self.run_all_of_load(&keys, steps, Option::is_some, self.timeout).await;
        let of_tags = answers.split_off(copies.len());
        for (copy, answer) in copies.iter().zip(answers) {
            let registered = answer.ok().flatten();
            match registered.and_then(|registered| tags.limit(copy, registered, &of_tags)) {
                Some(Registered { granted, now }) => {
                    tracing::trace!(key = &*copy.key, ?granted, "local copy registered");
                    self.local.registered(copy.clone(), sent, granted, now);
                }
                None => self.local.refused(copy),
            }
        }
    }

    /// Looks whether a bounded copy is of the entry that stands there now: then it is used from the moment of this question on. Where the
    /// server announces changes of what it looks at, the next one ends it.
    async fn compare_copy(&self, copy: &Arc<LocalCopy>, sent: (clock::Nanos, u64)) {
        let keys = iter::once(&copy.key).chain(copy.tags.iter().map(|(tag, _)| tag));
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
            due: AtomicU64::new(0),
            born: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            changes,
            ..**copy
        };
        tracing::trace!(key = &*copy.key, ?granted, "local copy compared");
        self.local.registered(Arc::new(copy), sent, granted, now);
    }
}

/// The tags that the entries of copies carry, each once, and what is asked for them.
struct CarriedTags<'a> {
    places: HashMap<&'a str, usize>,
    asked: Vec<(&'a str, Token, Duration)>,
}

impl<'a> CarriedTags<'a> {
    fn of(copies: &'a [Arc<LocalCopy>]) -> CarriedTags<'a> {
        let mut all = CarriedTags { places: HashMap::new(), asked: Vec::new() };
        for copy in copies {
            for (tag, version) in &copy.tags {
                let place = *all.places.entry(tag).or_insert(all.asked.len());
                match all.asked.get_mut(place) {
                    // The copy that was made last has the latest version: the others would be refused.
                    Some((_, latest, local)) => (*latest, *local) = (*version, copy.local.max(*local)),
                    None => all.asked.push((tag, *version, copy.local)),
                }
            }
        }
        all
    }

    fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.asked.iter().map(|(tag, ..)| *tag)
    }

    fn steps(&self) -> impl Iterator<Item = Register> {
        let step = |&(_, version, local): &(_, Token, _)| Register {
            expected: Bytes::copy_from_slice(&entry::tag(version)),
            local,
        };
        self.asked.iter().map(step)
    }

    /// What a copy may be used for: the least that was granted for its entry and its tags. `None` if any of these was refused.
    fn limit(
        &self,
        copy: &LocalCopy,
        of_entry: Registered,
        answers: &[Answer<Option<Registered>>],
    ) -> Option<Registered> {
        let mut least = of_entry;
        for (tag, version) in &copy.tags {
            let place = *self.places.get(&**tag)?;
            let Ok(Some(registered)) = answers.get(place)? else { return None };
            if self.asked[place].1 != *version {
                return None;
            }
            least.granted = least.granted.min(registered.granted);
        }
        Some(least)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(key: &str, tags: &[(&str, u64)]) -> Arc<LocalCopy> {
        let tag = |&(tag, version): &(&str, u64)| (tag.into(), Token::numbered(version));
        Arc::new(LocalCopy {
            key: key.into(),
            tags: tags.iter().map(tag).collect(),
            is_bounded: false,
            type_id: ConstTypeId::of::<u64>(),
            fingerprint: 0,
            function: 0,
            value: None,
            header: Bytes::new(),
            stored_at: Duration::ZERO,
            local: Duration::from_secs(1),
            length: 0,
            losses: AtomicU64::new(0),
            until: AtomicU64::new(0),
            due: AtomicU64::new(0),
            born: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            changes: Box::default(),
        })
    }

    /// A tag was written between the looks at two entries: its later version is asked for, and grants nothing to the copy with the
    /// earlier one.
    #[test]
    fn a_tag_is_asked_for_once_and_grants_nothing_to_another_version() {
        let copies = [copy("a", &[("#t", 1)]), copy("b", &[("#u", 5), ("#t", 2)]), copy("c", &[])];
        let tags = CarriedTags::of(&copies);
        let expected: Vec<Bytes> = tags.steps().map(|step| step.expected).collect();
        assert_eq!(tags.keys().collect::<Vec<_>>(), ["#t", "#u"]);
        assert_eq!(expected, [2, 5].map(|version| entry::tag(Token::numbered(version)).to_vec()));
        let granted =
            |seconds| Registered { granted: Duration::from_secs(seconds), now: Duration::from_secs(9) };
        let limits = |of_tags: &[Answer<Option<Registered>>]| {
            copies
                .each_ref()
                .map(|copy| tags.limit(copy, granted(3), of_tags).map(|least| least.granted.as_secs()))
        };
        assert_eq!(limits(&[Ok(Some(granted(2))), Ok(Some(granted(1)))]), [None, Some(1), Some(3)]);
        assert_eq!(limits(&[Ok(Some(granted(2))), Ok(None)]), [None, None, Some(3)]);
    }
}
