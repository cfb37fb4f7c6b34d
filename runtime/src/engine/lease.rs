//! The right to store one entry, kept while its load runs.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    thread::panicking,
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    steps::{Ending, Fill, Filled, Renew},
};

use self::given_up::{GivenUp, give_up_again};
use crate::{
    backoff::Backoff,
    engine::shared::Shared,
    store::{Answer, StoreError},
    thread::{Beside, Clock},
};

mod given_up;
pub(crate) mod several;

/// The pauses between refreshes that fail, for all callers of all processes together.
pub(crate) const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// What a load is allowed to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Its lease, under a key that had nothing to be given.
    Lease,
    /// The value that it revalidates, and how many revalidations have failed in a row.
    Revalidate { failures: u8 },
}

/// The right to store one entry: a lease, or a won revalidation. Dropping it gives it up in the background: after a cancellation, a
/// panic, an `Err`, or a result that is not to be stored.
pub(crate) struct StoreRight {
    cache: Arc<Shared>,
    key: Arc<str>,
    pub(crate) token: Token,
    /// The versions of the tags that its entry will carry: read before its body begins.
    pub(crate) versions: Box<[Token]>,
    right: Right,
    /// How long it lasts unless it is renewed.
    hold: Duration,
    /// Whether there may be local copies of the value that it refreshes.
    pub(crate) may_be_copied: bool,
    ours: bool,
}

impl StoreRight {
    pub(crate) fn new(
        cache: &Arc<Shared>,
        key: impl Into<Arc<str>>,
        token: Token,
        right: Right,
        hold: Duration,
    ) -> StoreRight {
        let (cache, key, versions) = (cache.clone(), key.into(), Box::default());
        StoreRight { cache, key, token, versions, right, hold, may_be_copied: false, ours: true }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// It was not granted: dropping it gives nothing up.
    pub(crate) fn disarm(&mut self) {
        self.ours = false;
    }

    /// The step that asks for it failed. Dropping it gives it up, unless the error says that it was not granted.
    pub(crate) fn unanswered(&mut self, error: &StoreError) {
        self.ours = error.is_ambiguous();
    }

    /// Whether it refreshes a value.
    pub(crate) fn is_refresh(&self) -> bool {
        matches!(self.right, Right::Revalidate { .. })
    }

    /// Renews it until it is lost.
    pub(crate) fn renew_loop(&self) -> impl Future<Output = ()> + Send + 'static {
        let StoreRight { token, right, hold, .. } = *self;
        let (cache, key) = (self.cache.clone(), self.key.clone());
        async move {
            let pause = hold / 3;
            loop {
                cache.clock.sleep(pause).await;
                let within = cache.timeout.min(hold);
                match cache.store.run(&key, Renew { token, hold }, within).await {
                    // The load goes on; its fill will be refused.
                    Ok(false) => return tracing::debug!(key = &*key, ?right, "it was lost"),
                    Ok(true) => {}
                    Err(error) => tracing::debug!(key = &*key, ?right, ?error, "it could not be renewed"),
                }
            }
        }
    }

    /// Stores a value in the place of the lease, or of the value that was refreshed. The right is still held after an error,
    /// and while there is no answer: a server that refuses a value (full memory) would otherwise keep the lease, and others
    /// waiting for it. It is also held while local copies of that value may be used: the fill is to be sent again then.
    pub(crate) async fn fill(&mut self, value: Bytes, ttl: Duration) -> Answer<Filled> {
        // Longer than any caller waits: it costs nobody anything.
        let within = self.cache.timeout.max(Duration::from_secs(1));
        let step = Fill { token: self.token, value, ttl };
        let answer = self.cache.fill(&self.key, step, within).await;
        // Whatever became of a fill without an answer, to give up the right after it harms no value: it bears no lease.
        self.ours = !is_spent(&answer);
        answer
    }

    /// The load failed. A value that it was to revalidate stays, and nobody tries again before a pause is over.
    pub(crate) fn fail(mut self) {
        self.give_up(true);
    }

    /// The result of the load is not to be stored. A value that it was to revalidate is deleted; where there may be local copies of
    /// that, it waits until they are over, if the store takes it at once.
    pub(crate) async fn discard(mut self) {
        if !self.may_be_copied {
            return self.abandon(Ending::Discard);
        }
        self.ours = false;
        let (cache, hold) = (self.cache.clone(), self.hold);
        let given_up = self.given_up(Ending::Discard);
        let discarded = self.cache.spawn(async move {
            match given_up.try_alone(&cache).await {
                Ok(left) => cache.wait_for_copies(left.unwrap_or_default()).await,
                Err(given_up) => {
                    let again = give_up_again(Arc::downgrade(&cache), cache.clock, vec![given_up], hold);
                    drop(cache.spawn(again));
                }
            }
        });
        // It is carried out to its end also where the caller goes away.
        let _ = discarded.await;
    }

    fn give_up(&mut self, failed: bool) {
        self.abandon(self.ending(failed));
    }

    fn given_up(&self, ending: Ending) -> GivenUp {
        GivenUp { key: self.key.clone(), token: self.token, ending }
    }

    /// What becomes of the entry when it is given up.
    fn ending(&self, failed: bool) -> Ending {
        let (failures, pause) = match self.right {
            Right::Lease => (0, Duration::ZERO),
            Right::Revalidate { failures } if failed => {
                let failures = failures.saturating_add(1);
                (failures, RETRY.pause_after(failures))
            }
            Right::Revalidate { failures } => (failures, Duration::ZERO),
        };
        Ending::BackOff { failures, pause }
    }

    /// Sends a step that nobody waits for.
    fn abandon(&mut self, ending: Ending) {
        self.ours = false;
        let (cache, given_up, hold) = (self.cache.clone(), self.given_up(ending), self.hold);
        send(&self.cache, async move {
            if let Err(given_up) = given_up.try_alone(&cache).await {
                let (weak, clock) = (Arc::downgrade(&cache), cache.clock);
                drop(cache);
                give_up_again(weak, clock, vec![given_up], hold).await;
            }
        });
    }
}

/// Whether the right is over after this answer to a fill.
fn is_spent(answer: &Answer<Filled>) -> bool {
    matches!(answer, Ok(Filled::Yes | Filled::No))
}

/// Sends a step that nobody waits for.
fn send(cache: &Arc<Shared>, ending: impl Future<Output = ()> + Send + 'static) {
    let mut ending = Box::pin(ending);
    // Begun here, so that it takes the same way as what asked for the right, and does not overtake that.
    let sent =
        cache.store.is_remote() && ending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    if !sent {
        drop(cache.spawn(ending));
    }
}

impl Drop for StoreRight {
    fn drop(&mut self) {
        if self.ours {
            // A body that panics would do so for every caller.
            self.give_up(panicking());
        }
    }
}

/// Runs a body to its end, and then what is made of its result, while something else is kept up. That runs on the library's
/// thread: the body may block its own, and so does the encoding of a large value.
pub(crate) async fn while_renewing<T, U>(
    clock: Clock,
    mut body: Pin<&mut impl Future<Output = T>>,
    renewal: impl Future<Output = ()> + Send + 'static,
    then: impl FnOnce(T) -> U,
) -> U {
    if !clock.is_paused() {
        let _renewing = Beside::begin(clock, renewal);
        return then(body.await);
    }
    let mut renewal = pin!(renewal);
    let mut renewing = true;
    let result = poll_fn(|context| {
        if let Poll::Ready(result) = body.as_mut().poll(context) {
            return Poll::Ready(result);
        }
        if renewing && renewal.as_mut().poll(context).is_ready() {
            renewing = false;
        }
        Poll::Pending
    })
    .await;
    then(result)
}
