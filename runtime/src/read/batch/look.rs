//! The first look at the keys of a batch, and who loads what is not there.

use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesOrdered};
use tokio::sync::oneshot;

use super::{
    super::{
        decision::{
            AtHand, Cached, CallerStep, FollowerStep, after_first_look, of_follower_without_result,
            only_cached,
        },
        found::{Lookup, Missing},
        site::Call,
        tagged::NO_TAGS,
    },
    group::{Follower, Group, GroupSite, Load, State, settled},
    tags::OfTags,
};
use crate::{
    Error,
    engine::{
        flight::{Epoch, FollowerMessage, Turn},
        nested,
    },
    options::{ReadMode, Source},
    store::{Answer, Read, StoreError},
};

/// Number of parts of a long look: what one of them gives is decoded while the server and the connection are at the next.
const PARTS: usize = 4;
/// Number of keys of a part. Of fewer, parts cost more than they save; of more, a read is several commands.
const PART: RangeInclusive<usize> = 128..=1_000;
/// Maximum number of parts of one batch that are not answered yet: three that are not answered in time are taken for a lost connection.
const AT_ONCE: usize = 2;

/// What was read under some keys, and under those of their tags.
type PartRead = (Vec<Answer<Read>>, OfTags<Option<Bytes>>);

/// What a look did not give: what is to be done next, and the keys whose age matters although nobody asked for it.
struct NotGiven<V, E> {
    steps: Vec<(usize, CallerStep<V, E>)>,
    untimed: Vec<usize>,
}

impl<V, E> Group<V, E> {
    /// Looks at all keys. What is not given at once is led, followed, or part of the next body.
    pub(super) async fn begin(&mut self) {
        let all: Vec<usize> = (0..self.of.keys.len()).collect();
        match self.of.options.mode {
            ReadMode::OnlyCached => self.only_cached(&all).await,
            _ if self.of.options.in_transaction => self.look_or_load(&all).await,
            ReadMode::Refresh => self.join_forced(),
            ReadMode::ReadThrough | ReadMode::Bypass => self.look_and_join(&all).await,
        }
    }

    async fn look_and_join(&mut self, all: &[usize]) {
        let timed = self.asks_for_time();
        let rest = self.give_copies(all);
        if rest.is_empty() {
            return;
        }
        let NotGiven { mut steps, untimed } = self.give_hits(&rest, timed).await;
        if !untimed.is_empty() {
            steps.extend(self.give_hits(&untimed, true).await.steps);
            steps.sort_unstable_by_key(|(index, _)| *index);
        }
        if steps.is_empty() {
            return;
        }
        self.begin_states();
        let spent = self.budget.spent();
        let Group { of, values, states, .. } = self;
        let site = of.site();
        let mut misses = Vec::new();
        for (index, step) in steps {
            if !of.keys[index].is_whole() {
                of.function.warn_once_unprintable(of.key(index));
                states[index] = State::Loads(Load::alone(None));
                continue;
            }
            let call = Call::new(&site, &of.keys[index]);
            match step {
                CallerStep::Give(hit) => values[index] = settled(&call, call.give(hit)),
                CallerStep::GiveStale(stale) => values[index] = settled(&call, call.give_stale(stale)),
                CallerStep::Revalidate(stale) => states[index] = State::Refreshes(stale),
                CallerStep::Join(found) => misses.push((index, found)),
            }
        }
        if misses.is_empty() {
            return;
        }
        site.counters.misses.add(misses.len() as u64);
        let _inside = self.span(misses.len()).entered();
        for (index, _) in &misses {
            tracing::debug!(key = self.of.key(*index), took = ?spent, "miss");
        }
        self.join(misses, Lookup::from);
    }

    /// One look at these keys, which gives what is stored and fresh: nothing is kept of a hit but its value.
    async fn give_hits(&mut self, indices: &[usize], timed: bool) -> NotGiven<V, E> {
        let mut not_given = NotGiven { steps: Vec::new(), untimed: Vec::new() };
        let part = indices.len().div_ceil(PARTS).clamp(*PART.start(), *PART.end());
        if indices.len() <= part || !self.of.tags.is_empty() || !self.of.cache.store.reads_in_parts(part) {
            let read = self.read(indices, timed).await;
            let Group { of, values, budget, .. } = self;
            of.give_part((indices, timed), read, budget.spent(), values, &mut not_given);
            return not_given;
        }
        let Group { of, values, budget, .. } = self;
        let (of, mut parts, mut reads) = (&*of, indices.chunks(part), FuturesOrdered::new());
        loop {
            // Only waiting is the store's time.
            let within = budget.begin();
            while reads.len() < AT_ONCE
                && let Some(part) = parts.next()
            {
                reads.push_back(of.read_part(part, timed, within.clone()));
            }
            let Some((part, read)) = reads.next().await else {
                budget.end(false);
                return not_given;
            };
            let (mut answers, of_tags) = read;
            budget.end(is_silent(&answers));
            // It may have waited for its turn.
            of.refuse_listed(part, &mut answers);
            of.give_part((part, timed), (answers, of_tags), budget.spent(), values, &mut not_given);
        }
    }

    /// Joins the flights of keys. A leader begins with what `found` makes of what it has at hand.
    pub(super) fn join(
        &mut self,
        mut misses: Vec<(usize, AtHand<V>)>,
        found: impl Fn(AtHand<V>) -> Lookup<V, E>,
    ) {
        let Group { of, states, .. } = self;
        let site = of.site();
        misses.retain(|(index, _)| {
            let waits_for_itself = Call::new(&site, &of.keys[*index]).waits_for_itself();
            if waits_for_itself {
                states[*index] = State::Loads(Load::alone(None));
            }
            !waits_for_itself
        });
        let keys = misses.iter().map(|(index, _)| of.key(*index));
        let turns = of.cache.flights.join_all(site.kind(), keys, site.is_forced());
        for ((index, at_hand), turn) in misses.into_iter().zip(turns) {
            match turn {
                Turn::Lead(ticket) if self.of.options.mode == ReadMode::Refresh => {
                    self.states[index] = State::TakesOver(ticket);
                }
                Turn::Lead(ticket) => {
                    let looked = Epoch::NONE;
                    self.states[index] = State::Leads { ticket, found: found(at_hand), looked };
                }
                Turn::Follow(message) => self.follow(index, at_hand, message),
            }
        }
    }

    /// Follows the flight of a key.
    fn follow(&mut self, index: usize, at_hand: AtHand<V>, message: oneshot::Receiver<FollowerMessage>) {
        let Group { of, states, followers, patience, soft, waits, .. } = self;
        let site = of.site();
        let call = Call::new(&site, &of.keys[index]);
        let soft = soft.filter(|_| matches!(at_hand, AtHand::Stale(_)));
        let waiting = if *waits { nested::wait_for(&of.cache, call.key()) } else { None };
        match waiting {
            Some(waiting) => {
                let until = soft.unwrap_or(*patience).min(*patience);
                let soft = soft.is_some();
                states[index] = State::Follows(Follower { at_hand, until, soft, _waiting: waiting });
                followers.push(index, message);
            }
            None => {
                if *waits {
                    of.function.warn_once_recursive(call.key());
                }
                self.without_result(index, at_hand, soft.is_some());
            }
        }
    }

    /// A key that another call loads, and that is not waited for any longer.
    pub(super) fn without_result(&mut self, index: usize, at_hand: AtHand<V>, soft: bool) {
        let Group { of, values, states, .. } = self;
        match of_follower_without_result(at_hand, soft) {
            FollowerStep::GiveStale(stale) => {
                let site = of.site();
                let call = Call::new(&site, &of.keys[index]);
                values[index] = settled(&call, call.give_stale(stale));
            }
            FollowerStep::LoadUnstored(stale) => states[index] = State::Loads(Load::alone(stale)),
        }
    }

    /// Every call is to load, whatever is there.
    fn join_forced(&mut self) {
        self.begin_states();
        let (whole, others): (Vec<usize>, Vec<usize>) =
            (0..self.of.keys.len()).partition(|index| self.of.keys[*index].is_whole());
        for index in others {
            self.states[index] = State::Loads(Load::alone(None));
        }
        let whole = whole.into_iter().map(|index| (index, AtHand::Nothing(Missing::Bypass)));
        self.join(whole.collect(), Lookup::from);
    }

    /// What the cache holds, and nothing else.
    async fn only_cached(&mut self, all: &[usize]) {
        let rest = self.give_copies(all);
        if rest.is_empty() {
            return;
        }
        let found = self.first_look(&rest).await;
        let Group { of, values, .. } = self;
        let site = of.site();
        for (&index, found) in rest.iter().zip(found) {
            let call = Call::new(&site, &of.keys[index]);
            let loaded = match only_cached(found) {
                Cached::Hit(hit) => call.give(hit),
                Cached::Stale(stale) => call.give_stale(stale),
                Cached::Absent => {
                    call.counters.misses.increment();
                    call.record_source(Source::Absent, None);
                    call.absent(Error::NotCached { key: call.key().to_owned() })
                }
            };
            values[index] = settled(&call, loaded);
        }
    }

    /// Inside of a transaction of another origin: a hit, or the body, of which nothing is stored or shared.
    async fn look_or_load(&mut self, all: &[usize]) {
        let found = self.first_look(all).await;
        self.begin_states();
        let Group { of, values, states, .. } = self;
        let site = of.site();
        for (index, found) in found.into_iter().enumerate() {
            let call = Call::new(&site, &of.keys[index]);
            match found {
                Lookup::Hit(hit) if call.options.mode == ReadMode::ReadThrough => {
                    values[index] = settled(&call, call.give(hit));
                }
                _ => states[index] = State::Loads(Load::alone(None)),
            }
        }
    }

    fn asks_for_time(&self) -> bool {
        self.of.function.settings.staleness.asks_for_time() || self.of.options.is_observed()
    }

    /// One look at these keys; a second one at those whose age matters.
    async fn first_look(&mut self, indices: &[usize]) -> Vec<Lookup<V, E>> {
        let timed = self.asks_for_time();
        let mut found = self.look(indices, timed).await;
        let is_untimed = |place: &usize| matches!(found[*place], Lookup::Missing(Missing::NeedsServerTime));
        // Stored by a program whose function lets values grow old.
        let again: Vec<usize> =
            if timed { Vec::new() } else { (0..found.len()).filter(is_untimed).collect() };
        if !again.is_empty() {
            let keys: Vec<usize> = again.iter().map(|place| indices[*place]).collect();
            for (place, looked) in again.into_iter().zip(self.look(&keys, true).await) {
                found[place] = looked;
            }
        }
        found
    }

    /// Gives what there are local copies of. With the keys that are left.
    fn give_copies<'a>(&mut self, all: &'a [usize]) -> Cow<'a, [usize]> {
        let Group { of, values, .. } = self;
        if of.function.settings.local.is_none() || of.options.in_transaction {
            return Cow::Borrowed(all);
        }
        let site = of.site();
        let is_left = |index: &usize| {
            if !of.keys[*index].is_whole() {
                return true;
            }
            let call = Call::new(&site, &of.keys[*index]);
            let Some(copy) = call.local_copy() else { return true };
            values[*index] = settled(&call, copy);
            false
        };
        Cow::Owned(all.iter().copied().filter(is_left).collect())
    }

    /// What is stored under these keys, and what that means.
    pub(super) async fn look(&mut self, indices: &[usize], timed: bool) -> Vec<Lookup<V, E>> {
        let (answers, of_tags) = self.read(indices, timed).await;
        self.of.classify(indices, answers, &of_tags)
    }

    /// What is stored under these keys, and under those of their tags.
    async fn read(&mut self, indices: &[usize], timed: bool) -> PartRead {
        let within = self.budget.begin();
        let (_, (answers, of_tags)) = self.of.read_part(indices, timed, within).await;
        self.budget.end(is_silent(&answers) || is_silent(of_tags.answers()));
        (answers, of_tags)
    }
}

impl<V, E> GroupSite<V, E> {
    /// What is stored under these keys, and under those of their tags, unless there is no time left for that.
    async fn read_part<'a>(
        &self,
        part: &'a [usize],
        timed: bool,
        within: Answer<Duration>,
    ) -> (&'a [usize], PartRead) {
        let read = match within {
            Ok(within) => self.read(part, timed, within).await,
            Err(error) => (vec![Err(error); part.len()], OfTags::default()),
        };
        (part, read)
    }

    /// A write may have returned meanwhile whose invalidation could not be delivered.
    fn refuse_listed(&self, part: &[usize], answers: &mut [Answer<Read>]) {
        for (index, answer) in part.iter().zip(answers) {
            if self.cache.is_listed(self.key(*index)) {
                *answer = Err(StoreError::Listed);
            }
        }
    }

    /// Gives what is stored and fresh of what was read.
    fn give_part(
        &self,
        (part, timed): (&[usize], bool),
        (answers, of_tags): PartRead,
        spent: Duration,
        values: &mut [Option<V>],
        not_given: &mut NotGiven<V, E>,
    ) {
        let site = self.site();
        for (&index, answer) in part.iter().zip(answers) {
            let call = Call::new(&site, &self.keys[index]);
            match self.classify_one(&call, index, answer, &of_tags) {
                // Stored by a program whose function lets values grow old.
                Lookup::Missing(Missing::NeedsServerTime) if !timed => not_given.untimed.push(index),
                found => match after_first_look(found) {
                    CallerStep::Give(hit) if self.keys[index].is_whole() => {
                        call.keep_copy(&hit);
                        call.counters.hit_times.record(|| spent);
                        values[index] = settled(&call, call.give(hit));
                    }
                    step => not_given.steps.push((index, step)),
                },
            }
        }
    }

    /// What was read under these keys, and under those of their tags, means.
    pub(super) fn classify(
        &self,
        indices: &[usize],
        answers: Vec<Answer<Read>>,
        of_tags: &OfTags<Option<Bytes>>,
    ) -> Vec<Lookup<V, E>> {
        let site = self.site();
        let classified = indices.iter().zip(answers).map(|(index, answer)| {
            self.classify_one(&Call::new(&site, &self.keys[*index]), *index, answer, of_tags)
        });
        classified.collect()
    }

    fn classify_one(
        &self,
        call: &Call<'_, V, E>,
        index: usize,
        answer: Answer<Read>,
        of_tags: &OfTags<Option<Bytes>>,
    ) -> Lookup<V, E> {
        let (there, now) = match answer {
            Ok(read) => read,
            Err(error) => return call.classify(Err(error), None, None),
        };
        if self.tags.is_empty() {
            return call.classify(Ok(there), now, NO_TAGS);
        }
        match self.there(index, of_tags) {
            Ok(tags) => call.classify_with_tags(there, &tags, now),
            Err(error) => call.classify(Err(error), None, None),
        }
    }
}

/// Whether the store did not answer for some of the keys.
pub(super) fn is_silent<'a, T: 'a>(answers: impl IntoIterator<Item = &'a Answer<T>>) -> bool {
    answers.into_iter().any(|answer| matches!(answer, Err(StoreError::Timeout(_))))
}
