//! What the log says of writes that went wrong, however many there are.

use std::time::{Duration, Instant};

use crate::lock::Mutex;

/// Minimum time between two lines of one kind that are above `debug`.
const PAUSE: Duration = Duration::from_secs(10);

/// The kinds of events of one cache that single writes cause.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Keys could not be guarded.
    pub(crate) unguarded: Event,
    /// A write was refused because it lacks a guard.
    pub(crate) refused: Event,
    /// A guard was gone when it was renewed.
    pub(crate) lost: Event,
    /// Invalidations could not be delivered.
    pub(crate) undelivered: Event,
    /// Invalidations were given up.
    pub(crate) given_up: Event,
}

/// When one kind of event was logged last, and how many were left out since then.
#[derive(Debug, Default)]
pub(crate) struct Event(Mutex<Past>);

#[derive(Debug, Default)]
struct Past {
    last: Option<Instant>,
    left_out: u64,
}

impl Event {
    /// Whether this one is logged, and how many were left out before it.
    pub(crate) fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut past = self.0.lock();
        if past.last.is_some_and(|last| now < last + PAUSE) {
            past.left_out += 1;
            return None;
        }
        past.last = Some(now);
        Some(std::mem::take(&mut past.left_out))
    }
}

/// Logs an event of one write. From the first line of an outage to its last these say what it means, and each write is a line at `debug`:
/// also one that failed while the server was away and is told of when it is back. So is an event that comes soon after another of its
/// kind. Else it is one at `warn`.
macro_rules! now_and_then {
    ($cache:expr, $kind:ident, $($event:tt)+) => {
        match (!$cache.store.is_in_outage()).then(|| $cache.events.$kind.due()).flatten() {
            Some(0) => tracing::warn!($($event)+),
            Some(left_out) => tracing::warn!(left_out, $($event)+),
            None => tracing::debug!($($event)+),
        }
    };
}
pub(crate) use now_and_then;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_in_ten_seconds_is_logged_and_says_how_many_were_left_out() {
        let (event, begun) = (Event::default(), Instant::now());
        assert_eq!(event.due_at(begun), Some(0));
        for millis in 0..9_999 {
            assert_eq!(event.due_at(begun + Duration::from_millis(millis)), None);
        }
        assert_eq!(event.due_at(begun + PAUSE), Some(9_999));
        assert_eq!(event.due_at(begun + 2 * PAUSE), Some(0));
    }
}
