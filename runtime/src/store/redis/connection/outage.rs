//! What the log says of an outage: one line at `warn` when the server goes away and one when it is back, whatever the number of
//! calls and attempts in between.
//!
//! A connection that was closed says nothing about the server yet, so the first line waits for the next attempt to connect, and has
//! its reason. The last one waits until the invalidations that the outage left behind are delivered, and says how many they were.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::super::handshake::{Place, Target};
use crate::{
    owed::{Counted, Owed},
    thread,
};

/// Maximum number of reasons that are logged in one outage.
const REASONS: usize = 8;
/// Maximum time that the last line of an outage waits for the delivery of invalidations.
const DELIVERY: Duration = Duration::from_secs(10);

/// The outages of one server.
pub(super) struct OutageLog {
    target: Target,
    /// The keys of the cache whose invalidations could not be delivered, counted.
    owed: Arc<Owed>,
    /// Number of outages so far.
    number: AtomicU64,
    /// The one that the log has not seen the end of.
    open: Mutex<Option<Outage>>,
}

/// An outage, until its last line is written.
struct Outage {
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

impl OutageLog {
    pub(super) fn new(target: Target, owed: Arc<Owed>) -> OutageLog {
        OutageLog { target, owed, number: AtomicU64::new(0), open: Mutex::default() }
    }

    /// Number of outages so far.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }

    /// A connection that was in use has ended.
    pub(super) fn count(&self) {
        self.number.fetch_add(1, Relaxed);
    }

    fn open(&self) -> MutexGuard<'_, Option<Outage>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no connection, and the next attempt says why.
    pub(super) fn begin(&self) {
        // The one before is over, even if not everything is delivered.
        self.log_end(|_| true);
        self.open().get_or_insert_with(|| {
            // The end of a connection has counted it; where there never was one, this does.
            let _ = self.number.compare_exchange(0, 1, Relaxed, Relaxed);
            let before = self.owed.counted();
            Outage { since: Instant::now(), before, reasons: Vec::new(), end: None }
        });
    }

    /// Notes why there is no connection, and logs it once.
    pub(super) fn note(&self, reason: &str) {
        // Whoever listens to the log may call functions: not under the lock.
        let known = self.open().as_mut().map(|Outage { reasons, .. }| {
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
    pub(super) fn end(self: &Arc<Self>, at: Arc<Place>, used_in: Duration) {
        let since = match &mut *self.open() {
            Some(outage) => {
                outage.end = Some(End { away: outage.since.elapsed(), at, used_in });
                outage.since
            }
            None => return,
        };
        if self.owed.left() == 0 {
            return self.log_end(|_| true);
        }
        let (log, owed) = (Arc::downgrade(self), Arc::<Owed>::clone(&self.owed));
        thread::spawn(async move {
            // What is left then is told as it is.
            let _ = tokio::time::timeout(DELIVERY, owed.settled()).await;
            if let Some(log) = log.upgrade() {
                log.log_end(|outage| outage.since == since);
            }
        });
    }

    /// Writes the last line of an outage that has ended, if it is this one.
    fn log_end(&self, is_it: impl FnOnce(&Outage) -> bool) {
        let ended = self.open().take_if(|outage| outage.end.is_some() && is_it(outage));
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
