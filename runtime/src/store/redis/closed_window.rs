//! The closed window after an outage: until it ends, only writes are sent.
//!
//! While the server is unreachable every process writes without guards and owes it the deletions. A process that reconnects first could
//! read entries that others still have to delete, and store values that others have changed. So after an outage a connection takes
//! the steps of writes at once, and everything else only after every process has had the time to reconnect and to deliver its
//! invalidations.
//!
//! A connection that was merely closed, where the same server answers the first attempt to reconnect, is no outage: no other process
//! has noticed anything.

use std::{
    sync::MutexGuard,
    time::{Duration, Instant},
};

use crate::{backoff::DELIVERY, lock::Mutex};

use super::limits::{Limits, RECONNECT};

/// What is known about one server, across its connections.
#[derive(Debug, Default)]
pub(super) struct ClosedWindow(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The run of the server that the last connection led to; `None` before the first one, or if the server does not tell.
    run: Option<String>,
    /// There has been a connection.
    connected: bool,
    /// The server has been unreachable or out of order since then.
    in_outage: bool,
    /// An attempt to connect timed out, so those of other processes may take as long.
    hung: bool,
    /// When the window ends.
    until: Option<Instant>,
}

impl ClosedWindow {
    /// The connection was lost: it was closed, which says nothing about the server yet, or failed for another reason.
    pub(super) fn lost(&self, closed: bool) {
        self.known().in_outage |= !closed;
    }

    /// An attempt to connect failed, or timed out.
    pub(super) fn failed(&self, hung: bool) {
        let mut known = self.known();
        known.in_outage = true;
        known.hung |= hung;
    }

    /// The connection is up again and leads to this run of the server. Returns when the window ends, if there is one.
    pub(super) fn back(&self, run: Option<String>, limits: Limits, now: Instant) -> Option<Instant> {
        let mut known = self.known();
        let same = run.is_some() && run == known.run;
        let outage = known.in_outage || (known.connected && !same);
        let attempt = if known.hung { limits.connect } else { Duration::ZERO };
        let begun = outage.then(|| now + attempt + RECONNECT.longest() + DELIVERY.longest());
        let until = begun.max(known.until).filter(|until| *until > now);
        *known = Known { run, connected: true, in_outage: false, hung: false, until };
        until
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { connect: Duration::from_secs(1), call: Duration::from_millis(250), in_flight: 8, value: 0 };

    /// Reconnects to this run, `later` from now. Returns the length of the window.
    fn back(window: &ClosedWindow, run: Option<&str>, later: Duration) -> Option<Duration> {
        let now = Instant::now() + later;
        window.back(run.map(str::to_owned), LIMITS, now).map(|until| until - now)
    }

    const LATER: Duration = Duration::from_secs(10);

    #[test]
    fn a_connection_that_was_closed_is_no_outage_where_the_same_server_answers() {
        let window = ClosedWindow::default();
        assert_eq!(back(&window, Some("one"), Duration::ZERO), None, "the first connection");
        window.lost(true);
        assert_eq!(back(&window, Some("one"), Duration::ZERO), None);
    }

    /// The name of a case, what happens, and the run of the server that answers then.
    type Begun = (&'static str, fn(&ClosedWindow), Option<&'static str>);

    #[test]
    fn whatever_others_may_have_noticed_is_an_outage() {
        let most = Duration::from_secs(1);
        let began: [Begun; 5] = [
            ("it did not answer", |window| window.lost(false), Some("one")),
            ("it could not be reached", |window| (window.lost(true), window.failed(false)).1, Some("one")),
            ("it was restarted", |window| window.lost(true), Some("two")),
            ("nobody says whether it was restarted", |window| window.lost(true), None),
            ("another took its address", |_| {}, Some("two")),
        ];
        for (what, happens, then) in began {
            let window = ClosedWindow::default();
            back(&window, Some("one"), Duration::ZERO);
            happens(&window);
            let closed = back(&window, then, Duration::ZERO).expect(what);
            assert!(closed >= RECONNECT.longest() && closed <= most, "{what}: {closed:?}");
            if then.is_some() {
                window.lost(true);
                assert!(
                    back(&window, then, Duration::ZERO).is_some(),
                    "{what}: a lost connection does not end it"
                );
                window.lost(true);
                assert_eq!(back(&window, then, LATER), None, "{what}: it is over");
            }
        }
    }

    #[test]
    fn a_server_that_was_away_from_the_start_may_have_been_there_for_others() {
        let window = ClosedWindow::default();
        window.failed(false);
        assert!(back(&window, Some("one"), Duration::ZERO).is_some());
    }

    #[test]
    fn others_whose_attempts_hang_are_waited_for() {
        let window = ClosedWindow::default();
        back(&window, Some("one"), Duration::ZERO);
        window.failed(true);
        assert!(back(&window, Some("one"), Duration::ZERO).expect("an outage") > LIMITS.connect);
    }
}
