//! One body for all keys that are to be loaded, and what becomes of what it gave: each result is stored under its own right.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::{
    super::{
        body::within_limit,
        fill::{Filling, begin, fill_all, within_budget},
        found::StaleEntry,
        load::complete,
        site::Call,
    },
    answer::{BodyAnswer, report_unusable},
    followers::Heard,
    group::{Group, Load, State, settled},
};
use crate::{
    AnyKey,
    engine::{
        copies::Met,
        encoder::EncodedEntry,
        flight::{Epoch, SharedResult, Ticket},
        lease::{
            StoreRight,
            several::{discard_all, fail_all, renew_all},
            while_renewing,
        },
        nested,
    },
    options::{ReadMode, Source},
    outcome::Loaded,
    write,
};

/// What is to be done about the results of a body.
#[derive(Default)]
struct After {
    /// Nobody may be given what stands there meanwhile: nothing but leases.
    fills: Vec<Filling>,
    /// In the place of values, which are given to others until then.
    refills: Vec<Refill>,
    failed: Vec<StoreRight>,
    discarded: Vec<StoreRight>,
    /// Of forced loads: nothing was stored, and nothing older may be given.
    ended: Vec<usize>,
    /// What followers are given when what is older has been ended.
    unstored: Vec<(Ticket, Epoch, Option<SharedResult>)>,
}

struct Refill {
    index: usize,
    filling: Filling,
    /// The flight, and the epochs of the body and of the fill.
    ticket: Option<(Ticket, Epoch, Epoch)>,
}

impl<V, E> Group<V, E> {
    /// The keys of the next body, which begins now.
    pub(super) fn begin_load(&mut self) -> Vec<usize> {
        let loads = self.which(|state| matches!(state, State::Loads(_)));
        for index in &loads {
            if let State::Loads(Load { ticket: Some(ticket), began, .. }) = &mut self.states[*index] {
                *began = ticket.begin_load();
            }
        }
        loads
    }

    fn key_of_load(&self, index: usize) -> Arc<str> {
        match &self.states[index] {
            State::Loads(Load { ticket: Some(ticket), .. }) => ticket.key().clone(),
            _ => self.of.key(index).into(),
        }
    }

    /// Runs the body of these keys. `split` tells what it gave apart.
    pub(super) async fn load<R>(
        &mut self,
        loads: &[usize],
        body: Pin<&mut impl Future<Output = R>>,
        split: impl FnOnce(R) -> BodyAnswer<V, E>,
    ) {
        let (cache, function) = (self.of.cache.clone(), self.of.function);
        let started = Instant::now();
        let rights = loads.iter().filter_map(|index| match &self.states[*index] {
            State::Loads(load) => load.held.as_ref(),
            _ => None,
        });
        let renewal = renew_all(&cache, rights, function.settings.lease);
        let loading = nested::loading(&cache, loads.iter().map(|index| self.key_of_load(*index)));
        let span = self.span(loads.len());
        self.leave_to_others();
        // Those that are told something stay as they are until the body is over.
        let (mut followers, mut told) = (mem::take(&mut self.followers), Vec::new());
        let mut body = body;
        let after = {
            let body = poll_fn(|context| {
                told.extend(followers.hear(context).into_iter().map(Heard::without_lead));
                span.in_scope(|| nested::step(&loading, || body.as_mut().poll(context)))
            });
            let given_up = self.of.errors.given_up.map(|given_up| move |error| Err(given_up(error)));
            let body = pin!(async { Ok(body.await) });
            let limited = pin!(within_limit(&cache, function, given_up, body));
            let take = |returned: Result<R, E>| {
                let given = returned.map_or_else(BodyAnswer::Error, split);
                span.in_scope(|| self.take_results(loads, given, started.elapsed()))
            };
            match renewal {
                Some(renewal) => while_renewing(cache.clock, limited, renewal, take).await,
                None => take(limited.await),
            }
        };
        self.finish_load(after).instrument(span).await;
        self.followers = followers;
        for heard in told {
            self.go_on(heard).await;
        }
        self.renew_patience(started.elapsed());
    }

    /// Sorts the results of a body: what is given to whom, and what is stored.
    fn take_results(&mut self, loads: &[usize], given: BodyAnswer<V, E>, took: Duration) -> After {
        let counters = self.of.cache.table.of(self.of.function);
        counters.loads.add(loads.len() as u64);
        let mut loads: Vec<(usize, Load<V>)> = loads
            .iter()
            .filter_map(|index| match self.states[*index].take() {
                State::Loads(load) => Some((*index, load)),
                _ => None,
            })
            .collect();
        counters.unstored.add(loads.iter().filter(|(_, load)| load.held.is_none()).count() as u64);
        counters.record_load(took);
        for (index, _) in &loads {
            tracing::debug!(key = self.of.key(*index), ?took, "loaded");
        }
        match given {
            BodyAnswer::Values(mut values, equal) => {
                for (id, other) in equal {
                    values[id] = values[other].as_ref().and_then(|value| self.of.copy(value));
                    if values[id].is_none() {
                        // There is one, so that nothing else may be stored.
                        loads[id].1.held = None;
                    }
                }
                self.take_values(loads, values, took)
            }
            BodyAnswer::Error(error) => {
                let (after, covered) = self.take_failure(loads, Some(&error));
                if !covered {
                    self.error = Some(error);
                }
                after
            }
            BodyAnswer::Unusable => {
                report_unusable(self.of.function, loads.len());
                self.take_failure(loads, None).0
            }
        }
    }

    fn take_values(&mut self, loads: Vec<(usize, Load<V>)>, given: Vec<Option<V>>, took: Duration) -> After {
        let mut after = After::default();
        let Group { of, values, .. } = self;
        let site = of.site();
        for ((index, load), value) in loads.into_iter().zip(given) {
            let call = Call::new(&site, &of.keys[index]);
            let loaded = Loaded::of_entry(value);
            let Load { ticket, held, began, .. } = load;
            let entry = held.as_ref().and_then(|held| entry(&call, &loaded, held, took));
            match (held, entry) {
                (Some(held), Some(EncodedEntry { value, ttl })) => {
                    // Before the fill asks the recovery list. That an entry was stored says nothing of its tags.
                    let ticket = ticket.map(|ticket| {
                        let filling = if call.tags().is_empty() { ticket.next_epoch() } else { began };
                        (ticket, began, filling)
                    });
                    if call.is_forced() || held.is_refresh() {
                        let filling = Filling { held, value, ttl, ticket: None };
                        after.refills.push(Refill { index, filling, ticket });
                    } else {
                        after.fills.push(Filling { held, value, ttl, ticket });
                    }
                }
                (held, _) => {
                    after.discarded.extend(held);
                    after.ended.push(index);
                    if let Some(ticket) = ticket.filter(|ticket| ticket.followed(began)) {
                        after.unstored.push((ticket, began, call.unstored(loaded.as_ref())));
                    }
                }
            }
            call.record_source(Source::Loaded, Some(Duration::ZERO));
            values[index] = settled(&call, loaded);
        }
        after
    }

    /// `true` if each of these keys has a stale entry, which is given instead.
    fn take_failure(&mut self, loads: Vec<(usize, Load<V>)>, error: Option<&E>) -> (After, bool) {
        let mut after = After::default();
        let Group { of, values, .. } = self;
        let site = of.site();
        // A write may have returned meanwhile whose invalidation could not be delivered.
        let usable = |index: usize, load: &Load<V>| {
            load.stale.is_some() && !Call::new(&site, &of.keys[index]).is_listed()
        };
        let covered = loads.iter().all(|(index, load)| usable(*index, load));
        for (index, load) in loads {
            let call = Call::new(&site, &of.keys[index]);
            let usable = usable(index, &load);
            let Load { ticket, held, stale, began } = load;
            if let Some(held) = held {
                if held.is_refresh() {
                    call.counters.refreshes_failed.increment();
                }
                after.failed.push(held);
            }
            let stale = stale.filter(|_| usable);
            match (ticket, &stale, error) {
                (Some(ticket), Some((StaleEntry { bytes, .. }, looked)), _) => {
                    ticket.complete(&SharedResult::Entry(bytes.clone()), *looked);
                }
                (Some(ticket), None, Some(error)) => {
                    call.complete_unstored(ticket, began, Loaded::Error(error));
                }
                (Some(ticket), None, None) => ticket.fail(began),
                (None, ..) => {}
            }
            match stale {
                Some((stale, _)) if covered || error.is_none() => {
                    values[index] = settled(&call, call.give_stale(stale));
                }
                _ => {
                    call.record_source(Source::Loaded, Some(Duration::ZERO));
                    call.report();
                }
            }
        }
        (after, covered)
    }

    /// Stores what is to be stored, and gives up the rest.
    async fn finish_load(&mut self, after: After) {
        let After { fills, refills, failed, discarded, mut ended, unstored } = after;
        let (cache, function) = (self.of.cache.clone(), self.of.function);
        fail_all(failed);
        if !fills.is_empty() {
            // The caller need not wait.
            let filled = fill_all(cache.clone(), function, fills, self.budget.left(), Met::default());
            begin(&cache, async { drop(filled.await) }.instrument(Span::current())).await;
        }
        // Nobody renews the other rights while local copies of what is discarded are waited for.
        let ((), filled) = join(discard_all(discarded), self.refill(refills, &mut ended)).await;
        let options = &self.of.options;
        let is_forced = options.mode == ReadMode::Refresh && !options.in_transaction;
        ended.retain(|index| is_forced && !cache.is_listed(self.of.key(*index)));
        if !ended.is_empty() {
            let keys: Vec<AnyKey> = ended.iter().map(|index| AnyKey::finished(self.of.key(*index))).collect();
            write::end(&cache, function.settings.function(), &keys, self.budget.left()).await;
        }
        for (ticket, shared, step) in filled {
            ticket.complete(&shared, step);
        }
        for (ticket, began, shared) in unstored {
            complete(ticket, began, shared);
        }
    }

    /// Stores in the places of values, and hands what was refused to `ended`.
    async fn refill(
        &mut self,
        refills: Vec<Refill>,
        ended: &mut Vec<usize>,
    ) -> Vec<(Ticket, SharedResult, Epoch)> {
        if refills.is_empty() {
            return Vec::new();
        }
        let (cache, within) = (self.of.cache.clone(), self.budget.left());
        let (mut fillings, mut tickets) = (Vec::new(), Vec::new());
        for Refill { index, filling, ticket } in refills {
            tickets.push((index, ticket, SharedResult::Entry(filling.value.clone())));
            fillings.push(filling);
        }
        let met = Met::default();
        let filled = fill_all(cache.clone(), self.of.function, fillings, within, met.clone());
        let accepted = within_budget(&mut self.budget, &cache, &met, filled).await.unwrap_or_default();
        let mut served = Vec::new();
        for (place, (index, ticket, shared)) in tickets.into_iter().enumerate() {
            let accepted = accepted.get(place) == Some(&true);
            if !accepted {
                ended.push(index);
            }
            if let Some((ticket, began, filling)) = ticket {
                served.push((ticket, shared, if accepted { filling } else { began }));
            }
        }
        served
    }
}

/// The entry of what was loaded, if it is to be stored.
fn entry<V, E>(
    call: &Call<'_, V, E>,
    loaded: &Loaded<V, E>,
    held: &StoreRight,
    took: Duration,
) -> Option<EncodedEntry> {
    call.encoder(&held.versions).entry(loaded.as_ref(), None, held.token, took)
}
