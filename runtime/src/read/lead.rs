//! The leader of a flight: it goes round until something is known, an entry that another process stored or the body's result.

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    steps::{Acquire, Acquired},
};
use tokio::time::Instant;

use super::{
    body::Body,
    decision::{Clocks, LeaderStep, of_leader},
    found::{Election, Hit, Lookup, Missing},
    site::Call,
};
use crate::{
    engine::budget::Budget,
    engine::flight::{Epoch, SharedResult, Ticket},
    engine::lease::{Right, StoreRight},
    options::Source,
    outcome::Loaded,
    store::Answer,
};

impl<V, E> Call<'_, V, E> {
    pub(super) async fn lead<B: Body<V, E>>(
        &self,
        ticket: Ticket,
        mut found: Lookup<V, E>,
        mut budget: Budget,
        patience: Instant,
        body: B,
    ) -> Loaded<V, E> {
        // What the last look found was observed from this step on.
        let mut looked = Epoch::NONE;
        let soft = self.soft_end();
        loop {
            let clocks = Clocks { now: Instant::now(), patience, soft };
            (found, looked) = match of_leader(found, clocks) {
                LeaderStep::Give(hit) => return self.share(ticket, hit, looked).await,
                LeaderStep::GiveStale(stale) => return self.share_stale(ticket, stale, looked),
                LeaderStep::Revalidate(stale) => {
                    // Nobody waits for this refresh: the flight ends before it begins.
                    ticket.complete(&SharedResult::Entry(stale.bytes.clone()), looked);
                    return self.revalidate(stale, budget, body).await;
                }
                LeaderStep::LoadUnstored(stale) => {
                    let stale = stale.map(|stale| (stale, looked));
                    return self.load_unstored(ticket, stale, body).await;
                }
                LeaderStep::WaitForChange(_, until) => self.wait_for_change(&ticket, until).await,
                LeaderStep::LookWithTime => {
                    let looked = ticket.next_epoch();
                    (self.lookup_with_time(&mut budget).await, looked)
                }
                LeaderStep::Elect(stale) => match self.elect(stale.without_value(), &mut budget).await {
                    Election::Won(held) => {
                        return self.reload(ticket, (stale, looked), held, budget, body).await;
                    }
                    Election::Lost => (Missing::NeedsServerTime.into(), looked),
                    Election::Unknown => {
                        return self.load_unstored(ticket, Some((stale, looked)), body).await;
                    }
                },
                LeaderStep::Acquire(header) => match self.acquire(&ticket, header, &mut budget).await {
                    Ok(lease) => return self.load_and_fill(ticket, lease, budget, body).await,
                    Err(found) => found,
                },
            };
        }
    }

    /// Gives what another process stored, also to those who came before it was seen.
    pub(super) async fn share(&self, ticket: Ticket, hit: Hit<V, E>, looked: Epoch) -> Loaded<V, E> {
        let Hit { value, bytes, age } = hit;
        self.counters.waited.increment();
        let shared = SharedResult::Entry(bytes);
        ticket.complete(&shared, looked);
        self.record_source(Source::Shared, if age.is_some() { age } else { self.age_of(&shared).await });
        value
    }

    /// Asks for the lease. Where it is not granted: what is there, and the step from which on that was observed.
    async fn acquire(
        &self,
        ticket: &Ticket,
        header: Bytes,
        budget: &mut Budget,
    ) -> Result<StoreRight, (Lookup<V, E>, Epoch)> {
        let (token, hold) = (Token::fresh(), self.function.settings.lease);
        let looked = ticket.next_epoch();
        // It exists before it is acquired: dropped while that is being asked, it gives up what may have been acquired.
        let mut lease = StoreRight::new(self.cache, ticket.key().clone(), token, Right::Lease, hold);
        let acquire = Acquire { expected: header, token, lease: hold };
        let asked = |within| self.with_versions(within, self.cache.acquire(self.key(), acquire, within));
        let answer = budget.spend(asked).await;
        match self.granted(&mut lease, answer) {
            Granted::Lease => Ok(lease),
            Granted::Not(found) => Err((found, looked)),
            Granted::LookAgain => {
                let looked = ticket.next_epoch();
                Err((self.lookup(budget).await, looked))
            }
        }
    }

    /// What the answer says to a caller who asked for the lease, and for the versions of the tags. A lease that is not granted is to be
    /// dropped, together with others that were asked for with it.
    pub(super) fn granted(
        &self,
        lease: &mut StoreRight,
        answer: Answer<(Acquired, Option<Box<[Token]>>)>,
    ) -> Granted<V, E> {
        match answer {
            Ok((Acquired::Yes, Some(versions))) => {
                lease.versions = versions;
                Granted::Lease
            }
            Ok((Acquired::Yes, None)) => Granted::Not(Missing::Bypass.into()),
            Ok((Acquired::No(there), _)) => {
                lease.disarm();
                Granted::Not(self.classify(Ok(Some(there)), None, self.unread_tags()))
            }
            Ok((Acquired::Copied, _)) => {
                lease.disarm();
                Granted::Not(Missing::Bypass.into())
            }
            Ok((Acquired::Changed, _)) => {
                lease.disarm();
                Granted::LookAgain
            }
            Err(error) => {
                lease.unanswered(&error);
                self.record_store_error("acquire", &error);
                Granted::Not(Missing::Bypass.into())
            }
        }
    }
}

/// What became of asking for a lease.
pub(super) enum Granted<V, E> {
    Lease,
    /// This is there instead.
    Not(Lookup<V, E>),
    LookAgain,
}
