//! The rights of one caller to store several entries: asked for, renewed and given up together.

use std::{future::Future, mem, pin::Pin, sync::Arc, thread::panicking, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    steps::{Ending, Fill, Filled, Renew},
};
use futures_util::future::join_all;

use super::{
    StoreRight,
    given_up::{GivenUp, give_up_again, try_all},
    is_spent, send,
};
use crate::{
    engine::{copies::Met, shared::Shared},
    store::Answer,
};

/// Rights that are held together. Dropping them gives them up with one step a server.
#[derive(Default)]
pub(crate) struct StoreRights(Vec<StoreRight>);

impl FromIterator<StoreRight> for StoreRights {
    fn from_iter<I: IntoIterator<Item = StoreRight>>(rights: I) -> Self {
        StoreRights(rights.into_iter().collect())
    }
}

impl StoreRights {
    /// One by one: each is responsible for itself again.
    pub(crate) fn each(mut self) -> impl Iterator<Item = StoreRight> {
        mem::take(&mut self.0).into_iter()
    }

    pub(crate) fn push(&mut self, right: StoreRight) {
        self.0.push(right);
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.0.iter().map(|right| right.token)
    }
}

impl Drop for StoreRights {
    fn drop(&mut self) {
        let failed = panicking();
        let ended = mem::take(&mut self.0).into_iter().filter(|right| right.ours);
        abandon_all(ended.map(|right| (right.ending(failed), right)).collect());
    }
}

/// The loads of these failed.
pub(crate) fn fail_all(rights: impl IntoIterator<Item = StoreRight>) {
    abandon_all(rights.into_iter().map(|right| (right.ending(true), right)).collect());
}

/// The results of these loads are not to be stored: see [`StoreRight::discard`].
pub(crate) async fn discard_all(rights: impl IntoIterator<Item = StoreRight>) {
    let (copied, rights): (Vec<_>, Vec<_>) = rights.into_iter().partition(|right| right.may_be_copied);
    abandon_all(rights.into_iter().map(|right| (Ending::Discard, right)).collect());
    join_all(copied.into_iter().map(StoreRight::discard)).await;
}

/// Sends the steps that give these rights up, which nobody waits for.
fn abandon_all(mut ended: Vec<(Ending, StoreRight)>) {
    let Some(cache) = ended.first().map(|(_, right)| right.cache.clone()) else { return };
    for (_, right) in &mut ended {
        right.ours = false;
    }
    let hold = ended.iter().map(|(_, right)| right.hold).max().unwrap_or_default();
    let given_up: Vec<GivenUp> = ended.iter().map(|(ending, right)| right.given_up(*ending)).collect();
    let shared = cache.clone();
    send(&cache, async move {
        let left = try_all(&shared, given_up).await;
        let (weak, clock) = (Arc::downgrade(&shared), shared.clock);
        drop(shared);
        give_up_again(weak, clock, left, hold).await;
    });
}

/// Renews rights until all of them are lost; nothing if there are none.
pub(crate) fn renew_all<'a>(
    cache: &Arc<Shared>,
    rights: impl Iterator<Item = &'a StoreRight>,
    hold: Duration,
) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
    let mut rights: Vec<(Arc<str>, Token)> = rights.map(|right| (right.key.clone(), right.token)).collect();
    if rights.is_empty() {
        return None;
    }
    let cache = cache.clone();
    Some(Box::pin(async move {
        while !rights.is_empty() {
            cache.clock.sleep(hold / 3).await;
            let keys: Vec<&str> = rights.iter().map(|(key, _)| &**key).collect();
            let steps = rights.iter().map(|(_, token)| Renew { token: *token, hold }).collect();
            let answers = cache.store.run_all_of_load(&keys, steps, cache.timeout.min(hold)).await;
            let mut answers = answers.into_iter();
            // The loads go on; the fills of those that are lost will be refused.
            rights.retain(|(key, _)| match answers.next() {
                Some(Ok(false)) => {
                    tracing::debug!(key = &**key, "it was lost");
                    false
                }
                _ => true,
            });
        }
    }))
}

/// Stores values where the rights to do so are still held: see [`StoreRight::fill`]. Those that are refused while local copies of what
/// they replace may be used are sent again after that.
pub(crate) async fn fill_all(
    cache: &Shared,
    rights: &mut [StoreRight],
    values: &[(Bytes, Duration)],
    met: &Met,
) -> Vec<Answer<Filled>> {
    let within = cache.timeout.max(Duration::from_secs(1));
    let mut answers = vec![Ok(Filled::No); rights.len()];
    let mut due: Vec<usize> = (0..rights.len()).collect();
    loop {
        let step = |index: &usize| {
            let (value, ttl) = &values[*index];
            Fill { token: rights[*index].token, value: value.clone(), ttl: *ttl }
        };
        let steps: Vec<Fill> = due.iter().map(step).collect();
        let keys: Vec<&str> = due.iter().map(|index| &*rights[*index].key).collect();
        let filled = cache.run_all_of_load(&keys, steps, |_| false, within).await;
        let mut longest = None;
        for (index, answer) in mem::take(&mut due).into_iter().zip(filled) {
            rights[index].ours = !is_spent(&answer);
            if let Ok(Filled::Copied(left)) = answer {
                due.push(index);
                longest = longest.max(Some(left));
            }
            answers[index] = answer;
        }
        let Some(left) = longest else { return answers };
        met.set();
        cache.wait_for_copies(left).await;
    }
}
