//! The connection to one server: it reconnects in the background and has a circuit breaker.
//!
//! redis-rs has a manager that reconnects, but it keeps a failed handshake for ever, never replaces a connection that has
//! stopped answering, and loses the session's state (`CLIENT TRACKING`). So this is our own, over its multiplexed connection.
//!
//! The connection is up or down. While it is up, commands are sent. After several timeouts in a row the server is probed, first on the
//! same connection, then on a new one, which replaces the old one if it is answered: the cause of the silence may have been this
//! process, or a connection that is busy with one large answer. If there is no answer, or refusals say that the server can't serve at
//! all, the connection goes down: every call is rejected at once, and attempts to connect run in the background until one of them
//! passes its checks within the time limit of calls. That is a circuit breaker (closed, open, half-open); the crates that offer one
//! guard a call and can't replace the connection beneath it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, RwLockReadGuard, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::{ConnectionInfo, aio::MultiplexedConnection};
use tokio::{
    runtime,
    sync::{Notify, Semaphore},
};

use self::outbox::Outbox;
use super::{
    batch::{BatchReply, ReadBatcher},
    capabilities::Capabilities,
    closed_window::ClosedWindow,
    handshake::{Dialer, ServerIdentity, Target},
    limits::Limits,
    outage::OutageLog,
};
use crate::{
    lock::RwLock,
    owed::Owed,
    store::changes::ChangeListeners,
    telemetry::{Node, NodeState},
    thread,
};

mod alone;
mod call;
mod follow;
mod outbox;
mod own;
mod siblings;
#[cfg(test)]
pub(super) mod tests;
mod upkeep;

/// Number of timeouts in a row after which the server is probed.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// Number of commands in a row abandoned by their callers before an answer, after which the server is probed.
const ABANDONED_IN_A_ROW: u32 = 16;
/// Number of refusals in a row that concern the server and not the command, after which the connection is closed.
const REFUSALS_IN_A_ROW: u32 = 5;
/// Why a server is not used although it is connected.
const STILL_CLOSED: &str = "it is reachable again after an outage, and other processes may still have to deliver their invalidations";

/// Minimum time between two checks of one connection.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What all connections of a store share.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) limits: Limits,
    pub(super) listeners: ChangeListeners,
    /// Notified when a connection is up again.
    pub(super) reconnected: Arc<Notify>,
    /// Counts the invalidations of the cache that could not be delivered.
    pub(super) owed: Arc<Owed>,
    pub(super) capabilities: Capabilities,
    /// The runtime that has a connection of its own.
    pub(super) home: Option<runtime::Id>,
}

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read or to store: limited in number, and rejected while other processes may still have invalidations of an outage to deliver.
    Reads,
    /// To guard or to delete.
    Writes,
}

/// The connection to one server, or the reason why it is down. Cheap to clone.
#[derive(Clone)]
pub(super) struct NodeConnection(Arc<Inner>);

pub(super) struct Inner {
    dialer: Dialer,
    role: Role,
    limits: Limits,
    listeners: ChangeListeners,
    /// Notified when a connection is up again.
    reconnected: Arc<Notify>,
    /// Counts the invalidations of the cache that could not be delivered.
    owed: Arc<Owed>,
    /// What every new connection is checked for.
    capabilities: Capabilities,
    /// A task checks the current connection again.
    rechecking: AtomicBool,
    state: RwLock<State>,
    /// A task connects.
    connecting: AtomicBool,
    /// Held during an attempt to connect.
    connect_lock: Arc<tokio::sync::Mutex<()>>,
    /// Notified when an attempt to connect has ended.
    attempted: Notify,
    /// A task probes the server.
    probing: AtomicBool,
    /// A task connects again because another connection reached a different server.
    verifying: AtomicBool,
    /// Number of commands in flight over all connections to the server.
    in_flight: Arc<AtomicUsize>,
    /// Permits for the steps of writes. Reads have a limit of their own, so that no number of them keeps a write from being announced.
    writes: Semaphore,
    /// Steps of writes that are sent together.
    outbox: Arc<Outbox>,
    /// Reads that are sent together.
    reads: ReadBatcher<BatchReply>,
    timeouts: AtomicU32,
    abandoned: AtomicU32,
    refusals: AtomicU32,
    /// The number of the connection that ended last, which may have been before it was put in use.
    ended: AtomicU64,
    /// After an outage, until when only writes are sent.
    closed_window: ClosedWindow,
    /// The connection for commands that wait for replicas, once there was one.
    wait_connection: OnceLock<NodeConnection>,
    /// The connection for large values, once there was one.
    large: OnceLock<NodeConnection>,
    outages: Arc<OutageLog>,
}

/// What a connection is for.
enum Role {
    /// For all calls, except those on a runtime that has its own.
    Main { own: Option<(runtime::Id, NodeConnection)> },
    /// For the reads of one runtime.
    Own { main: Weak<Inner> },
    /// For commands that would block all others.
    Dedicated { main: Weak<Inner> },
}

enum State {
    Up(Live),
    Down { reason: String, since: Instant },
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Counts connections, so that a late failure of an old one does not take down the new one.
    number: u64,
    /// The server announces changes of keys that were read on it.
    tracking: bool,
    server: Arc<ServerIdentity>,
    /// After an outage that began at the first instant, only steps of writes are sent until the second.
    closed: Option<(Instant, Instant)>,
}

impl Live {
    /// When the outage began, while other processes may not be back from it.
    fn closed_since(&self, now: Instant) -> Option<Instant> {
        self.closed.filter(|(_, until)| now < *until).map(|(since, _)| since)
    }
}

impl NodeConnection {
    /// A connection that has not been attempted yet.
    pub(super) fn new(target: Target, common: &Common) -> NodeConnection {
        let in_flight = Arc::default();
        NodeConnection(Arc::new_cyclic(|main: &Weak<Inner>| {
            let own = common.home.map(|runtime| {
                let role = Role::Own { main: main.clone() };
                (
                    runtime,
                    NodeConnection(Arc::new(Inner::new(
                        target.clone(),
                        role,
                        common,
                        Arc::clone(&in_flight),
                    ))),
                )
            });
            Inner::new(target, Role::Main { own }, common, Arc::clone(&in_flight))
        }))
    }

    /// Tries to connect once, then keeps trying in the background. The library's thread drives the connection.
    pub(super) async fn connect(&self) {
        let node = self.0.clone();
        let attempt = async move { node.alone().await.connect_or_keep_trying().await };
        // The attempt does not panic; if it did, there would be no connection.
        let _ = thread::spawn(attempt).await;
    }

    /// The same for a caller that needs the connection now. If somebody tries already, that attempt is waited for; those in the background
    /// are not.
    pub(super) async fn connect_for_caller(&self) {
        if self.is_up() || self.0.connecting.load(Relaxed) {
            return;
        }
        let attempted = self.0.attempted.notified();
        match self.0.try_alone() {
            Some(alone) => drop(thread::spawn(alone.connect_or_keep_trying()).await),
            None => attempted.await,
        }
    }

    /// How to connect to the server, if that does not change.
    pub(super) fn info(&self) -> Option<&ConnectionInfo> {
        match self.0.dialer.target() {
            Target::Server(info) => Some(info),
            Target::Sentinels(_) => None,
        }
    }

    /// How to connect to the server: where sentinels know it, what they say now.
    pub(super) async fn current_info(&self) -> Option<ConnectionInfo> {
        match self.0.dialer.target() {
            Target::Server(info) => Some(ConnectionInfo::clone(info)),
            Target::Sentinels(sentinels) => sentinels.primary().await.ok(),
        }
    }

    /// Where the server is, without secrets.
    pub(super) fn describe(&self) -> String {
        self.0.dialer.target().to_string()
    }

    /// The state of the server and its counters.
    pub(super) fn stats(&self) -> Node {
        let (address, state) = match &*self.0.state() {
            State::Up(live) => {
                let closed = live.closed_since(Instant::now());
                let down = closed.map(|since| NodeState::Down { reason: STILL_CLOSED.to_owned(), since });
                (live.server.address.clone(), down.unwrap_or(NodeState::Up))
            }
            State::Down { reason, since } => {
                (self.0.dialer.target().address(), NodeState::Down { reason: reason.clone(), since: *since })
            }
        };
        let in_flight = self.0.in_flight.load(Relaxed);
        Node { address, state, outages: self.0.outages.number(), in_flight }
    }

    /// Whether it is connected.
    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.0.state(), State::Up(_))
    }

    /// Whether it is not connected, or the log does not say yet that it is again.
    pub(super) fn is_in_outage(&self) -> bool {
        !self.is_up() || self.0.outages.is_open()
    }

    /// The cluster goes on without it: if it is away, that is over for the log.
    pub(super) fn replaced(&self) {
        self.0.outages.replaced();
    }

    /// Whether the server announces changes on the current connection.
    pub(super) fn tracking(&self) -> bool {
        matches!(&*self.0.state(), State::Up(live) if live.tracking)
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// The batcher of the reads of this server.
    pub(super) fn reads(&self) -> &ReadBatcher<BatchReply> {
        &self.0.reads
    }

    /// Whether the server can be read from and stored to now.
    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.0.state(), State::Up(live) if live.closed_since(Instant::now()).is_none())
    }

    /// The server takes over from one that was lost.
    pub(super) fn expect_outage(&self) {
        self.0.closed_window.failed(false);
    }

    /// How many tasks and others hold it.
    #[cfg(test)]
    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Whether this is the same connection.
    pub(super) fn is(&self, other: &NodeConnection) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for NodeConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeConnection").field(&self.describe()).finish()
    }
}

impl Inner {
    /// Not connected yet.
    fn new(target: Target, role: Role, common: &Common, in_flight: Arc<AtomicUsize>) -> Inner {
        let Common { limits, listeners, reconnected, owed, capabilities, .. } = common;
        Inner {
            outages: Arc::new(OutageLog::new(target.to_string(), owed.clone())),
            dialer: Dialer::new(target, *limits, capabilities.clone()),
            role,
            limits: *limits,
            listeners: listeners.clone(),
            reconnected: reconnected.clone(),
            owed: owed.clone(),
            capabilities: capabilities.clone(),
            rechecking: AtomicBool::new(false),
            state: RwLock::new(State::Down { reason: "not connected yet".to_owned(), since: Instant::now() }),
            connecting: AtomicBool::new(false),
            connect_lock: Arc::default(),
            attempted: Notify::new(),
            probing: AtomicBool::new(false),
            verifying: AtomicBool::new(false),
            in_flight,
            writes: Semaphore::new(limits.in_flight.min(Semaphore::MAX_PERMITS)),
            outbox: Arc::default(),
            reads: ReadBatcher::new(limits.in_flight),
            timeouts: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            ended: AtomicU64::new(0),
            closed_window: ClosedWindow::default(),
            wait_connection: OnceLock::new(),
            large: OnceLock::new(),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Whether the connection with this number is the current one.
    fn is_current(&self, number: u64) -> bool {
        matches!(&*self.state(), State::Up(live) if live.number == number)
    }
}
