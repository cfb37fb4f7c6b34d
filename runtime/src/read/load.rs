//! The body and its fill: under a lease, or without storing.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::Instant};

use super::{Call, Loader, refresh::Old};
use crate::{
    entry::{Header, Token},
    flight::{Landed, Step, Ticket},
    health::Budget,
    lease::{Held, while_renewing},
    outcome::{Gave, Outcome},
    overrides::Source,
    store::StoreError,
    storing::{Storable, Storing},
};

impl<V, E> Call<'_, V, E> {
    /// Runs the body under a lease, and stores what it gave in the lease's place.
    pub(super) async fn load_and_fill<R, const SHAPE: u8, L>(
        &self,
        mut ticket: Ticket,
        lease: Held,
        mut budget: Budget,
        body: L,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let began = ticket.load();
        self.counters.loads.one();
        self.note(Source::Loaded, Some(Duration::ZERO));
        let started = Instant::now();
        let result = while_renewing(pin!(body.begin()), lease.keep(self.function.settings.lease)).await;
        let load_time = started.elapsed();
        tracing::debug!(key = self.key, took = ?load_time, "loaded");
        let gave = result.gave();
        let listed = self.cache.recovery.has(self.key);
        let entry = self.storing().entry(&gave, self.sharing.stored.as_ref(), lease.token, load_time);
        let Some(Storable { value, ttl }) = entry.filter(|_| !listed) else {
            let failed = matches!(gave, Gave::Error(_));
            if listed {
                drop(lease);
            } else if failed {
                lease.fail();
            } else {
                lease.discard();
                self.end_replaced(&mut budget).await;
            }
            self.land_unstored(ticket, began, &result.gave());
            return result;
        };
        let value = Arc::new(value);
        let filling = ticket.step();
        let accepted = self.fill(lease, value.clone(), ttl, &mut budget).await;
        if !accepted {
            self.end_replaced(&mut budget).await;
        }
        ticket.land(&Landed::Entry(value), if accepted { filling } else { began });
        result
    }

    pub(super) fn storing(&self) -> Storing<'_, V> {
        let Call { function, counters, key, known, coding, .. } = *self;
        Storing { function, counters, key, known, coding }
    }

    /// Stores the value if the lease is still ours. Goes on in the background when the caller's time is up or the caller is
    /// gone: the lease's token makes a late fill harmless, and giving up would leave the lease in everybody's way.
    pub(super) async fn fill(
        &self,
        lease: Held,
        value: Arc<Vec<u8>>,
        ttl: Duration,
        budget: &mut Budget,
    ) -> bool {
        let begun = Instant::now();
        let filled = self.cache.spawn(&Handle::current(), lease.fill(value, ttl));
        let answer = budget
            .spend(|within| async move {
                let answer = tokio::time::timeout(within, filled).await;
                answer.map_err(|_| StoreError::Timeout(within))?.unwrap_or(Err(StoreError::Timeout(within)))
            })
            .await;
        match answer {
            Ok(true) => {
                self.counters.stored.one();
                tracing::debug!(key = self.key, took = ?begun.elapsed(), ?ttl, "stored");
                true
            }
            Ok(false) => {
                self.counters.fills_refused.one();
                let took = begun.elapsed();
                tracing::debug!(
                    key = self.key,
                    ?took,
                    "fill refused: invalidated meanwhile, or the lease was lost"
                );
                false
            }
            Err(error) => {
                self.trouble("fill", &error);
                false
            }
        }
    }

    /// Runs the body as the only one of this process, without storing. An old value is given if that fails.
    pub(super) async fn load_unstored<R, const SHAPE: u8, L>(
        &self,
        mut ticket: Ticket,
        old: Option<(Old<R>, Step)>,
        body: L,
    ) -> R
    where
        R: Outcome<SHAPE, Value = V, Error = E>,
        L: Loader<Output = R>,
    {
        let began = ticket.load();
        let result = self.run_alone(body).await;
        match old {
            Some(old) => self.land_or_stale(ticket, began, Some(result), old),
            None => {
                self.land_unstored(ticket, began, &result.gave());
                result
            }
        }
    }

    /// Runs the body without storing or sharing.
    pub(super) async fn run_alone<R>(&self, body: impl Loader<Output = R>) -> R {
        self.counters.loads.one();
        self.counters.unstored.one();
        self.note(Source::Loaded, Some(Duration::ZERO));
        let started = Instant::now();
        let result = body.begin().await;
        tracing::debug!(key = self.key, took = ?started.elapsed(), "loaded, not stored");
        result
    }

    /// Gives what is not stored to those who came before the body began.
    pub(super) fn land_unstored(&self, ticket: Ticket, began: Step, gave: &Gave<'_, V, E>) {
        if !ticket.followed(began) {
            return;
        }
        let landed = match gave {
            Gave::Value(value) => {
                let header = Header {
                    fingerprint: self.known.fingerprint,
                    fresh_for: Duration::ZERO,
                    load_time: Duration::ZERO,
                    lingers: false,
                };
                self.storing()
                    .encode(value, Token::fresh(), header)
                    .map(|bytes| Landed::Entry(Arc::new(bytes)))
            }
            Gave::None => Some(Landed::None),
            Gave::Error(error) => self.sharing.share.map(|share| Landed::Error(share(error))),
        };
        match landed {
            Some(landed) => ticket.land(&landed, began),
            None => ticket.fail(began),
        }
    }
}
