//! The right to store one entry, kept while its load runs.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use crate::{cache::Inner, entry::Token, store::Answer};

/// A lease of ours. Dropping it gives it up, in the background: by cancellation, panic, `Err`, or a result not to be stored.
pub(crate) struct HeldLease {
    cache: Arc<Inner>,
    key: Box<str>,
    pub(crate) token: Token,
    held: bool,
}

impl HeldLease {
    pub(crate) fn new(cache: &Arc<Inner>, key: &str, token: Token) -> HeldLease {
        HeldLease { cache: cache.clone(), key: key.into(), token, held: true }
    }

    /// Renews the lease for ever.
    pub(crate) fn keep(&self, lease: Duration) -> impl Future<Output = ()> + Send + 'static {
        let (cache, key, token) = (self.cache.clone(), self.key.clone(), self.token);
        async move {
            let pause = lease / 3;
            loop {
                sleep(pause).await;
                match cache.store.renew(&key, token, lease, cache.timeout.min(lease)).await {
                    // The load goes on; its fill will be refused.
                    Ok(false) => return tracing::debug!(key = &*key, "the lease was lost"),
                    Ok(true) => {}
                    Err(error) => tracing::debug!(key = &*key, ?error, "the lease could not be renewed"),
                }
            }
        }
    }

    /// Stores a value in the place of the lease.
    pub(crate) async fn fill(mut self, value: Arc<Vec<u8>>, ttl: Duration) -> Answer<bool> {
        self.held = false;
        // Longer than any caller waits: it costs nobody anything.
        let within = self.cache.timeout.max(Duration::from_secs(1));
        self.cache.store.fill(&self.key, self.token, &value, ttl, within).await
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        // Outside a runtime nothing can be sent; the lease then ends by itself.
        let (true, Ok(runtime)) = (self.held, Handle::try_current()) else { return };
        let (cache, key, token) = (self.cache.clone(), self.key.clone(), self.token);
        let abandon = async move { cache.store.abandon(&key, token, cache.timeout).await };
        drop(self.cache.spawn(&runtime, abandon));
    }
}

/// Runs a body to its end while something else is kept up beside it.
pub(crate) async fn while_renewing<T>(
    mut body: Pin<&mut impl Future<Output = T>>,
    renewal: impl Future<Output = ()>,
) -> T {
    let mut renewal = pin!(renewal);
    let mut renewing = true;
    poll_fn(|context| {
        if let Poll::Ready(result) = body.as_mut().poll(context) {
            return Poll::Ready(result);
        }
        if renewing && renewal.as_mut().poll(context).is_ready() {
            renewing = false;
        }
        Poll::Pending
    })
    .await
}
