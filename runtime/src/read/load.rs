//! The body and its fill: under a lease, or without storing.

use std::{pin::pin, time::Duration};

use cached_aside_protocol::{Token, entry::Header};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    body::Body,
    fill::{begin, fill, fill_and_complete, fill_within},
    found::StaleEntry,
    site::Call,
};
use crate::{
    engine::budget::Budget,
    engine::copies::Met,
    engine::encoder::EncodedEntry,
    engine::flight::{Epoch, SharedResult, Ticket},
    engine::lease::{StoreRight, while_renewing},
    options::Source,
    outcome::Loaded,
};

impl<V, E> Call<'_, V, E> {
    /// Runs the body under a lease, and stores what it gave in the lease's place.
    pub(super) async fn load_and_fill<B: Body<V, E>>(
        &self,
        mut ticket: Ticket,
        lease: StoreRight,
        mut budget: Budget,
        body: B,
    ) -> Loaded<V, E> {
        let began = ticket.begin_load();
        self.counters.loads.increment();
        self.record_source(Source::Loaded, Some(Duration::ZERO));
        let started = Instant::now();
        let renewal = lease.renew_loop();
        // While an old value is at hand, a load that fails stores nothing.
        let errors = self.errors.stored.filter(|_| !lease.is_refresh());
        let encode = |result: Loaded<V, E>| {
            let load_time = started.elapsed();
            self.counters.record_load(load_time);
            tracing::debug!(key = self.key(), took = ?load_time, "loaded");
            // No reference to the result may live on: it need not be `Sync`.
            let encoder = self.encoder(&lease.versions);
            let entry = encoder.entry(result.as_ref(), errors, lease.token, load_time);
            (result, entry)
        };
        let (result, entry) = while_renewing(self.cache.clock, pin!(self.run(body)), renewal, encode).await;
        // Before the fill asks the recovery list: whoever comes after this is not given what a write that is on it has made stale.
        // That an entry was stored says nothing of its tags, which may have been invalidated since the body began.
        let filling = if self.tags().is_empty() { ticket.next_epoch() } else { began };
        let Some(EncodedEntry { value, ttl }) = entry else {
            if matches!(result, Loaded::Error(_)) {
                if lease.is_refresh() {
                    self.counters.refreshes_failed.increment();
                }
                lease.fail();
            } else {
                lease.discard().await;
                self.end_replaced(&mut budget).await;
            }
            self.complete_unstored(ticket, began, result.as_ref());
            return result;
        };
        if self.is_forced() {
            // What is there until this has been stored may be older, and nobody may be given it after this.
            let entry = (value.clone(), ttl);
            let accepted = fill_within(&mut budget, self.cache, self.function, lease, entry).await;
            // An error that was not stored leaves what stands there, as any failure does.
            if !accepted && !matches!(result, Loaded::Error(_)) {
                self.end_replaced(&mut budget).await;
            }
            ticket.complete(&SharedResult::Entry(value), if accepted { filling } else { began });
        } else {
            // Nothing but our lease stands there, and nobody is given that: the caller need not wait.
            let filled = fill(self.cache.clone(), self.function, lease, (value.clone(), ttl), Met::default());
            let (shared, within) = (SharedResult::Entry(value), budget.left());
            let clock = self.cache.clock;
            let filled_and_completed =
                fill_and_complete(filled, (clock, within), ticket, shared, (began, filling));
            begin(self.cache, filled_and_completed.instrument(tracing::Span::current())).await;
        }
        result
    }

    /// Runs the body as the only one of this process, without storing. A stale entry is given if that fails.
    pub(super) async fn load_unstored<B: Body<V, E>>(
        &self,
        mut ticket: Ticket,
        stale: Option<(StaleEntry<V>, Epoch)>,
        body: B,
    ) -> Loaded<V, E> {
        let began = ticket.begin_load();
        let result = self.run_alone(body).await;
        match stale {
            Some(stale) => self.share_or_stale(ticket, began, Some(result), stale),
            None => {
                self.complete_unstored(ticket, began, result.as_ref());
                result
            }
        }
    }

    /// Runs the body without storing or sharing.
    pub(super) async fn run_alone<B: Body<V, E>>(&self, body: B) -> Loaded<V, E> {
        self.counters.loads.increment();
        self.counters.unstored.increment();
        self.record_source(Source::Loaded, Some(Duration::ZERO));
        let started = Instant::now();
        let result = self.run(body).await;
        let took = started.elapsed();
        self.counters.record_load(took);
        tracing::debug!(key = self.key(), ?took, "loaded, not stored");
        result
    }

    /// Gives what is not stored to those who came before the body began.
    pub(super) fn complete_unstored(&self, ticket: Ticket, began: Epoch, result: Loaded<&V, &E>) {
        if !ticket.followed(began) {
            return;
        }
        complete(ticket, began, self.unstored(result));
    }

    /// What is not stored, for those who wait for it; none if they can't be given it.
    pub(super) fn unstored(&self, result: Loaded<&V, &E>) -> Option<SharedResult> {
        match result {
            Loaded::Value(value) => {
                let header = Header {
                    fingerprint: self.type_info.fingerprint,
                    fresh_for: Duration::ZERO,
                    load_time: Duration::ZERO,
                    outlives_freshness: false,
                };
                self.encoder(&[])
                    .encode(value, Token::fresh(), header)
                    .map(|bytes| SharedResult::Entry(bytes.into()))
            }
            Loaded::None => Some(SharedResult::None),
            Loaded::Error(error) => self.errors.share.map(|share| SharedResult::Error(share(error))),
        }
    }
}

/// Gives what is not stored to those who came before the body began.
pub(super) fn complete(ticket: Ticket, began: Epoch, shared: Option<SharedResult>) {
    match shared {
        Some(shared) => ticket.complete(&shared, began),
        None => ticket.fail(began),
    }
}
