//! Outages of the server, and what they leave behind: writes of other processes that were not announced.
//!
//! While the server is away every process writes without guards and owes it the deletions. Whoever is back first would be given
//! what is still to be deleted, and store what others are still writing. So after an outage a connection carries the steps of
//! writes at once, and everything else only when every process has had the time to come back too and to deliver what it owes.
//!
//! A connection that was merely closed, where the same server answers the first attempt to connect again, is no outage: nobody
//! else has noticed anything.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::backoff::DELIVERY;

use super::limits::{Limits, RECONNECT};

/// What is known of the server of one link, from one connection to the next.
#[derive(Debug, Default)]
pub(super) struct Away(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The run of the server that the last connection went to; `None` before the first one, or where it is not told.
    run: Option<String>,
    /// There has been a connection.
    connected: bool,
    /// The server was not there, or not in order, since then.
    away: bool,
    /// Attempts to connect got no answer at all, so that those of others may take as long.
    hung: bool,
    /// Until then not everybody needs to be back.
    until: Option<Instant>,
}

impl Away {
    /// The connection was lost because it was closed, which says nothing about the server yet, or for another reason.
    pub(super) fn lost(&self, closed: bool) {
        self.known().away |= !closed;
    }

    /// An attempt to connect failed, or had no answer.
    pub(super) fn failed(&self, hung: bool) {
        let mut known = self.known();
        known.away = true;
        known.hung |= hung;
    }

    /// There is a connection, to this run of the server. Until when the server is not to be read, nor to store anything.
    pub(super) fn back(&self, run: Option<String>, limits: Limits, now: Instant) -> Option<Instant> {
        let mut known = self.known();
        let same = run.is_some() && run == known.run;
        let away = known.away || (known.connected && !same);
        let attempt = if known.hung { limits.connect } else { Duration::ZERO };
        let begun = away.then(|| now + attempt + RECONNECT.longest() + DELIVERY.longest());
        let until = begun.max(known.until).filter(|until| *until > now);
        *known = Known { run, connected: true, away: false, hung: false, until };
        until
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { connect: Duration::from_secs(1), call: Duration::from_millis(250), in_flight: 8, value: 0 };

    /// There is a connection to this run, so much later. How long the server is not used.
    fn back(away: &Away, run: Option<&str>, later: Duration) -> Option<Duration> {
        let now = Instant::now() + later;
        away.back(run.map(str::to_owned), LIMITS, now).map(|until| until - now)
    }

    const LATER: Duration = Duration::from_secs(10);

    #[test]
    fn a_connection_that_was_closed_is_no_outage_where_the_same_server_answers() {
        let away = Away::default();
        assert_eq!(back(&away, Some("one"), Duration::ZERO), None, "the first connection");
        away.lost(true);
        assert_eq!(back(&away, Some("one"), Duration::ZERO), None);
    }

    /// What it is called, what happens, and the run of the server that answers then.
    type Begun = (&'static str, fn(&Away), Option<&'static str>);

    #[test]
    fn whatever_others_may_have_noticed_is_an_outage() {
        let most = Duration::from_secs(1);
        let began: [Begun; 5] = [
            ("it did not answer", |away| away.lost(false), Some("one")),
            ("it could not be reached", |away| (away.lost(true), away.failed(false)).1, Some("one")),
            ("it was restarted", |away| away.lost(true), Some("two")),
            ("nobody says whether it was restarted", |away| away.lost(true), None),
            ("another took its address", |_| {}, Some("two")),
        ];
        for (what, happens, then) in began {
            let away = Away::default();
            back(&away, Some("one"), Duration::ZERO);
            happens(&away);
            let closed = back(&away, then, Duration::ZERO).expect(what);
            assert!(closed >= RECONNECT.longest() && closed <= most, "{what}: {closed:?}");
            if then.is_some() {
                away.lost(true);
                assert!(
                    back(&away, then, Duration::ZERO).is_some(),
                    "{what}: a lost connection does not end it"
                );
                away.lost(true);
                assert_eq!(back(&away, then, LATER), None, "{what}: it is over");
            }
        }
    }

    #[test]
    fn a_server_that_was_away_from_the_start_may_have_been_there_for_others() {
        let away = Away::default();
        away.failed(false);
        assert!(back(&away, Some("one"), Duration::ZERO).is_some());
    }

    #[test]
    fn others_whose_attempts_hang_are_waited_for() {
        let away = Away::default();
        back(&away, Some("one"), Duration::ZERO);
        away.failed(true);
        assert!(back(&away, Some("one"), Duration::ZERO).expect("an outage") > LIMITS.connect);
    }
}
