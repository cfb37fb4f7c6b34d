//! The log of outages: one line at `warn` when the server becomes unreachable and one when it is back, however many calls and attempts
//! there are in between.
//!
//! A closed connection says nothing about the server yet, so the first line waits for the next attempt to connect and has its reason.
//! The last line waits until the invalidations that the outage left behind are delivered, and has their number.

use std::{
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{
    lock::Mutex,
    owed::{Counted, Owed},
    thread,
};

/// Maximum number of reasons that are logged in one outage.
const REASONS: usize = 8;
/// How long the last line of an outage waits for the delivery of invalidations.
const DELIVERY: Duration = Duration::from_secs(10);

/// The outages of one server, or of a cluster none of whose nodes is known.
pub(super) struct OutageLog {
    /// What is unreachable, without secrets.
    cache: String,
    /// Counts the invalidations of the cache that could not be delivered.
    owed: Arc<Owed>,
    /// Number of outages so far.
    number: AtomicU64,
    /// The outage whose last line is not written yet.
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
    /// The address of the new connection.
    at: String,
    /// How long only steps of writes are sent after it.
    used_in: Duration,
}

impl OutageLog {
    pub(super) fn new(cache: String, owed: Arc<Owed>) -> OutageLog {
        OutageLog { cache, owed, number: AtomicU64::new(0), open: Mutex::default() }
    }

    /// Number of outages so far.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }

    /// Whether there is one whose last line is not written yet.
    pub(super) fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// The last reason of one that goes on, and since when it does.
    pub(super) fn reason(&self) -> Option<(String, Instant)> {
        let open = self.open();
        let outage = open.as_ref().filter(|outage| outage.end.is_none())?;
        Some((outage.reasons.last()?.clone(), outage.since))
    }

    /// Counts the end of a connection that was in use.
    pub(super) fn count(&self) {
        self.number.fetch_add(1, Relaxed);
    }

    fn open(&self) -> MutexGuard<'_, Option<Outage>> {
        self.open.lock()
    }

    /// The connection is down; the next attempt to connect gives the reason.
    pub(super) fn begin(&self) {
        // The previous outage is over, even if not everything is delivered.
        self.log_end(|_| true);
        self.open().get_or_insert_with(|| {
            // The end of a connection has been counted; the outage of a server that was never reached is counted here.
            let _ = self.number.compare_exchange(0, 1, Relaxed, Relaxed);
            let before = self.owed.counted();
            Outage { since: Instant::now(), before, reasons: Vec::new(), end: None }
        });
    }

    /// Notes why the connection is down, and logs each reason once.
    pub(super) fn note(&self, reason: &str) {
        // A subscriber of the log may call annotated functions: not under the lock.
        let known = self.open().as_mut().map(|Outage { reasons, .. }| {
            let (number, is_new) = (reasons.len(), !reasons.iter().any(|known| known == reason));
            let is_new = is_new && number < REASONS;
            if is_new {
                reasons.push(reason.to_owned());
            }
            (number, is_new)
        });
        match known {
            None => tracing::debug!(cache = self.cache, reason, "no dedicated connection"),
            Some((0, true)) => tracing::warn!(
                cache = self.cache,
                reason,
                "cache unreachable, functions run uncached until it is back"
            ),
            Some((_, true)) => tracing::info!(cache = self.cache, reason, "cache still unreachable"),
            Some((_, false)) => {}
        }
    }

    /// The connection is up again. The line that says so is written once the invalidations are delivered.
    pub(super) fn end(self: &Arc<Self>, at: &str, used_in: Duration) {
        let since = match &mut *self.open() {
            Some(outage) => {
                outage.end = Some(End { away: outage.since.elapsed(), at: at.to_owned(), used_in });
                outage.since
            }
            None => return,
        };
        if self.owed.left() == 0 {
            return self.log_end(|_| true);
        }
        let (log, owed) = (Arc::downgrade(self), Arc::<Owed>::clone(&self.owed));
        thread::spawn(async move {
            // At a timeout the line has the numbers so far.
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
        let cache = &self.cache;
        // Without a reason there was no first line: the next attempt to connect succeeded.
        if !reasons.is_empty() {
            tracing::warn!(cache, at, ?away, ?used_in, owed, delivered, "cache reachable again");
        } else if owed > 0 {
            tracing::warn!(
                cache,
                at,
                ?away,
                ?used_in,
                owed,
                delivered,
                "reconnected after the connection was closed"
            );
        } else {
            tracing::info!(cache, at, ?away, ?used_in, "reconnected after the connection was closed");
        }
    }
}
