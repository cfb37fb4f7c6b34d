//! How a connection comes, is looked after, and goes.

use std::{
    sync::{
        Arc, PoisonError, Weak,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
            fence,
        },
    },
    time::{Duration, Instant},
};

use redis::{PushInfo, PushKind, Value};
use tokio::time::sleep;

use super::{
    super::{
        handshake::{Opened, Place},
        limits::RECONNECT,
    },
    Role, Shared, State, TRY_AGAIN, Up, follow,
};
use crate::{
    patience::in_awake_time,
    thread::{self, Clock},
};

impl Shared {
    /// Tries the present connection in the background, as a new one is tried: rights may have been taken away. It is given up
    /// if it fails. What was refused may also be something that we can do without, or somebody else's key.
    pub(super) fn try_again(self: &Arc<Self>, number: u64) {
        let mut connection = match &*self.state() {
            State::Up(up) if up.number == number => up.connection.clone(),
            _ => return,
        };
        let Some(task) = self.begin(|link| &link.trying) else { return };
        let (trial, within) = (self.trial.clone(), self.limits.call);
        thread::spawn(async move {
            let verdict = in_awake_time!(Clock::Real, within, trial.hold(&mut connection));
            if let (Some(Err(reason)), Some(link)) = (verdict, task.0.upgrade()) {
                link.lost(number, &reason);
            }
            // While it stays as it is, refusals cost no more than one trial in this time.
            sleep(TRY_AGAIN).await;
        });
    }

    /// Asks for a sign of life in the background, and gives the connection up where there is none.
    pub(super) fn probe(self: &Arc<Self>, up: &Up) {
        let Some(task) = self.begin(|link| &link.probing) else { return };
        let mut up = up.clone();
        // Whoever asks knows by then on a connection that is in order; the rest of the time is for a new one.
        let within = self.limits.call / 2;
        thread::spawn(async move {
            let ping = redis::cmd("PING");
            let answer = in_awake_time!(Clock::Real, within, ping.exec_async(&mut up.connection));
            let Some(link) = task.0.upgrade() else { return };
            // A runtime's own is dialled there.
            if answer.is_none() && (link.is_own() || !link.replace(up.number).await) {
                link.lost(up.number, "the server stopped answering");
            }
            for silences in [&link.timeouts, &link.abandoned] {
                silences.store(0, Relaxed);
            }
        });
    }

    /// Puts a new connection in the place of a silent one, if there is one in the time of a call. Those who still wait for an
    /// answer on the old one may go on doing so.
    pub(super) async fn replace(self: &Arc<Self>, silent: u64) -> bool {
        let _alone = self.dialling.lock().await;
        if !self.uses(silent) {
            return true;
        }
        let Some(Ok(opened)) = self.open(self.limits.call).await else { return false };
        if self.astray(&opened.place).is_some() {
            return false;
        }
        tracing::debug!(cache = %self.dialer.target(), "a connection that stopped answering was replaced");
        self.put(opened);
        // Nobody announces changes on the old one for much longer.
        self.watches.all_changed();
        true
    }

    /// The server is of no use any more over the connection with this number.
    pub(in super::super) fn lost(self: &Arc<Self>, number: u64, reason: &str) {
        self.leave(number, reason, false);
    }

    /// The connection with this number was closed, which says nothing about the server yet.
    pub(in super::super) fn closed(self: &Arc<Self>, number: u64, reason: &str) {
        self.leave(number, reason, true);
    }

    /// There is no connection, and the next attempt says why.
    pub(super) fn begin_outage(&self, reason: &str) {
        if let State::Down { reason: known, .. } =
            &mut *self.state.write().unwrap_or_else(PoisonError::into_inner)
        {
            reason.clone_into(known);
        }
        if !self.is_apart() {
            self.outages.begin();
        }
    }

    /// There is no connection, for this reason.
    pub(super) fn down(&self, reason: &str) {
        self.begin_outage(reason);
        self.outages.note(reason);
    }

    fn leave(self: &Arc<Self>, number: u64, reason: &str, closed: bool) {
        // First, so that whoever puts it in use later finds it.
        self.ended.store(number, SeqCst);
        if !self.end(number, reason) {
            return;
        }
        if self.is_own() {
            self.ask_lasting();
            return;
        }
        self.away.lost(closed);
        self.end_others(reason);
        if closed {
            self.begin_outage(reason);
        } else {
            self.down(reason);
        }
        self.keep_connecting();
    }

    /// Takes the connection with this number out of use; `false` if it is not in use.
    pub(super) fn end(&self, number: u64, reason: &str) -> bool {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if !matches!(&*state, State::Up(up) if up.number == number) {
                return false;
            }
            *state = State::Down { reason: reason.to_owned(), since: Instant::now() };
            if self.is_lasting() {
                self.outages.count();
            }
        }
        self.watches.all_changed();
        true
    }

    /// What the server says without being asked, on the connection with this number.
    pub(super) fn receive(self: &Arc<Self>, number: u64, push: PushInfo) {
        match (push.kind, push.data.into_iter().next()) {
            (PushKind::Invalidate, Some(Value::Array(keys))) => {
                for key in keys {
                    if let Value::BulkString(key) = key
                        && let Ok(key) = std::str::from_utf8(&key)
                    {
                        self.watches.changed(key);
                    }
                }
            }
            // `FLUSHALL` and `FLUSHDB` name no keys.
            (PushKind::Invalidate, _) => self.watches.all_changed(),
            (PushKind::Disconnection, _) => self.closed(number, "the connection was closed"),
            _ => {}
        }
    }

    /// Connects in the background until it has succeeded, unless somebody is doing so.
    pub(super) fn keep_connecting(self: &Arc<Self>) {
        // A runtime's own is dialled there.
        if self.is_own() {
            return;
        }
        let Some(task) = self.begin(|link| &link.connecting) else { return };
        thread::spawn(async move {
            let mut pauses = RECONNECT.pauses();
            loop {
                sleep(pauses.next_pause()).await;
                // The last cache has gone: so may this.
                let Some(link) = task.0.upgrade() else { return };
                // One beside a lasting one that is lost is not needed before the next call.
                if !link.has_company() {
                    return;
                }
                match link.connect().await {
                    Ok(()) => {
                        drop(task);
                        // One that was lost before this task was over found that somebody connects already.
                        if link.present().is_none() {
                            link.keep_connecting();
                        }
                        return;
                    }
                    Err(reason) => link.down(&reason),
                }
            }
        });
    }

    /// One attempt to connect, unless there is a connection.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<(), String> {
        let _alone = self.dialling.lock().await;
        if matches!(&*self.state(), State::Up(_)) {
            return Ok(());
        }
        if !self.has_company() {
            return Err("the lasting connection is lost".to_owned());
        }
        let within = self.limits.connect;
        let attempt = self.open(within).await;
        if !matches!(attempt, Some(Ok(_))) {
            self.away.failed(attempt.is_none());
        }
        let opened = attempt.ok_or_else(|| format!("no connection within {within:?}"))??;
        if let Some(reason) = self.astray(&opened.place) {
            return Err(reason);
        }
        let number = opened.number;
        self.connected(opened);
        if self.uses(number) {
            Ok(())
        } else {
            Err("the connection was closed when it had just been made".to_owned())
        }
    }

    /// Uses a connection from now on, and says so to those who wait for it.
    pub(super) fn connected(self: &Arc<Self>, opened: Opened) {
        let number = opened.number;
        let (place, closed_for) = self.put(opened);
        if self.uses(number) {
            self.back.notify_waiters();
            self.outages.end(place, closed_for);
        }
    }

    /// Uses a connection from now on; says where it leads, and after which time for more than writes.
    pub(super) fn put(self: &Arc<Self>, opened: Opened) -> (Arc<Place>, Duration) {
        let Opened { connection, number, tracking, place } = opened;
        for counter in [&self.timeouts, &self.abandoned, &self.refusals] {
            counter.store(0, Relaxed);
        }
        let now = Instant::now();
        let until = match (&self.role, &place.run) {
            // The lasting one leads to the same run, and has seen to that.
            (Role::Own { .. }, _) | (Role::Apart { .. }, Some(_)) => None,
            _ => self.away.back(place.run.clone(), self.limits, now),
        };
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let since = if let State::Down { since, .. } = &*state { *since } else { now };
            let closed = until.map(|until| (since, until));
            *state = State::Up(Up { connection, number, tracking, place: place.clone(), closed });
        }
        self.end_others("the lasting connection is a new one");
        // The lasting one was lost, or moved, meanwhile: its end has not found this one yet.
        if let Some(reason) = self.astray(&place) {
            self.end(number, &reason);
        }
        if self.ended.load(SeqCst) == number {
            self.closed(number, "the connection was closed when it had just been made");
        }
        if self.is_lasting() && !self.trial.is_clustered() {
            follow::follow(Arc::downgrade(self), number);
        }
        (place, until.map(|until| until - now).unwrap_or_default())
    }

    /// Begins something in the background, unless it goes on already.
    pub(super) fn begin(self: &Arc<Self>, goes_on: fn(&Shared) -> &AtomicBool) -> Option<Task> {
        let flag = goes_on(self);
        // What the caller has changed before this is seen by a task that ends now, or its end is seen here.
        fence(SeqCst);
        // Mostly it does, and then nothing is written.
        let is_first = !flag.load(Relaxed) && !flag.swap(true, Relaxed);
        is_first.then(|| Task(Arc::downgrade(self), goes_on))
    }
}

/// Something that goes on in the background. Says, when it ends for whatever reason, that it does not any more.
pub(super) struct Task(pub(super) Weak<Shared>, fn(&Shared) -> &AtomicBool);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            self.1(&link).store(false, Relaxed);
            fence(SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use cached_aside_tests::RedisServer;
    use redis::{IntoConnectionInfo, cmd};

    use super::{
        super::{
            super::{handshake::Target, limits::Limits, trial::Trial},
            Common, Link,
        },
        *,
    };
    use crate::store::watches::Watches;

    const LONG: Duration = Duration::from_secs(20);

    fn link(server: &RedisServer) -> Link {
        let limits = Limits { connect: LONG, call: LONG, value: 1 << 20, in_flight: 100 };
        let (watches, back, owed) = (Watches::default(), Arc::default(), Arc::default());
        let common = Common { limits, watches, back, owed, trial: Trial::new("upkeep"), home: None };
        Link::new(Target::Server(server.url().into_connection_info().unwrap().into()), &common)
    }

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < LONG, "{what}");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Its end is noticed between its making and its use.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_has_ended_is_not_put_in_use() {
        let server = RedisServer::start();
        let Link(link) = link(&server);
        let opened = link.open(LONG).await.unwrap().unwrap();
        let number = opened.number;
        let kill = cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").clone();
        assert_eq!(server.run::<u64>(&kill), 1);
        until("the end is noticed", || link.ended.load(SeqCst) == number).await;
        link.connected(opened);
        assert!(!link.uses(number), "it has ended");
        until("there is another one", || link.present().is_some()).await;
    }

    /// The task that connects is not over yet when its connection is lost again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_is_lost_at_once_is_made_again() {
        let server = RedisServer::start();
        let Link(link) = link(&server);
        for _ in 0..200 {
            link.keep_connecting();
            while link.present().is_none() {
                std::hint::spin_loop();
            }
            let lost = link.present().unwrap().number;
            link.lost(lost, "as soon as it is there");
            until("there is another one", || link.present().is_some_and(|up| up.number != lost)).await;
        }
    }
}
