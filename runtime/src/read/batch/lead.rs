//! The steps of a batch for the keys that it leads: together for all that take the same step.

use std::sync::Arc;

use bytes::Bytes;
use cached_aside_protocol::{
    Step, Token, entry,
    steps::{Acquire, Acquired, Elect},
};
use futures_util::future::join;
use tokio::time::Instant;

use super::{
    super::{
        decision::{Clocks, LeaderStep, of_leader},
        found::{Election, Missing, StaleEntry},
        lead::Granted,
        site::Call,
    },
    group::{Group, Load, State, settled},
    look::is_silent,
};
use crate::{
    engine::{
        flight::{Epoch, SharedResult, Ticket},
        lease::{Right, StoreRight, several::StoreRights},
    },
    function::staleness::Freshness,
    store::Answer,
};

/// The key of an entry that is due, and the flight that waits for it with the step that found it.
type Refresh<V> = (usize, Option<(Ticket, Epoch)>, StaleEntry<V>);

/// What the keys of a batch ask for next.
struct Asks<V> {
    leases: Vec<(usize, Ticket, Bytes)>,
    looks: Vec<(usize, Ticket)>,
    refreshes: Vec<Refresh<V>>,
    forced: Vec<(usize, Ticket)>,
}

impl<V, E> Group<V, E> {
    /// Takes steps until each key is over, waits for others, or is part of the next body.
    pub(super) async fn take_steps(&mut self) {
        loop {
            let Asks { leases, looks, refreshes, forced } = self.decide().await;
            if leases.is_empty() && looks.is_empty() && refreshes.is_empty() && forced.is_empty() {
                return;
            }
            if !leases.is_empty() {
                self.acquire(leases).await;
            }
            if !refreshes.is_empty() {
                self.elect(refreshes).await;
            }
            if !looks.is_empty() {
                self.look_again(looks).await;
            }
            if !forced.is_empty() {
                self.take_over(forced).await;
            }
        }
    }

    /// What each leader does next.
    async fn decide(&mut self) -> Asks<V> {
        let mut asks = Asks { leases: vec![], looks: vec![], refreshes: vec![], forced: vec![] };
        let now = Instant::now();
        let Group { of, states, values, patience, soft, waits, .. } = self;
        let site = of.site();
        for (index, state) in states.iter_mut().enumerate() {
            if !matches!(state, State::Leads { .. } | State::TakesOver(_) | State::Refreshes(_)) {
                continue;
            }
            let call = Call::new(&site, &of.keys[index]);
            let clocks = Clocks { now, patience: if *waits { *patience } else { now }, soft: *soft };
            let (ticket, found, looked) = match state.take() {
                State::Leads { ticket, found, looked } => (ticket, found, looked),
                State::TakesOver(ticket) => {
                    asks.forced.push((index, ticket));
                    continue;
                }
                State::Refreshes(stale) => {
                    asks.refreshes.push((index, None, stale));
                    continue;
                }
                other => {
                    *state = other;
                    continue;
                }
            };
            match of_leader(found, clocks) {
                LeaderStep::Give(hit) => {
                    values[index] = settled(&call, call.share(ticket, hit, looked).await);
                }
                LeaderStep::GiveStale(stale) => {
                    values[index] = settled(&call, call.share_stale(ticket, stale, looked));
                }
                LeaderStep::Revalidate(stale) => {
                    // Nobody waits for this refresh: the flight ends before it begins.
                    ticket.complete(&SharedResult::Entry(stale.bytes.clone()), looked);
                    asks.refreshes.push((index, None, stale));
                }
                LeaderStep::LoadUnstored(stale) => {
                    let stale = stale.map(|stale| (stale, looked));
                    let (ticket, held, began) = (Some(ticket), None, Epoch::NONE);
                    *state = State::Loads(Load { ticket, held, stale, began });
                }
                LeaderStep::WaitForChange(at_hand, until) => {
                    *state = State::Watches { ticket, at_hand, until };
                }
                LeaderStep::LookWithTime => asks.looks.push((index, ticket)),
                LeaderStep::Elect(stale) => asks.refreshes.push((index, Some((ticket, looked)), stale)),
                LeaderStep::Acquire(header) => asks.leases.push((index, ticket, header)),
            }
        }
        asks
    }

    /// Asks for leases.
    async fn acquire(&mut self, leases: Vec<(usize, Ticket, Bytes)>) {
        let lifetime = self.of.function.settings.lease;
        let looked: Vec<Epoch> = leases.iter().map(|(_, ticket, _)| ticket.next_epoch()).collect();
        // They exist before they are acquired: dropped while that is being asked, they give up what may have been acquired.
        let rights = self.rights(leases.iter().map(|(_, ticket, _)| (ticket.key().clone(), Right::Lease)));
        let steps = leases.iter().zip(rights.tokens()).map(|((_, _, header), token)| Acquire {
            expected: header.clone(),
            token,
            lease: lifetime,
        });
        let steps = steps.collect();
        let indices = leases.iter().map(|(index, ..)| *index).collect::<Vec<_>>();
        let answers = self.ask(&indices, steps, |answer| matches!(answer, Acquired::No(_))).await;
        let Group { of, states, .. } = self;
        let site = of.site();
        let mut not_granted = StoreRights::default();
        for ((((index, ticket, _), mut right), answer), looked) in
            leases.into_iter().zip(rights.each()).zip(answers).zip(looked)
        {
            let call = Call::new(&site, &of.keys[index]);
            let (found, looked) = match call.granted(&mut right, answer) {
                Granted::Lease => {
                    let (ticket, held) = (Some(ticket), Some(right));
                    states[index] = State::Loads(Load { ticket, held, stale: None, began: Epoch::NONE });
                    continue;
                }
                Granted::Not(found) => (found, looked),
                Granted::LookAgain => (Missing::NeedsServerTime.into(), Epoch::NONE),
            };
            states[index] = State::Leads { ticket, found, looked };
            not_granted.push(right);
        }
    }

    /// Asks for the rights to refresh entries. Whoever does not win gives an entry as it is, or looks at who has.
    async fn elect(&mut self, refreshes: Vec<Refresh<V>>) {
        let lifetime = self.of.function.settings.lease;
        let rights = self.rights(refreshes.iter().map(|(index, flight, stale)| {
            let key = flight.as_ref().map(|(ticket, _)| ticket.key().clone());
            let key = key.unwrap_or_else(|| self.of.key(*index).into());
            (key, Right::Revalidate { failures: stale.refresh.failures })
        }));
        let steps = refreshes.iter().zip(rights.tokens()).map(|((.., stale), token)| Elect {
            expected: entry::header_of(&stale.bytes),
            token,
            hold: lifetime,
            force: false,
        });
        let steps = steps.collect();
        let indices = refreshes.iter().map(|(index, ..)| *index).collect::<Vec<_>>();
        let answers = self.ask(&indices, steps, |_| false).await;
        let Group { of, states, values, .. } = self;
        let site = of.site();
        let mut not_won = StoreRights::default();
        for (((index, flight, stale), mut right), answer) in
            refreshes.into_iter().zip(rights.each()).zip(answers)
        {
            let call = Call::new(&site, &of.keys[index]);
            let began = Epoch::NONE;
            let election = call.elected(&mut right, &stale, answer);
            let held = if let Election::Won(()) = election {
                Some(right)
            } else {
                not_won.push(right);
                None
            };
            match (election, flight) {
                (Election::Won(()), flight) => {
                    if flight.is_none() && stale.freshness == Freshness::EarlyRefresh {
                        call.counters.early_refreshes.increment();
                    }
                    let (ticket, looked) =
                        flight.map_or((None, Epoch::NONE), |(ticket, at)| (Some(ticket), at));
                    let stale = Some((stale, looked));
                    states[index] = State::Loads(Load { ticket, held, stale, began });
                }
                (Election::Lost | Election::Unknown, None) => {
                    values[index] = settled(&call, call.give_stale(stale));
                }
                (Election::Lost, Some((ticket, looked))) => {
                    let found = Missing::NeedsServerTime.into();
                    states[index] = State::Leads { ticket, found, looked };
                }
                (Election::Unknown, Some((ticket, looked))) => {
                    let (ticket, stale) = (Some(ticket), Some((stale, looked)));
                    states[index] = State::Loads(Load { ticket, held, stale, began });
                }
            }
        }
    }

    async fn look_again(&mut self, looks: Vec<(usize, Ticket)>) {
        let looked: Vec<Epoch> = looks.iter().map(|(_, ticket)| ticket.next_epoch()).collect();
        let indices: Vec<usize> = looks.iter().map(|(index, _)| *index).collect();
        let found = self.look(&indices, true).await;
        for (((index, ticket), found), looked) in looks.into_iter().zip(found).zip(looked) {
            self.states[index] = State::Leads { ticket, found, looked };
        }
    }

    pub(super) fn rights(&self, of: impl ExactSizeIterator<Item = (Arc<str>, Right)>) -> StoreRights {
        let (cache, hold) = (&self.of.cache, self.of.function.settings.lease);
        let tokens = Token::several(of.len());
        of.zip(tokens).map(|((key, right), token)| StoreRight::new(cache, key, token, right, hold)).collect()
    }

    /// Asks for a right to store on each of these keys, and at the same time for the versions of the tags that their entries will
    /// carry: see [`Call::with_versions`].
    pub(super) async fn ask<S: Step>(
        &mut self,
        indices: &[usize],
        steps: Vec<S>,
        is_look: fn(&S::Answer) -> bool,
    ) -> Vec<Answer<(S::Answer, Option<Box<[Token]>>)>> {
        let within = match self.budget.begin() {
            Ok(within) => within,
            Err(error) => return vec![Err(error); indices.len()],
        };
        let keys: Vec<&str> = indices.iter().map(|index| self.of.key(*index)).collect();
        let rights = self.of.cache.run_all_of_load(&keys, steps, is_look, within);
        let (rights, carried) = join(rights, self.of.carry(indices, within)).await;
        self.budget.end(is_silent(&rights) || is_silent(carried.answers()));
        let with_versions = |(right, index): (Answer<S::Answer>, &usize)| {
            right.map(|right| (right, self.of.versions(*index, &carried)))
        };
        rights.into_iter().zip(indices).map(with_versions).collect()
    }
}
