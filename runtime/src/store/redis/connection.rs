//! One connection to one server, kept up in the background, and what a circuit breaker does around it.
//!
//! redis-rs has a manager that reconnects, but it keeps a failed handshake for ever, never replaces a connection that has
//! stopped answering, and forgets the session's state (`CLIENT TRACKING`). So this is our own, over its multiplexed connection.
//!
//! A link is up or down. Up, commands go out. After several in a row without an answer the server is asked for a sign of life,
//! first on the same connection, then on a new one, which takes the place of the old one where it is answered: what was silent may
//! have been this process, or a connection that is busy with one large answer. Where there is none, or refusals say that the server
//! can't serve at all, the link goes down: every call is turned away at once, and in the background connections are tried, each of
//! which has to answer a probe within the time that calls are given, until one does. That is a circuit breaker (closed, open,
//! half-open); the crates that offer one guard a call and can't replace the connection beneath it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::{ConnectionInfo, aio::MultiplexedConnection};
use tokio::{
    runtime,
    sync::{Notify, Semaphore},
};

use self::{outage::OutageLog, outbox::Outbox};
use super::{
    away::Away,
    gather::{Gather, Given},
    handshake::{Dialer, Place, Target},
    limits::Limits,
    trial::Trial,
};
use crate::{
    owed::Owed,
    store::{answer::boxed, watches::Watches},
    telemetry::{Node, NodeState},
    thread,
};

mod apart;
mod call;
mod follow;
mod outage;
mod outbox;
mod own;
mod upkeep;

/// After so many commands in a row without an answer in time the server is asked for a sign of life.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// After so many commands in a row whose callers went away before there was an answer, the server is asked for a sign of life.
const ABANDONED_IN_A_ROW: u32 = 16;
/// After so many refusals in a row that concern the server and not the command, the connection is given up.
const REFUSALS_IN_A_ROW: u32 = 5;
/// Why a server is not used to which there is a connection.
const BACK: &str = "it is back after an outage, and others may still have to say what they wrote meanwhile";

/// Minimum time between two trials of one connection.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What all links of a store have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) limits: Limits,
    pub(super) watches: Watches,
    /// Told when a connection is there again.
    pub(super) back: Arc<Notify>,
    /// The keys of the cache whose invalidations could not be delivered, counted.
    pub(super) owed: Arc<Owed>,
    pub(super) trial: Trial,
    /// The runtime that has connections of its own.
    pub(super) home: Option<runtime::Id>,
}

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// To read or to store: limited in number, and not while others may still have to say what they wrote during an outage.
    Reads,
    /// To guard or to delete.
    Writes,
}

/// A connection, or the reason why there is none. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

pub(super) struct Shared {
    dialer: Dialer,
    role: Role,
    limits: Limits,
    watches: Watches,
    /// Told when a connection is there again.
    back: Arc<Notify>,
    /// The keys of the cache whose invalidations could not be delivered, counted.
    owed: Arc<Owed>,
    /// What every connection is tried with.
    trial: Trial,
    /// The task that tries the present connection again, while there is one.
    trying: AtomicBool,
    state: RwLock<State>,
    /// The task that connects, while there is one.
    connecting: AtomicBool,
    /// Held during an attempt.
    dialling: tokio::sync::Mutex<()>,
    /// The task that asks for a sign of life, while there is one.
    probing: AtomicBool,
    /// The task that dials again because another connection led elsewhere, while there is one.
    doubting: AtomicBool,
    /// Over all connections to the server.
    in_flight: Arc<AtomicUsize>,
    /// Room for the steps of writes, which is their own: however much is read, a write is announced.
    writes: Semaphore,
    /// Steps of writes that are sent together.
    outbox: Arc<Outbox>,
    /// Reads that wait to travel together.
    reads: Gather<Given>,
    timeouts: AtomicU32,
    abandoned: AtomicU32,
    refusals: AtomicU32,
    /// The number of the connection that ended last. It may have done so before it was put in use.
    ended: AtomicU64,
    /// What is known of the server's outages.
    away: Away,
    /// The connection for commands that wait for replicas, once there was one.
    second: OnceLock<Link>,
    /// The connection for large values, once there was one.
    large: OnceLock<Link>,
    outages: Arc<OutageLog>,
}

/// What a link is for.
enum Role {
    /// For all calls, with another one for those on a runtime that has its own.
    Lasting { own: Option<(runtime::Id, Link)> },
    /// For the reads of one runtime.
    Own { lasting: Weak<Shared> },
    /// For what would hold up all other calls.
    Apart { lasting: Weak<Shared> },
}

enum State {
    Up(Up),
    Down { reason: String, since: Instant },
}

#[derive(Clone)]
struct Up {
    connection: MultiplexedConnection,
    /// Counts connections, so that a late failure of an old one does not take down the new.
    number: u64,
    /// The server announces changes of keys that were read for it.
    tracking: bool,
    place: Arc<Place>,
    /// Until then only the steps of writes are sent, after an outage that began then.
    closed: Option<(Instant, Instant)>,
}

impl Up {
    /// When the outage began that others may not be back from yet.
    fn closed_since(&self, now: Instant) -> Option<Instant> {
        self.closed.filter(|(_, until)| now < *until).map(|(since, _)| since)
    }
}

impl Link {
    /// A link that has not tried to connect yet.
    pub(super) fn new(target: Target, common: &Common) -> Link {
        let in_flight = Arc::default();
        Link(Arc::new_cyclic(|lasting: &Weak<Shared>| {
            let own = common.home.map(|runtime| {
                let role = Role::Own { lasting: lasting.clone() };
                (runtime, Link(Arc::new(Shared::new(target.clone(), role, common, Arc::clone(&in_flight)))))
            });
            Shared::new(target, Role::Lasting { own }, common, Arc::clone(&in_flight))
        }))
    }

    /// Tries to connect once, and goes on trying in the background. The connection is driven by the library's thread.
    pub(super) async fn connect(&self) {
        let link = self.0.clone();
        let attempt = async move {
            if let Err(error) = boxed(link.connect()).await {
                link.down(&error);
                link.keep_connecting();
            }
        };
        // It does not panic; if it did, there would be no connection.
        let _ = thread::spawn(attempt).await;
    }

    /// How to connect to the server, if that is known once and for all.
    pub(super) fn info(&self) -> Option<&ConnectionInfo> {
        match self.0.dialer.target() {
            Target::Server(info) => Some(info),
            Target::Sentinels(_) => None,
        }
    }

    /// Where the server is, without secrets.
    pub(super) fn place(&self) -> String {
        self.0.dialer.target().to_string()
    }

    /// Whether there is a connection, and what has become of it so far.
    pub(super) fn node(&self) -> Node {
        let (address, state) = match &*self.0.state() {
            State::Up(up) => {
                let closed = up.closed_since(Instant::now());
                let down = closed.map(|since| NodeState::Down { reason: BACK.to_owned(), since });
                (up.place.address.clone(), down.unwrap_or(NodeState::Up))
            }
            State::Down { reason, since } => {
                (self.0.dialer.target().address(), NodeState::Down { reason: reason.clone(), since: *since })
            }
        };
        let in_flight = self.0.in_flight.load(Relaxed);
        Node { address, state, outages: self.0.outages.number(), in_flight }
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.0.state(), State::Up(_))
    }

    /// Whether the server announces changes on the present connection.
    pub(super) fn tracking(&self) -> bool {
        matches!(&*self.0.state(), State::Up(up) if up.tracking)
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// The reads of this server.
    pub(super) fn reads(&self) -> &Gather<Given> {
        &self.0.reads
    }

    /// Whether the server can be read, and store anything, now.
    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.0.state(), State::Up(up) if up.closed_since(Instant::now()).is_none())
    }

    /// The server takes the place of one that was lost.
    pub(super) fn expect_outage(&self) {
        self.0.away.failed(false);
    }

    /// Whether this is the same link.
    pub(super) fn is(&self, other: &Link) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.place()).finish()
    }
}

impl Shared {
    /// Not connected yet.
    fn new(target: Target, role: Role, common: &Common, in_flight: Arc<AtomicUsize>) -> Shared {
        let Common { limits, watches, back, owed, trial, .. } = common;
        Shared {
            outages: Arc::new(OutageLog::new(target.clone(), owed.clone())),
            dialer: Dialer::new(target, *limits, trial.clone()),
            role,
            limits: *limits,
            watches: watches.clone(),
            back: back.clone(),
            owed: owed.clone(),
            trial: trial.clone(),
            trying: AtomicBool::new(false),
            state: RwLock::new(State::Down { reason: "not connected yet".to_owned(), since: Instant::now() }),
            connecting: AtomicBool::new(false),
            dialling: tokio::sync::Mutex::default(),
            probing: AtomicBool::new(false),
            doubting: AtomicBool::new(false),
            in_flight,
            writes: Semaphore::new(limits.in_flight.min(Semaphore::MAX_PERMITS)),
            outbox: Arc::default(),
            reads: Gather::new(limits.in_flight),
            timeouts: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            ended: AtomicU64::new(0),
            away: Away::default(),
            second: OnceLock::new(),
            large: OnceLock::new(),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this connection is in use.
    fn uses(&self, number: u64) -> bool {
        matches!(&*self.state(), State::Up(up) if up.number == number)
    }
}
