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
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak,
        atomic::{
            AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use redis::{ConnectionInfo, RedisError, aio::MultiplexedConnection};
use tokio::{
    runtime,
    sync::{Notify, Semaphore},
    time::sleep,
};

pub(super) use self::call::For;
use self::{outage::Outage, outbox::Outbox, own::Role};
use super::{
    away::Away,
    gather::Gather,
    handshake::{Opened, Place, Target},
    reads::Given,
    trial::Trial,
};
use crate::{
    backoff::Backoff,
    owed::Owed,
    patience::in_awake_time,
    store::{StoreError, Watches, boxed},
    telemetry::{Node, NodeState},
    thread::{self, Clock},
};

mod apart;
mod call;
mod follow;
mod outage;
mod outbox;
mod own;

/// After so many commands in a row without an answer in time the server is asked for a sign of life.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// After so many commands in a row whose callers went away before there was an answer, the server is asked for a sign of life.
const ABANDONED_IN_A_ROW: u32 = 16;
/// After so many refusals in a row that concern the server and not the command, the connection is given up.
const REFUSALS_IN_A_ROW: u32 = 5;
/// The pauses between attempts to connect. After an outage everybody waits for the longest of them.
pub(super) const RECONNECT: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(250));
/// Why a server is not used to which there is a connection.
const BACK: &str = "it is back after an outage, and others may still have to say what they wrote meanwhile";

/// Minimum time between two trials of one connection.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How long a link waits, and for how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// An attempt to connect takes no longer.
    pub(crate) connect: Duration,
    /// A call waits no longer for the store.
    pub(crate) call: Duration,
    /// Maximum length of a value (bytes).
    pub(crate) value: usize,
    /// Maximum number of commands of reads on their way at once, and of steps of writes.
    pub(crate) in_flight: usize,
}

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

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    /// There is no connection.
    Down(String),
    /// Too many commands are on their way.
    Full,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Redis(error) => store_error(&error),
            Failure::Down(reason) => StoreError::Unreachable(reason),
            Failure::Full => StoreError::Full,
        }
    }
}

/// A connection, or the reason why there is none. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

pub(super) struct Shared {
    target: Target,
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
    outages: AtomicU64,
    /// What is known of the server's outages.
    away: Away,
    /// The number of the newest connection.
    number: AtomicU64,
    /// The server does not speak RESP3.
    pub(super) resp2: AtomicBool,
    /// The connection for commands that wait for replicas, once there was one.
    second: OnceLock<Link>,
    /// The connection for large values, once there was one.
    large: OnceLock<Link>,
    /// The outage that the log has not seen the end of.
    outage: Mutex<Option<Outage>>,
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
        match &self.0.target {
            Target::Server(info) => Some(info),
            Target::Sentinels(_) => None,
        }
    }

    /// Where the server is, without secrets.
    pub(super) fn place(&self) -> String {
        self.0.target.to_string()
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
                (self.0.target.address(), NodeState::Down { reason: reason.clone(), since: *since })
            }
        };
        let in_flight = self.0.in_flight.load(Relaxed);
        Node { address, state, outages: self.0.outages.load(Relaxed), in_flight }
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
            target,
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
            outages: AtomicU64::new(0),
            away: Away::default(),
            number: AtomicU64::new(0),
            resp2: AtomicBool::new(false),
            second: OnceLock::new(),
            large: OnceLock::new(),
            outage: Mutex::default(),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn watches(&self) -> &Watches {
        &self.watches
    }

    pub(super) fn trial(&self) -> &Trial {
        &self.trial
    }

    /// Where the primary is now, if sentinels know it.
    pub(super) async fn primary(&self) -> Option<String> {
        match &self.target {
            Target::Server(_) => None,
            Target::Sentinels(sentinels) => Some(sentinels.primary().await.ok()?.addr().to_string()),
        }
    }

    /// Whether this connection is in use.
    pub(super) fn uses(&self, number: u64) -> bool {
        matches!(&*self.state(), State::Up(up) if up.number == number)
    }

    pub(super) fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Relaxed) + 1
    }

    /// Tries the present connection in the background, as a new one is tried: rights may have been taken away. It is given up
    /// if it fails. What was refused may also be something that we can do without, or somebody else's key.
    fn try_again(self: &Arc<Self>, number: u64) {
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
    fn probe(self: &Arc<Self>, up: &Up) {
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
    async fn replace(self: &Arc<Self>, silent: u64) -> bool {
        let _alone = self.dialling.lock().await;
        if !self.uses(silent) {
            return true;
        }
        let Some(Ok(opened)) = self.open(self.limits.call).await else { return false };
        if self.astray(&opened.place).is_some() {
            return false;
        }
        tracing::debug!(cache = %self.target, "a connection that stopped answering was replaced");
        self.put(opened);
        // Nobody announces changes on the old one for much longer.
        self.watches.all_changed();
        true
    }

    /// The server is of no use any more over the connection with this number.
    pub(super) fn lost(self: &Arc<Self>, number: u64, reason: &str) {
        self.leave(number, reason, false);
    }

    /// The connection with this number was closed, which says nothing about the server yet.
    pub(super) fn closed(self: &Arc<Self>, number: u64, reason: &str) {
        self.leave(number, reason, true);
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
    fn end(&self, number: u64, reason: &str) -> bool {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if !matches!(&*state, State::Up(up) if up.number == number) {
                return false;
            }
            *state = State::Down { reason: reason.to_owned(), since: Instant::now() };
            if self.is_lasting() {
                self.outages.fetch_add(1, Relaxed);
            }
        }
        self.watches.all_changed();
        true
    }

    /// Connects in the background until it has succeeded, unless somebody is doing so.
    fn keep_connecting(self: &Arc<Self>) {
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
                    Ok(()) => return,
                    Err(reason) => link.down(&reason),
                }
            }
        });
    }

    /// One attempt to connect, unless there is a connection.
    async fn connect(self: &Arc<Self>) -> Result<(), String> {
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
        self.connected(opened);
        Ok(())
    }

    /// Uses a connection from now on, and says so to those who wait for it.
    fn connected(self: &Arc<Self>, opened: Opened) {
        let (place, closed_for) = self.put(opened);
        self.back.notify_waiters();
        self.outage_ended(place, closed_for);
    }

    /// Uses a connection from now on; says where it leads, and after which time for more than writes.
    fn put(self: &Arc<Self>, opened: Opened) -> (Arc<Place>, Duration) {
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
    fn begin(self: &Arc<Self>, goes_on: fn(&Shared) -> &AtomicBool) -> Option<Task> {
        let flag = goes_on(self);
        // Mostly it does, and then nothing is written.
        let is_first = !flag.load(Relaxed) && !flag.swap(true, Relaxed);
        is_first.then(|| Task(Arc::downgrade(self), goes_on))
    }
}

/// Something that goes on in the background. Says, when it ends for whatever reason, that it does not any more.
struct Task(Weak<Shared>, fn(&Shared) -> &AtomicBool);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            self.1(&link).store(false, Relaxed);
        }
    }
}

pub(super) fn store_error(error: &RedisError) -> StoreError {
    let Some(code) = error.code() else { return StoreError::Unreachable(error.to_string()) };
    let detail = error.detail().unwrap_or_default();
    // Servers before 7.0 wrap what a script's command said in an error of the script's.
    if code == "WRONGTYPE" || detail.contains(": WRONGTYPE ") {
        return StoreError::Foreign;
    }
    StoreError::Server(format!("{code} {detail}"))
}
