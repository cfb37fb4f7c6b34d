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
use cached_aside_protocol::{format::LONGEST_LOCAL, steps::Filled};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    engine::{
        budget::Budget,
        copies::Met,
        flight::{Epoch, SharedResult, Ticket},
        lease::{
            StoreRight,
            several::{self, StoreRights, renew_all},
            while_renewing,
        },
        shared::Shared,
    },
    function::read::ReadFunction,
    patience::{self, in_awake_time},
    store::{Answer, LARGE, StoreError},
    thread::Clock,
};

/// Stores a value if the right to do so is still held; `true` if so. Once begun it is to be taken to its end: the token makes a
/// late fill harmless, and giving up would leave the lease in everybody's way.
pub(super) async fn fill(
    cache: Arc<Shared>,
    function: &'static ReadFunction,
    mut held: StoreRight,
    (value, ttl): (Bytes, Duration),
    met: Met,
) -> bool {
    let begun = Instant::now();
    let mut answer = if value.len() > LARGE && cache.store.is_remote() {
        let renewal = held.renew_loop();
        while_renewing(cache.clock, pin!(held.fill(value.clone(), ttl)), renewal, identity).await
    } else {
        held.fill(value.clone(), ttl).await
    };
    if let Ok(Filled::Copied(left)) = answer {
        met.set();
        answer = fill_after_copies(&cache, &mut held, (value, ttl), left).await;
    }
    if is_to_be_given_up(&cache, function, held.key(), &answer, (begun.elapsed(), ttl)) {
        held.fail();
    }
    answer == Ok(Filled::Yes)
}

/// Stores a value in the place of one of which local copies may be used for as long as `left` says. The refresh is kept meanwhile, and
/// while it runs no copy is registered.
async fn fill_after_copies(
    cache: &Shared,
    held: &mut StoreRight,
    (value, ttl): (Bytes, Duration),
    mut left: Duration,
) -> Answer<Filled> {
    let renewal = held.renew_loop();
    let again = async {
        loop {
            tracing::debug!(key = held.key(), ?left, "a refresh waits for local copies");
            cache.wait_for_copies(left).await;
            match held.fill(value.clone(), ttl).await {
                Ok(Filled::Copied(more)) => left = more,
                answer => return answer,
            }
        }
    };
    while_renewing(cache.clock, pin!(again), renewal, identity).await
}

/// Counts and logs a fill; `true` if its right is to be given up.
fn is_to_be_given_up(
    cache: &Shared,
    function: &'static ReadFunction,
    key: &str,
    answer: &Answer<Filled>,
    (took, ttl): (Duration, Duration),
) -> bool {
    let counters = cache.table.of(function);
    match answer {
        Ok(Filled::Yes) => {
            counters.stored.increment();
            tracing::debug!(key, ?took, ?ttl, "stored");
            false
        }
        // A fill that met local copies is sent again until it meets none.
        Ok(Filled::No | Filled::Copied(_)) => {
            counters.fills_refused.increment();
            tracing::debug!(key, ?took, "fill refused: invalidated meanwhile, or the lease was lost");
            false
        }
        Err(error) => {
            cache.record_store_error(function, key, "fill", error);
            // The load did not fail: whoever may store next need not wait.
            *error != StoreError::Listed
        }
    }
}

/// A value to be stored, and what becomes of its flight.
pub(super) struct Filling {
    pub(super) held: StoreRight,
    pub(super) value: Bytes,
    pub(super) ttl: Duration,
    /// The flight, and the epochs of the body and of the fill. None where nobody waits for a refresh.
    pub(super) ticket: Option<(Ticket, Epoch, Epoch)>,
}

/// Stores several values: see [`fill`]. Completes the flights within the time, with those of the fills for what was accepted.
pub(super) async fn fill_all(
    cache: Arc<Shared>,
    function: &'static ReadFunction,
    fillings: Vec<Filling>,
    within: Duration,
    met: Met,
) -> Vec<bool> {
    let (mut rights, mut values, mut tickets) = (Vec::new(), Vec::new(), Vec::new());
    for Filling { held, value, ttl, ticket } in fillings {
        rights.push(held);
        values.push((value, ttl));
        tickets.push(ticket);
    }
    let started = Instant::now();
    let large = cache.store.is_remote() && values.iter().any(|(value, _)| value.len() > LARGE);
    let renewal = renew_all(
        &cache,
        rights.iter().filter(|right| large || right.may_be_copied),
        function.settings.lease,
    );
    let answers = {
        let filled = pin!(several::fill_all(&cache, &mut rights, &values, &met));
        let mut filled = pin!(async {
            match renewal {
                Some(renewal) => while_renewing(cache.clock, filled, renewal, identity).await,
                None => filled.await,
            }
        });
        let in_time = patience::answer(cache.clock, within, filled.as_mut()).await;
        for (index, ticket) in tickets.into_iter().enumerate() {
            let Some((ticket, began, filling)) = ticket else { continue };
            let accepted = in_time.as_ref().is_some_and(|answers| answers[index] == Ok(Filled::Yes));
            let shared = SharedResult::Entry(values[index].0.clone());
            ticket.complete(&shared, if accepted { filling } else { began });
        }
        match in_time {
            Some(answers) => answers,
            None => filled.await,
        }
    };
    let took = started.elapsed();
    let (mut given_up, mut others) = (Vec::new(), StoreRights::default());
    for ((held, answer), (_, ttl)) in rights.into_iter().zip(&answers).zip(&values) {
        if is_to_be_given_up(&cache, function, held.key(), answer, (took, *ttl)) {
            given_up.push(held);
        } else {
            others.push(held);
        }
    }
    several::fail_all(given_up);
    answers.into_iter().map(|answer| answer == Ok(Filled::Yes)).collect()
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

/// Stores a value, and waits for that while there is time. It goes on when that is over, or when the caller goes away.
pub(super) async fn fill_within(
    budget: &mut Budget,
    cache: &Arc<Shared>,
    function: &'static ReadFunction,
    held: StoreRight,
    entry: (Bytes, Duration),
) -> bool {
    let met = Met::default();
    let filled = fill(cache.clone(), function, held, entry, met.clone());
    within_budget(budget, cache, &met, filled).await.unwrap_or_default()
}

/// Waits for a refill while there is time. Where it has met local copies it waits for the end of those as well, since somebody could be
/// given one after what the caller is given, which is newer.
pub(super) async fn within_budget<T: Send + 'static>(
    budget: &mut Budget,
    cache: &Arc<Shared>,
    met: &Met,
    filled: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let mut filled = cache.spawn(filled.instrument(tracing::Span::current()));
    let in_time =
        async |within| in_awake_time!(cache.clock, within, &mut filled).ok_or(StoreError::Timeout(within));
    let mut answer = budget.spend(in_time).await.ok();
    if answer.is_none() && met.is_set() {
        answer = in_awake_time!(cache.clock, LONGEST_LOCAL + cache.timeout, &mut filled);
        // What follows has the time of a call again.
        *budget = Budget::new(cache.timeout);
    }
    answer.and_then(Result::ok)
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
