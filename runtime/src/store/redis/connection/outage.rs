//! What the log says of an outage: one line at `warn` when the server goes away and one when it is back, whatever the number of
//! calls and attempts in between.
//!
//! A connection that was closed says nothing about the server yet, so the first line waits for the next attempt to connect, and has
//! its reason. The last one waits until the invalidations that the outage left behind are delivered, and says how many they were.

use std::{
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{Place, Shared, State};
use crate::{
    owed::{Counted, Owed},
    thread,
};

/// Maximum number of reasons that are logged in one outage.
const REASONS: usize = 8;
/// Maximum time that the last line of an outage waits for the delivery of invalidations.
const DELIVERY: Duration = Duration::from_secs(10);

/// An outage, until its last line is written.
pub(super) struct Outage {
    since: Instant,
    /// What was owed and delivered before it.
    before: Counted,
    /// The reasons that were logged.
    reasons: Vec<String>,
    /// How it ended.
    end: Option<End>,
}

struct End {
    away: Duration,
    /// Where the new connection goes to.
    at: Arc<Place>,
    /// So long it carries nothing but the steps of writes.
    used_in: Duration,
}

impl Shared {
    fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no connection, and the next attempt says why.
    pub(super) fn begin_outage(&self, reason: &str) {
        if let State::Down { reason: known, .. } =
            &mut *self.state.write().unwrap_or_else(PoisonError::into_inner)
        {
            reason.clone_into(known);
        }
        if self.is_apart() {
            return;
        }
        // The one before is over, even if not everything is delivered.
        self.log_end(|_| true);
        self.outage().get_or_insert_with(|| {
            // The end of a connection has counted it; where there never was one, this does.
            let _ = self.outages.compare_exchange(0, 1, Relaxed, Relaxed);
            let before = self.owed.counted();
            Outage { since: Instant::now(), before, reasons: Vec::new(), end: None }
        });
    }

    /// Notes why there is no connection, and logs it once.
    pub(super) fn down(&self, reason: &str) {
        self.begin_outage(reason);
        // Whoever listens to the log may call functions: not under the lock.
        let known = self.outage().as_mut().map(|Outage { reasons, .. }| {
            let (number, is_new) = (reasons.len(), !reasons.iter().any(|known| known == reason));
            let is_new = is_new && number < REASONS;
            if is_new {
                reasons.push(reason.to_owned());
            }
            (number, is_new)
        });
        match known {
            None => tracing::debug!(cache = %self.target, reason, "no further connection"),
            Some((0, true)) => tracing::warn!(
                cache = %self.target,
                reason,
                "cache unreachable, functions run uncached until it is back"
            ),
            Some((_, true)) => tracing::info!(cache = %self.target, reason, "cache still unreachable"),
            Some((_, false)) => {}
        }
    }

    /// There is a connection again. The line that says so is written once the invalidations are delivered.
    pub(super) fn outage_ended(self: &Arc<Self>, at: Arc<Place>, used_in: Duration) {
        let since = match &mut *self.outage() {
            Some(outage) => {
                outage.end = Some(End { away: outage.since.elapsed(), at, used_in });
                outage.since
            }
            None => return,
        };
        if self.owed.left() == 0 {
            return self.log_end(|_| true);
        }
        let (link, owed) = (Arc::downgrade(self), Arc::<Owed>::clone(&self.owed));
        thread::spawn(async move {
            // What is left then is told as it is.
            let _ = tokio::time::timeout(DELIVERY, owed.settled()).await;
            if let Some(link) = link.upgrade() {
                link.log_end(|outage| outage.since == since);
            }
        });
    }

    /// Writes the last line of an outage that has ended, if it is this one.
    fn log_end(&self, is_it: impl FnOnce(&Outage) -> bool) {
        let ended = self.outage().take_if(|outage| outage.end.is_some() && is_it(outage));
        let Some(Outage { before, reasons, end: Some(End { away, at, used_in }), .. }) = ended else {
            return;
        };
        let (owed, delivered) = self.owed.counted().since(before);
        let (cache, at) = (&self.target, &*at.address);
        if reasons.is_empty() && owed == 0 {
            tracing::info!(%cache, at, ?away, ?used_in, "the connection was closed and is a new one");
        } else {
            tracing::warn!(%cache, at, ?away, ?used_in, owed, delivered, "cache reachable again");
        }
    }
}
