//! The connections beside the main one, which have to lead to the same server.
//!
//! After a change of DNS, of a load balancer or of sentinels, a new connection may reach another server than the one before. Deleting
//! on one server and reading from another would make two caches of one. So a runtime's own connection, the one for large values and
//! the one that waits for replicas are used only while they lead to the same run of the same server as the main one, and end with it.
//! If a new one leads to another server, the main one may be the wrong one: it is connected again, and moves if further attempts reach
//! that server too.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use super::{
    super::{
        failure::Failure,
        handshake::{Opened, ServerIdentity},
        sole_task::SoleTask,
    },
    Common, Inner, NodeConnection, Role, STILL_CLOSED, State,
};
use crate::{
    patience::in_awake_time,
    thread::{self, Clock},
};

/// Number of attempts that all have to reach another server before the main connection moves there. Some proxies lead each connection
/// to a different server.
const CONFIRMED_BY: usize = 2;

impl NodeConnection {
    /// A connection to the same server for commands that wait for replicas, which block those behind them.
    pub(in super::super) async fn wait_connection(&self) -> NodeConnection {
        self.companion(&self.0.wait_connection).await
    }

    /// A connection to the same server for large values, while this one is in use. Its timeouts say nothing about the server.
    pub(in super::super) async fn large_value_connection(&self) -> Result<NodeConnection, Failure> {
        self.check_open_for_reads()?;
        let large = self.companion(&self.0.large).await;
        // It may have been connected meanwhile, and the server may have been away.
        self.check_open_for_reads()?;
        Ok(large)
    }

    async fn companion(&self, place: &OnceLock<NodeConnection>) -> NodeConnection {
        let new = || {
            let Inner { dialer, limits, listeners, reconnected, owed, capabilities, .. } = &*self.0;
            let (limits, listeners, reconnected) = (*limits, listeners.clone(), reconnected.clone());
            let (owed, capabilities) = (owed.clone(), capabilities.clone());
            let common = Common { limits, listeners, reconnected, owed, capabilities, home: None };
            let role = Role::Dedicated { main: Arc::downgrade(&self.0) };
            NodeConnection(Arc::new(Inner::new(dialer.target().clone(), role, &common, Arc::default())))
        };
        let another = place.get_or_init(new);
        another.connect_for_caller().await;
        another.clone()
    }
}

impl Inner {
    /// The main connection of one beside it.
    pub(super) fn main(&self) -> Option<Arc<Inner>> {
        match &self.role {
            Role::Own { main } | Role::Dedicated { main } => main.upgrade(),
            Role::Main { .. } => None,
        }
    }

    pub(super) fn is_main(&self) -> bool {
        matches!(self.role, Role::Main { .. })
    }

    pub(super) fn is_dedicated(&self) -> bool {
        matches!(self.role, Role::Dedicated { .. })
    }

    /// Whether this is the main connection, or one beside a main connection that is up.
    pub(super) fn has_main(&self) -> bool {
        self.is_main() || self.main().is_some_and(|main| main.live().is_some())
    }

    /// Why there is no main connection.
    pub(super) fn why_no_main(&self) -> String {
        let reason = self.main().and_then(|main| match &*main.state() {
            State::Down { reason, .. } => Some(reason.clone()),
            State::Up(_) => None,
        });
        reason.unwrap_or_else(|| "the main connection is lost".to_owned())
    }

    /// Why a connection to this server must not be used: the main one leads to another server, or, for a connection that only reads, is
    /// back from an outage that others may not be back from. If it leads elsewhere, it is verified in the background.
    pub(super) fn mismatch(&self, server: &Arc<ServerIdentity>) -> Option<String> {
        if self.is_main() {
            return None;
        }
        let main = self.main();
        let Some((main, there)) = main.and_then(|main| Some((main.clone(), main.live()?))) else {
            return Some(self.why_no_main());
        };
        if there.server.is(server) {
            let closed = self.is_own() && there.closed_since(Instant::now()).is_some();
            return closed.then(|| STILL_CLOSED.to_owned());
        }
        main.verify_target(there.number, server);
        Some(format!("it leads to {server}, the main one to {}", there.server))
    }

    /// The server has become a replica, as it says on the connection with this number: the main one must not be used either.
    pub(super) fn demoted(self: &Arc<Self>, number: u64, reason: &str) {
        let main = self.main().and_then(|main| Some((main.live()?.number, main)));
        // If it is not the current one, the main one may lead to another server by now.
        let main = main.filter(|_| self.is_current(number));
        self.lost(number, reason);
        if let Some((number, main)) = main {
            main.lost(number, reason);
        }
    }

    /// Another connection reached a different server than this one with this number.
    fn verify_target(self: &Arc<Self>, number: u64, elsewhere: &Arc<ServerIdentity>) {
        let Some(task) = SoleTask::begin(self, |node| &node.verifying) else { return };
        let elsewhere = elsewhere.clone();
        thread::spawn(async move {
            if let Some(node) = task.owner() {
                node.move_to(number, &elsewhere).await;
            }
        });
    }

    /// Connects again, and uses the new connection if it leads to the given server.
    async fn move_to(self: &Arc<Self>, number: u64, elsewhere: &Arc<ServerIdentity>) {
        let _alone = self.alone().await;
        let mut found = None;
        for _ in 0..CONFIRMED_BY {
            match self.open(self.limits.connect).await {
                Some(Ok(opened)) if opened.server.is(elsewhere) => found = Some(opened),
                _ => return,
            }
        }
        let reason = format!("new connections lead to another server, {elsewhere}");
        if let Some(opened) = found
            && self.end(number, &reason)
        {
            self.closed_window.lost(true);
            self.begin_outage(&reason);
            self.connected(opened);
        }
    }

    /// One attempt to connect; `None` if it timed out.
    pub(super) async fn open(self: &Arc<Self>, within: Duration) -> Option<Result<Opened, String>> {
        let node = Arc::downgrade(self);
        let receive = move |number, push| {
            if let Some(node) = node.upgrade() {
                node.receive(number, push);
            }
        };
        in_awake_time!(Clock::Real, within, self.dialer.open(Arc::new(receive)))
    }

    /// Ends the connections beside the main one, which was lost or replaced.
    pub(super) fn end_others(&self, reason: &str) {
        let Role::Main { own } = &self.role else { return };
        let own = own.as_ref().map(|(_, own)| own);
        for other in own.into_iter().chain(self.wait_connection.get()).chain(self.large.get()) {
            if let Some(live) = other.0.live() {
                other.0.end(live.number, reason);
            }
        }
    }
}
