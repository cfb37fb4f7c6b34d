//! Batches: `#[cached_aside(load_user(id) for id in ids)]`. A batch is as many single reads, whose bodies run together; each key
//! keeps every promise by itself. One look at all keys (`batch/look.rs`); the leases of those that are missing (`batch/lead.rs`); one
//! body, and one pipeline of fills (`batch/load.rs`); and only then it waits for what others load (`batch/wait.rs`).
//!
//! The body is not part of it: the expansion asks for the ids that are missing, and hands over the body's future, until there are none.
//! An async closure would not be `Send`.

use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use xxhash_rust::xxh3::xxh3_64;

use self::{
    answer::Answering,
    group::{Group, GroupSite},
};
use super::resolve::resolve_cache;
use crate::{
    AnyKey,
    codec::coding::Coding,
    engine::{scope, shared::Shared},
    function::read::{MAX_TTL, ReadFunction, ReadSettings},
    options::{CallOptions, ReadMode, Source},
    outcome::returns::ErrorPolicy,
};

mod answer;
mod followers;
mod forced;
mod group;
mod lead;
mod load;
mod look;
mod tagged;
mod tags;
mod wait;

pub use self::answer::{Answer, BatchErrors, ErrorOf, NoError, NotGivenUp, NotSharedByBatch};

/// One call of a batch: the values of these ids. No method has a bound: what the types need is said where it is made.
pub struct Batch<R, K, V, E> {
    ids: Vec<K>,
    /// A copy of an id, for the body.
    again: fn(&K) -> K,
    /// One for each id.
    keys: Vec<AnyKey>,
    /// What the attribute of the single function says; nothing of an empty list.
    of: Option<(&'static ReadFunction, Coding<V>)>,
    cache: Option<Arc<Shared>>,
    wait: Option<Duration>,
    once: bool,
    errors: ErrorPolicy<E>,
    answering: Answering<R, K, V, E>,
    progress: Progress<R, V, E>,
}

enum Progress<R, V, E> {
    NotBegun,
    /// The body is given the whole list, and its answer is the answer to that.
    Uncached {
        options: CallOptions,
        answer: Option<R>,
    },
    /// No body runs, and there is no cache.
    Absent,
    Cached(Box<Cached<V, E>>),
}

struct Cached<V, E> {
    group: Group<V, E>,
    /// The key of each id.
    places: Vec<usize>,
    /// The first id of each key.
    firsts: Vec<usize>,
    /// The keys of the body that runs.
    loads: Vec<usize>,
}

impl<R, K, V, E> fmt::Debug for Batch<R, K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl<R: Answer<K, V, E>, K, V, E> Batch<R, K, V, E> {
    /// A batch whose ids have these keys.
    pub(crate) fn new(
        (ids, again): (Vec<K>, fn(&K) -> K),
        keys: Vec<AnyKey>,
        of: Option<(&'static ReadFunction, Coding<V>)>,
        errors: BatchErrors<E>,
    ) -> Self {
        let (cache, wait, once, errors, progress) = (None, None, false, errors.0, Progress::NotBegun);
        Batch { ids, again, keys, of, cache, wait, once, errors, answering: Answering::NEW, progress }
    }
}

impl<R, K, V, E> Batch<R, K, V, E> {
    /// In this cache, unless the keys name one themselves.
    pub(crate) fn in_cache_of(mut self, cache: &Arc<Shared>) -> Self {
        self.cache = Some(cache.clone());
        self
    }

    /// `wait = …`, for no longer than any function waits.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait.min(MAX_TTL));
        self
    }

    /// Whether the body can run twice: if not, others are not waited for.
    #[must_use]
    pub fn twice(mut self, twice: bool) -> Self {
        self.once = !twice;
        self
    }

    /// The ids that the body is to be given next, each once; `None` when there is nothing to load any more.
    pub async fn missing(&mut self) -> Option<Vec<K>> {
        let (function, coding) = self.of?;
        if let Progress::NotBegun = self.progress {
            self.progress = self.begin(function, coding);
            match &mut self.progress {
                Progress::Uncached { .. } => {
                    return Some(self.ids.iter().map(self.again).collect());
                }
                Progress::Cached(cached) => Box::pin(cached.group.begin()).await,
                _ => {}
            }
        }
        let Progress::Cached(cached) = &mut self.progress else { return None };
        cached.loads = Box::pin(cached.group.next_load()).await?;
        let id = |key: &usize| (self.again)(&self.ids[cached.firsts[*key]]);
        Some(cached.loads.iter().map(id).collect())
    }

    /// Runs the body of these ids, and stores what it gives.
    pub async fn load<B: Future<Output = R>>(&mut self, ids: &[K], body: Pin<&mut B>) {
        match &mut self.progress {
            Progress::Cached(cached) => {
                let Cached { group, loads, .. } = &mut **cached;
                let loads = std::mem::take(loads);
                let answering = self.answering;
                Box::pin(group.load(&loads, body, |answer| answering.split(answer, ids))).await;
            }
            Progress::Uncached { options, answer } => {
                *answer = Some(body.await);
                if let Some((function, _)) = self.of {
                    report(options, function, &self.keys, Source::Bypassed);
                }
            }
            Progress::NotBegun | Progress::Absent => {}
        }
    }

    /// The answer.
    #[must_use]
    pub fn finish(self) -> R {
        let answering = self.answering;
        let absent = |ids: Vec<K>| {
            let values = ids.iter().map(|_| None).collect();
            (answering.of)(ids, values)
        };
        match self.progress {
            Progress::Uncached { answer: Some(answer), .. } => match self.of {
                Some((function, _)) => answering.of_whole(function, answer, self.ids),
                None => answer,
            },
            Progress::Uncached { .. } | Progress::NotBegun | Progress::Absent => absent(self.ids),
            Progress::Cached(cached) => {
                let Cached { mut group, places, firsts, .. } = *cached;
                match group.error.take() {
                    Some(error) => (answering.failed)(error),
                    None => answer(&answering, self.ids, &mut group, (&places, &firsts)),
                }
            }
        }
    }

    /// Which cache it goes through, and its keys.
    fn begin(&mut self, function: &'static ReadFunction, coding: Coding<V>) -> Progress<R, V, E> {
        let first = self.keys.first().and_then(AnyKey::cache);
        let is_first = |key: &AnyKey| match (key.cache(), first) {
            (Some(cache), Some(first)) => Arc::ptr_eq(cache, first),
            (cache, first) => cache.is_none() && first.is_none(),
        };
        let (mut cache, options) =
            scope::for_call(function.settings.function(), first.or(self.cache.as_ref()));
        if !self.keys.iter().all(is_first) {
            let ReadSettings { module, name, .. } = function.settings;
            tracing::debug!(module, function = name, "a batch over several caches runs uncached");
            cache = None;
        }
        let type_info = || function.of_value_by_key(&coding.kind);
        let (cache, type_info) = match resolve_cache(function, cache, &options, type_info, &self.keys) {
            Ok(resolved) => resolved,
            Err(_) if options.mode == ReadMode::OnlyCached => {
                report(&options, function, &self.keys, Source::Absent);
                return Progress::Absent;
            }
            Err(_) => return Progress::Uncached { options, answer: None },
        };
        let cache = cache.into_owned();
        let (places, firsts) = distinct(&self.keys);
        let keys = if firsts.len() == self.keys.len() {
            // Nobody asks for them here any more.
            std::mem::take(&mut self.keys)
        } else {
            firsts.iter().map(|id| self.keys[*id].clone()).collect()
        };
        let errors = self.errors;
        let of = GroupSite::new(cache, function, (type_info, coding), errors, options, keys);
        let wait = self.wait.unwrap_or(function.settings.wait);
        let group = Group::new(of, wait, !self.once);
        Progress::Cached(Box::new(Cached { group, places, firsts, loads: Vec::new() }))
    }
}

/// The same of all keys.
fn report(options: &CallOptions, function: &'static ReadFunction, keys: &[AnyKey], source: Source) {
    if options.is_observed() {
        let age = (source != Source::Absent).then_some(Duration::ZERO);
        for key in keys {
            options.report(function, key.as_str(), source, age);
        }
    }
}

/// The key of each id, as its place among the different ones; and the first id of each of those. Keys that are not whole are of different
/// ids, whatever their text.
fn distinct(keys: &[AnyKey]) -> (Vec<usize>, Vec<usize>) {
    // Most batches have each id once, which a sort of cheap hashes shows. Where two are equal, nobody can have chosen the hashes that
    // follow.
    let mut hashes: Vec<u64> = keys.iter().map(|key| xxh3_64(key.as_str().as_bytes())).collect();
    hashes.sort_unstable();
    if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
        return ((0..keys.len()).collect(), (0..keys.len()).collect());
    }
    let (mut firsts, mut known) = (Vec::with_capacity(keys.len()), HashMap::with_capacity(keys.len()));
    let place = |(id, key)| {
        let key: &AnyKey = key;
        let new = firsts.len();
        let place = if key.is_whole() { *known.entry(key.as_str()).or_insert(new) } else { new };
        if place == new {
            firsts.push(id);
        }
        place
    };
    let places = keys.iter().enumerate().map(place).collect();
    (places, firsts)
}

/// Gives each id the value of its key.
fn answer<R, K, V, E>(
    answering: &Answering<R, K, V, E>,
    ids: Vec<K>,
    group: &mut Group<V, E>,
    (places, firsts): (&[usize], &[usize]),
) -> R {
    let mut values = std::mem::take(&mut group.values);
    if ids.len() == values.len() {
        return (answering.of)(ids, values);
    }
    let again: Vec<Option<V>> = places
        .iter()
        .enumerate()
        .map(|(id, place)| {
            let first = firsts[*place];
            let value = values[*place].as_ref()?;
            let is_second = first != id && (answering.has_places_for_both)(&ids[first], &ids[id]);
            if is_second { (answering.copy)(value).or_else(|| group.of.copy(value)) } else { None }
        })
        .collect();
    let give = |(id, again): (usize, Option<V>)| {
        let place = places[id];
        if firsts[place] == id { values[place].take() } else { again }
    };
    let values = again.into_iter().enumerate().map(give).collect();
    (answering.of)(ids, values)
}
