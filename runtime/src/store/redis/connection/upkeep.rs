//! Connecting, checking, replacing and closing.

use std::{
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};

use redis::{PushInfo, PushKind, Value};
use tokio::time::sleep;

use super::{
    super::{
        handshake::{Opened, ServerIdentity},
        limits::RECONNECT,
        sole_task::SoleTask,
    },
    Inner, Live, RECHECK_INTERVAL, Role, State,
    alone::Alone,
    follow,
};
use crate::{
    patience::in_awake_time,
    thread::{self, Clock},
};

impl Inner {
    /// Checks the current connection in the background like a new one: rights may have been revoked. It is closed if it fails. What was
    /// refused may also be something that is not needed, or concern a foreign key.
    pub(super) fn recheck(self: &Arc<Self>, number: u64) {
        let mut connection = match &*self.state() {
            State::Up(live) if live.number == number => live.connection.clone(),
            _ => return,
        };
        let Some(task) = SoleTask::begin(self, |node| &node.rechecking) else { return };
        let (capabilities, within) = (self.capabilities.clone(), self.limits.call);
        thread::spawn(async move {
            let verdict = in_awake_time!(Clock::Real, within, capabilities.check(&mut connection));
            if let (Some(Err(reason)), Some(node)) = (verdict, task.owner()) {
                node.lost(number, &reason);
            }
            // While nothing changes, refusals cost at most one check in this time.
            sleep(RECHECK_INTERVAL).await;
        });
    }

    /// Probes the server in the background, and closes the connection if there is no answer.
    pub(super) fn probe(self: &Arc<Self>, live: &Live) {
        let Some(task) = SoleTask::begin(self, |node| &node.probing) else { return };
        let mut live = live.clone();
        // A connection in good order answers within this; the rest of the time is for a new one.
        let within = self.limits.call / 2;
        thread::spawn(async move {
            let ping = redis::cmd("PING");
            let answer = in_awake_time!(Clock::Real, within, ping.exec_async(&mut live.connection));
            let Some(node) = task.owner() else { return };
            // A runtime's own connection is connected on that runtime.
            if answer.is_none() && (node.is_own() || !node.replace(live.number).await) {
                node.lost(live.number, "the server stopped answering");
            }
            for silences in [&node.timeouts, &node.abandoned] {
                silences.store(0, Relaxed);
            }
        });
    }

    /// Replaces a silent connection by a new one, if that connects within the time limit of a call. Callers that wait for an answer on the
    /// old one may go on waiting.
    pub(super) async fn replace(self: &Arc<Self>, silent: u64) -> bool {
        let _alone = self.alone().await;
        if !self.is_current(silent) {
            return true;
        }
        let Some(Ok(opened)) = self.open(self.limits.call).await else { return false };
        if self.mismatch(&opened.server).is_some() {
            return false;
        }
        tracing::debug!(cache = %self.dialer.target(), "a connection that stopped answering was replaced");
        self.put(opened);
        // Nobody announces changes on the old one for much longer.
        self.listeners.all_changed();
        true
    }

    /// The server can no longer be used over the connection with this number.
    pub(in super::super) fn lost(self: &Arc<Self>, number: u64, reason: &str) {
        self.leave(number, reason, false);
    }

    /// The connection with this number was closed, which says nothing about the server yet.
    pub(in super::super) fn closed(self: &Arc<Self>, number: u64, reason: &str) {
        self.leave(number, reason, true);
    }

    /// The connection is down; the next attempt to connect gives the reason.
    pub(super) fn begin_outage(&self, reason: &str) {
        if let State::Down { reason: known, .. } = &mut *self.state.write() {
            reason.clone_into(known);
        }
        if !self.is_dedicated() {
            self.outages.begin();
        }
    }

    /// The connection is down for this reason.
    pub(super) fn down(&self, reason: &str) {
        self.begin_outage(reason);
        self.outages.note(reason);
    }

    fn leave(self: &Arc<Self>, number: u64, reason: &str, closed: bool) {
        // First, so that `put` finds it.
        self.ended.fetch_max(number, SeqCst);
        if !self.end(number, reason) {
            return;
        }
        if self.is_own() {
            self.probe_main();
            return;
        }
        self.closed_window.lost(closed);
        self.end_others(reason);
        if closed {
            self.begin_outage(reason);
        } else {
            self.down(reason);
        }
        self.keep_connecting();
    }

    /// Takes the connection with this number out of use; `false` if it is not the current one.
    pub(super) fn end(&self, number: u64, reason: &str) -> bool {
        {
            let mut state = self.state.write();
            if !matches!(&*state, State::Up(live) if live.number == number) {
                return false;
            }
            *state = State::Down { reason: reason.to_owned(), since: Instant::now() };
            if self.is_main() {
                self.outages.count();
            }
        }
        self.listeners.all_changed();
        true
    }

    /// Handles what the server pushes on the connection with this number.
    pub(super) fn receive(self: &Arc<Self>, number: u64, push: PushInfo) {
        match (push.kind, push.data.into_iter().next()) {
            (PushKind::Invalidate, Some(Value::Array(keys))) => {
                for key in keys {
                    if let Value::BulkString(key) = key
                        && let Ok(key) = std::str::from_utf8(&key)
                    {
                        self.listeners.changed(key);
                    }
                }
            }
            // `FLUSHALL` and `FLUSHDB` name no keys.
            (PushKind::Invalidate, _) => self.listeners.all_changed(),
            (PushKind::Disconnection, _) => self.closed(number, "the connection was closed"),
            _ => {}
        }
    }

    /// Connects in the background until that succeeds, unless a task does so already.
    pub(super) fn keep_connecting(self: &Arc<Self>) {
        // A runtime's own connection is connected on that runtime.
        if self.is_own() {
            return;
        }
        let Some(task) = SoleTask::begin(self, |node| &node.connecting) else { return };
        thread::spawn(async move {
            let mut pauses = RECONNECT.pauses();
            loop {
                sleep(pauses.next_pause()).await;
                // The last cache is gone: stop.
                let Some(node) = task.owner() else { return };
                // A connection beside a main one that is down is not needed before the next call.
                if !node.has_main() {
                    return;
                }
                match node.connect().await {
                    Ok(()) => {
                        drop(task);
                        // If it was lost before this task ended, `keep_connecting` found that a task connects already.
                        if node.live().is_none() {
                            node.keep_connecting();
                        }
                        return;
                    }
                    Err(reason) => node.down(&reason),
                }
            }
        });
    }

    /// One attempt to connect, unless it is connected.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<(), String> {
        let alone = self.alone().await;
        self.connect_alone(&alone).await
    }

    pub(super) async fn connect_alone(self: &Arc<Self>, _alone: &Alone) -> Result<(), String> {
        if matches!(&*self.state(), State::Up(_)) {
            return Ok(());
        }
        if !self.has_main() {
            return Err(self.why_no_main());
        }
        let within = self.limits.connect;
        let attempt = self.open(within).await;
        if !matches!(attempt, Some(Ok(_))) {
            self.closed_window.failed(attempt.is_none());
        }
        let opened = attempt.ok_or_else(|| format!("no connection within {within:?}"))??;
        if let Some(reason) = self.mismatch(&opened.server) {
            return Err(reason);
        }
        let number = opened.number;
        self.connected(opened);
        if self.is_current(number) {
            Ok(())
        } else {
            Err("the connection was closed when it had just been made".to_owned())
        }
    }

    /// Puts a connection in use, and wakes those who wait for it.
    pub(super) fn connected(self: &Arc<Self>, opened: Opened) {
        let number = opened.number;
        let (server, closed_for) = self.put(opened);
        if self.is_current(number) {
            self.reconnected.notify_waiters();
            self.outages.end(&server.address, closed_for);
        }
    }

    /// Puts a connection in use; returns where it leads, and how long only writes are sent.
    pub(super) fn put(self: &Arc<Self>, opened: Opened) -> (Arc<ServerIdentity>, Duration) {
        let Opened { connection, number, tracking, server } = opened;
        for counter in [&self.timeouts, &self.abandoned, &self.refusals] {
            counter.store(0, Relaxed);
        }
        let now = Instant::now();
        let until = match (&self.role, &server.run) {
            // The main one leads to the same run, and has a closed window of its own.
            (Role::Own { .. }, _) | (Role::Dedicated { .. }, Some(_)) => None,
            _ => self.closed_window.back(server.run.clone(), self.limits, now),
        };
        {
            let mut state = self.state.write();
            let since = if let State::Down { since, .. } = &*state { *since } else { now };
            let closed = until.map(|until| (since, until));
            *state = State::Up(Live { connection, number, tracking, server: server.clone(), closed });
        }
        self.end_others("the main connection is a new one");
        // The main one was lost or moved meanwhile, and did not find this one yet to end it.
        if let Some(reason) = self.mismatch(&server) {
            self.end(number, &reason);
        }
        if self.ended.load(SeqCst) == number {
            self.closed(number, "the connection was closed when it had just been made");
        }
        if self.is_main() && !self.capabilities.is_clustered() {
            follow::follow(Arc::downgrade(self), number);
        }
        (server, until.map(|until| until - now).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use cached_aside_tests::RedisServer;
    use redis::cmd;

    use super::{
        super::{
            NodeConnection,
            tests::{LONG, node, until},
        },
        *,
    };

    /// Its end is noticed after it was made and before it is put in use.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_has_ended_is_not_put_in_use() {
        let server = RedisServer::start();
        let NodeConnection(node) = node(&server.url(), None);
        let opened = node.open(LONG).await.unwrap().unwrap();
        let number = opened.number;
        let kill = cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").clone();
        assert_eq!(server.run::<u64>(&kill), 1);
        until("the end is noticed", || node.ended.load(SeqCst) == number).await;
        node.connected(opened);
        assert!(!node.is_current(number), "it has ended");
        until("there is another one", || node.live().is_some()).await;
    }

    /// The task that connects has not ended when its connection is lost again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_is_lost_at_once_is_made_again() {
        let server = RedisServer::start();
        let NodeConnection(node) = node(&server.url(), None);
        for _ in 0..200 {
            node.keep_connecting();
            while node.live().is_none() {
                std::hint::spin_loop();
            }
            let lost = node.live().unwrap().number;
            node.lost(lost, "as soon as it is there");
            until("there is another one", || node.live().is_some_and(|live| live.number != lost)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_end_of_a_connection_is_not_forgotten_for_the_late_end_of_an_older_one() {
        let server = RedisServer::start();
        let NodeConnection(node) = node(&server.url(), None);
        let older = node.open(LONG).await.unwrap().unwrap();
        let opened = node.open(LONG).await.unwrap().unwrap();
        let number = opened.number;
        assert!(older.number < number);
        node.closed(number, "before it was in use");
        node.closed(older.number, "later");
        node.connected(opened);
        assert!(!node.is_current(number), "it has ended");
    }
}
