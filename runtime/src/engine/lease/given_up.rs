//! Telling the store that rights are over, until it has heard.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use cached_aside_protocol::{
    Token,
    steps::{Abandon, Ending},
};

use crate::{
    backoff::Backoff,
    engine::shared::Shared,
    store::{Answer, StoreError},
    thread::Clock,
};

/// The pauses between attempts to give up what the store did not take.
const AGAIN: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// A right that is over, and that the store is to be told of. Until it has been, everybody who asks for the key waits for a load that
/// there is not.
pub(super) struct GivenUp {
    pub(super) key: Arc<str>,
    pub(super) token: Token,
    pub(super) ending: Ending,
}

impl GivenUp {
    fn step(&self) -> Abandon {
        Abandon { token: self.token, ending: self.ending }
    }

    /// How long local copies of what was there may be used; or itself, where the store has not taken it.
    pub(super) async fn try_alone(self, cache: &Shared) -> Result<Option<Duration>, GivenUp> {
        match cache.store.run(&self.key, self.step(), cache.timeout).await {
            Ok(left) => Ok(left),
            Err(error) if is_final(&error) => Ok(None),
            Err(_) => Err(self),
        }
    }
}

/// Whether it needs no further attempt: what is there is somebody else's.
fn is_final(error: &StoreError) -> bool {
    matches!(error, StoreError::Foreign)
}

/// With those that the store has not taken.
pub(super) async fn try_all(cache: &Shared, given_up: Vec<GivenUp>) -> Vec<GivenUp> {
    let keys: Vec<&str> = given_up.iter().map(|given_up| &*given_up.key).collect();
    let steps = given_up.iter().map(GivenUp::step).collect();
    let answers = cache.store.run_all_of_load(&keys, steps, cache.timeout).await;
    let is_left = |answer: &Answer<_>| answer.as_ref().is_err_and(|error| !is_final(error));
    let answered = given_up.into_iter().zip(answers);
    answered.filter(|(_, answer)| is_left(answer)).map(|(given_up, _)| given_up).collect()
}

/// Gives up what the store did not take at once (it was busy, did not know the script, or there was too much for one attempt), until it
/// has, until the rights, which last so long, should be over by themselves, or until nobody has the cache any more. The steps do nothing
/// where somebody else has the right.
pub(super) async fn give_up_again(weak: Weak<Shared>, clock: Clock, mut left: Vec<GivenUp>, hold: Duration) {
    let (begun, mut pauses) = (clock.now(), AGAIN.pauses());
    let mut goes_on = false;
    while !left.is_empty() {
        if !goes_on {
            clock.sleep(pauses.next_pause()).await;
        }
        let Some(cache) = weak.upgrade() else { return };
        if clock.now().saturating_duration_since(begun) >= hold {
            return;
        }
        let before = left.len();
        left = try_all(&cache, left).await;
        goes_on = left.len() < before;
    }
}
