//! The fill of an entry, which goes on without its caller.

use std::{
    convert::identity,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    engine::{
        budget::Budget,
        flight::{Epoch, SharedResult, Ticket},
        lease::{StoreRight, while_renewing},
        shared::Shared,
    },
    function::read::ReadFunction,
    patience::{self, in_awake_time},
    store::{LARGE, StoreError},
    thread::Clock,
};

/// Stores a value if the right to do so is still held; `true` if so. Once begun it is to be taken to its end: the token makes a
/// late fill harmless, and giving up would leave the lease in everybody's way.
pub(super) async fn fill(
    cache: Arc<Shared>,
    function: &'static ReadFunction,
    mut held: StoreRight,
    value: Bytes,
    ttl: Duration,
) -> bool {
    let begun = Instant::now();
    let answer = if value.len() > LARGE && cache.store.is_remote() {
        let renewal = held.renew_loop(function.settings.lease);
        while_renewing(cache.clock, pin!(held.fill(value, ttl)), renewal, identity).await
    } else {
        held.fill(value, ttl).await
    };
    let (counters, key, took) = (cache.table.of(function), held.key(), begun.elapsed());
    match answer {
        Ok(true) => {
            counters.stored.one();
            tracing::debug!(key, ?took, ?ttl, "stored");
        }
        Ok(false) => {
            counters.fills_refused.one();
            tracing::debug!(key, ?took, "fill refused: invalidated meanwhile, or the lease was lost");
        }
        Err(ref error) => {
            cache.record_store_error(function, key, "fill", error);
            // The load did not fail: whoever may store next need not wait.
            if *error != StoreError::Listed {
                held.fail();
            }
        }
    }
    answer == Ok(true)
}

/// Completes the flight after the fill: with the epoch of the fill if it was accepted in time, else with that of the body.
pub(super) async fn fill_and_complete(
    filled: impl Future<Output = bool>,
    (clock, within): (Clock, Duration),
    ticket: Ticket,
    shared: SharedResult,
    (began, filling): (Epoch, Epoch),
) {
    let mut filled = pin!(filled);
    let in_time = patience::answer(clock, within, filled.as_mut()).await;
    ticket.complete(&shared, if in_time == Some(true) { filling } else { began });
    if in_time.is_none() {
        filled.await;
    }
}

/// Waits for a fill while there is time. It goes on when that is over, or when the caller goes away.
pub(super) async fn within_budget(
    cache: &Arc<Shared>,
    filled: impl Future<Output = bool> + Send + 'static,
    budget: &mut Budget,
) -> bool {
    let filled = cache.spawn(filled.instrument(tracing::Span::current()));
    let in_time = |within| async move {
        in_awake_time!(cache.clock, within, filled).ok_or(StoreError::Timeout(within))
    };
    matches!(budget.spend(in_time).await, Ok(Ok(true)))
}

/// Begins what the caller does not wait for, and leaves the rest of it to the background. What it sends is sent before anything
/// that the caller does next.
pub(super) async fn begin(cache: &Shared, rest: impl Future<Output = ()> + Send + 'static) {
    let mut rest = Box::pin(rest);
    let ended = poll_fn(|context| Poll::Ready(rest.as_mut().poll(context).is_ready())).await;
    if !ended {
        drop(cache.spawn(rest));
    }
}
