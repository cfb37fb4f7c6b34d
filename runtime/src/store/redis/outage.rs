//! The log of outages: one line at `warn` when the server becomes unreachable and one when it is back, however many calls and attempts
//! there are in between.
//!
//! A closed connection says nothing about the server yet, so the first line waits for the next attempt to connect and has its reason.
//! The last line waits until the invalidations that the outage left behind are delivered, and has their number. A node of a cluster that
//! is replaced by another is not back, and its last line says so.

use std::{
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
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
    /// The cluster goes on without the server: attempts that are still on their way say nothing. Changed under the lock of `open`.
    replaced: AtomicBool,
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
    /// Where it is back.
    back: Option<Back>,
}

/// A new connection. There is none to a node that others of its cluster have replaced.
struct Back {
    /// Its address.
    at: String,
    /// How long only steps of writes are sent after it.
    used_in: Duration,
}

impl OutageLog {
    pub(super) fn new(cache: String, owed: Arc<Owed>) -> OutageLog {
        OutageLog {
            cache,
            owed,
            number: AtomicU64::new(0),
            open: Mutex::default(),
            replaced: AtomicBool::new(false),
        }
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
        if self.replaced.load(Relaxed) {
            return;
        }
        self.log_end(|_| true);
        let mut open = self.open();
        if self.replaced.load(Relaxed) {
            return;
        }
        open.get_or_insert_with(|| {
            // The end of a connection has been counted; the outage of a server that was never reached is counted here.
            let _ = self.number.compare_exchange(0, 1, Relaxed, Relaxed);
            let before = self.owed.counted();
            Outage { since: Instant::now(), before, reasons: Vec::new(), end: None }
        });
    }

    /// Notes why the connection is down, and logs each reason once.
    pub(super) fn note(&self, reason: &str) {
        // A subscriber of the log may call annotated functions: not under the lock.
        let known =
            self.open().as_mut().filter(|outage| outage.end.is_none()).map(|Outage { reasons, .. }| {
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
        self.end_with(|| Some(Back { at: at.to_owned(), used_in }));
    }

    /// The cluster goes on without the node.
    pub(super) fn replaced(self: &Arc<Self>) {
        self.end_with(|| None);
    }

    fn end_with(self: &Arc<Self>, back: impl FnOnce() -> Option<Back>) {
        let (mut open, back) = (self.open(), back());
        self.replaced.store(back.is_none(), Relaxed);
        let since = match &mut *open {
            Some(outage) => {
                outage.end.get_or_insert_with(|| End { away: outage.since.elapsed(), back });
                outage.since
            }
            None => return,
        };
        drop(open);
        if self.owed.left() == 0 {
            return self.log_end(|_| true);
        }
        // Nobody else may have it any more.
        let (log, owed) = (Arc::clone(self), Arc::<Owed>::clone(&self.owed));
        thread::spawn(async move {
            // At a timeout the line has the numbers so far.
            let _ = tokio::time::timeout(DELIVERY, owed.settled()).await;
            log.log_end(|outage| outage.since == since);
        });
    }

    /// Writes the last line of an outage that has ended, if it is this one.
    fn log_end(&self, is_it: impl FnOnce(&Outage) -> bool) {
        let ended = self.open().take_if(|outage| outage.end.is_some() && is_it(outage));
        let Some(Outage { before, reasons, end: Some(End { away, back }), .. }) = ended else { return };
        let (owed, delivered) = self.owed.counted().since(before);
        let cache = &self.cache;
        // Without a reason there was no first line: the next attempt to connect succeeded.
        let is_announced = !reasons.is_empty();
        let Some(Back { at, used_in }) = back else {
            if is_announced || owed > 0 {
                tracing::warn!(cache, ?away, owed, delivered, "replaced by another node of the cluster");
            }
            return;
        };
        if is_announced {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One may be on its way when the topology without the node arrives.
    #[test]
    fn an_attempt_to_connect_to_a_replaced_node_begins_no_outage() {
        let log = Arc::new(OutageLog::new("a:1".to_owned(), Arc::default()));
        let fails = || {
            log.begin();
            log.note("connection refused");
            log.is_open()
        };
        assert!(fails());
        log.replaced();
        assert!(!log.is_open() && !fails());
        // It is part of the cluster again.
        log.end("a:1", Duration::ZERO);
        assert!(fails());
    }
}
