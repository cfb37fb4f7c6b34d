//! Local copies on the path of a read: what is given without a look at the store, and what of a look is kept.

use std::{borrow::Cow, sync::Arc};

use typeid::ConstTypeId;

use super::{found::Hit, site::Call};
use crate::{
    AnyKey, Tag,
    codec::coding::{Coding, LocalCoding},
    engine::{
        local::{
            LocalCopy,
            clock::{self, Nanos},
            registering::Asked,
        },
        scope,
        shared::Shared,
    },
    function::read::ReadFunction,
    options::Source,
    outcome::{Loaded, has_none},
};

/// What a local copy gives to a call of which nothing is asked, before there are any steps of it.
pub(super) fn at_once<V, E>(
    function: &'static ReadFunction,
    named: Option<&Arc<Shared>>,
    key: &AnyKey,
    coding: &Coding<V>,
    shape: u8,
) -> Option<Loaded<V, E>> {
    function.settings.local?;
    let of = (shape, coding.kind.type_id);
    let coding = coding.local?();
    let (cache, copy) = of_plain_call(function, named, key, of)?;
    let value = value_of(&copy, &coding)?;
    // Cloning may take a while: this is the moment at which it is given.
    admit(&cache, function, &copy).map(|_| value)
}

// What follows is compiled once, and not for each type: a hit of a copy takes few calls.

/// The cache of a call of which nothing is asked, and its copy of the call's entry, which may be over.
fn of_plain_call<'a>(
    function: &'static ReadFunction,
    named: Option<&'a Arc<Shared>>,
    key: &AnyKey,
    of: (u8, ConstTypeId),
) -> Option<(Cow<'a, Arc<Shared>>, Arc<LocalCopy>)> {
    let cache = scope::of_plain_call(named)?;
    if cache.switch.is_off(function) || !key.is_whole() {
        return None;
    }
    let copy = find(&cache, function, (key.as_str(), key.tags()), of)?;
    Some((cache, copy))
}

/// A copy of an entry of this function, which may be over. A value is of the type that it is kept as, and `None` of the one that it was
/// stored for: a generic function has several.
fn find(
    cache: &Shared,
    function: &'static ReadFunction,
    (key, tags): (&str, &[Tag]),
    (shape, type_id): (u8, ConstTypeId),
) -> Option<Arc<LocalCopy>> {
    let copy = cache.local.get(function.number(), key)?;
    // A write of it, or of one of its tags, may have returned whose invalidation could not be delivered.
    let is_listed = cache.is_listed(key) || tags.iter().any(|tag| cache.is_listed(tag.key()));
    let is_given = copy.value.is_some() || has_none(shape) && copy.type_id == type_id;
    (!is_listed && is_given).then_some(copy)
}

/// Whether a copy may be given now: the time that it is, if so.
fn admit(cache: &Arc<Shared>, function: &'static ReadFunction, copy: &Arc<LocalCopy>) -> Option<Nanos> {
    let at = (clock::now(cache.clock), cache.store.losses());
    if !copy.is_valid(at) {
        cache.local.remove(copy, at);
        return None;
    }
    cache.used_copy(copy, at.0);
    cache.table.of(function).local_hits.increment();
    Some(at.0)
}

/// A clone of what a copy holds, unless it is of another type.
fn value_of<V, E>(copy: &LocalCopy, coding: &LocalCoding<V>) -> Option<Loaded<V, E>> {
    match &copy.value {
        None => Some(Loaded::None),
        Some(value) => (coding.give)(&**value).map(Loaded::Value),
    }
}

impl<V, E> Call<'_, V, E> {
    /// What a local copy gives, if this process has one that may be given now.
    pub(super) fn local_copy(&self) -> Option<Loaded<V, E>> {
        self.function.settings.local?;
        let coding = self.coding.local?();
        let of = (self.shape, self.coding.kind.type_id);
        let copy = find(self.cache, self.function, (self.key(), self.tags()), of)?;
        let value = value_of(&copy, &coding)?;
        let now = admit(self.cache, self.function, &copy)?;
        self.record_source(Source::Local, Some(copy.age(now)));
        Some(value)
    }

    /// The call is given this by a look at the store: a copy of it is kept if its key is asked for often.
    pub(super) fn keep_copy(&self, hit: &Hit<V, E>) {
        let (Some(local), Some(coding)) = (self.function.settings.local, self.coding.local) else { return };
        let keep = |value: Option<&V>| {
            let asked = Asked { function: self.function, key: self.key(), tags: self.tags(), local };
            let of = (self.coding.kind.type_id, self.type_info.fingerprint);
            self.cache.keep_copy(&asked, of, &hit.bytes, || value.map(coding().keep));
        };
        match &hit.value {
            Loaded::Value(value) => keep(Some(value)),
            Loaded::None => keep(None),
            // An error is asked for again.
            Loaded::Error(_) => {}
        }
    }
}
