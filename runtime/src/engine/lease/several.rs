//! The rights of one caller to store several entries: asked for, renewed and given up together.

use std::{future::Future, mem, pin::Pin, sync::Arc, thread::panicking, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    steps::{Abandon, Ending, Fill, Renew},
};

use super::{StoreRight, send};
use crate::{engine::shared::Shared, store::Answer};

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

/// The results of these loads are not to be stored.
pub(crate) fn discard_all(rights: impl IntoIterator<Item = StoreRight>) {
    abandon_all(rights.into_iter().map(|right| (Ending::Discard, right)).collect());
}

/// Sends the steps that give these rights up, which nobody waits for.
fn abandon_all(mut ended: Vec<(Ending, StoreRight)>) {
    let Some(cache) = ended.first().map(|(_, right)| right.cache.clone()) else { return };
    for (_, right) in &mut ended {
        right.ours = false;
    }
    let shared = cache.clone();
    send(&cache, async move {
        let keys: Vec<&str> = ended.iter().map(|(_, right)| right.key()).collect();
        let steps = ended.iter().map(|(ending, right)| Abandon { token: right.token, ending: *ending });
        let _ = shared.store.run_all_of_load(&keys, steps.collect(), shared.timeout).await;
    });
}

/// Renews rights until all of them are lost.
pub(crate) fn renew_all<'a>(
    cache: &Arc<Shared>,
    rights: impl Iterator<Item = &'a StoreRight>,
    hold: Duration,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let cache = cache.clone();
    let mut rights: Vec<(Box<str>, Token)> = rights.map(|right| (right.key.clone(), right.token)).collect();
    Box::pin(async move {
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
    })
}

/// Stores values where the rights to do so are still held: see [`StoreRight::fill`].
pub(crate) async fn fill_all(
    cache: &Shared,
    rights: &mut [StoreRight],
    values: &[(Bytes, Duration)],
) -> Vec<Answer<bool>> {
    let within = cache.timeout.max(Duration::from_secs(1));
    let steps = rights.iter().zip(values).map(|(right, (value, ttl))| Fill {
        token: right.token,
        value: value.clone(),
        ttl: *ttl,
    });
    let steps: Vec<Fill> = steps.collect();
    let keys: Vec<&str> = rights.iter().map(|right| &*right.key).collect();
    let answers = cache.run_all_of_load(&keys, steps, |_| false, within).await;
    for (right, answer) in rights.iter_mut().zip(&answers) {
        right.ours = answer.is_err();
    }
    answers
}
