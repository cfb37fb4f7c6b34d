//! One connection to one server, kept up in the background, and what a circuit breaker does around it.
//!
//! redis-rs has a manager that reconnects, but it keeps a failed handshake for ever, never replaces a connection that has
//! stopped answering, and forgets the session's state (`CLIENT TRACKING`). So this is our own, over its multiplexed connection.
//!
//! A link is up or down. Up, commands go out. After several in a row without an answer, or refusals that say that the server
//! can't serve at all, it goes down: every call is turned away at once, and in the background connections are tried, each of
//! which has to answer a probe within the time that calls are given, until one does. That is a circuit breaker (closed, open,
//! half-open); the crates that offer one guard a call and can't replace the connection beneath it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::{
    Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind,
    Value, aio::MultiplexedConnection,
};
use tokio::{
    runtime,
    sync::Notify,
    time::{sleep, timeout},
};

use self::own::Role;
use super::{
    gather::Gather,
    handshake::{self, Opened, Target},
    reads::Given,
    sentinel,
};
use crate::{
    backoff::Backoff,
    engine,
    store::{StoreError, Watches, boxed},
    telemetry::{Node, NodeState},
};

mod own;

/// After so many commands in a row without an answer in time the connection is replaced.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// After so many commands in a row whose callers went away before there was an answer, the server is asked for a sign of life.
const ABANDONED_IN_A_ROW: u32 = 16;
/// After so many refusals in a row that concern the server and not the command, the connection is given up.
const REFUSALS_IN_A_ROW: u32 = 5;
/// No more reasons than this are told of in one outage.
const REASONS: usize = 8;
/// The pauses between attempts to connect.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));

/// How long a link waits, and for how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// An attempt to connect takes no longer.
    pub(crate) connect: Duration,
    /// A call waits no longer for the store.
    pub(crate) call: Duration,
    /// No more commands than this are on their way at once.
    pub(crate) in_flight: usize,
}

/// What all links of a store have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) limits: Limits,
    pub(super) watches: Watches,
    /// Told when a connection is there again.
    pub(super) back: Arc<Notify>,
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
    state: RwLock<State>,
    /// The task that connects, while there is one.
    connecting: AtomicBool,
    /// Held during an attempt.
    dialling: tokio::sync::Mutex<()>,
    /// The task that asks for a sign of life, while there is one.
    probing: AtomicBool,
    /// Over all connections to the server.
    in_flight: Arc<AtomicUsize>,
    /// Reads that wait to travel together.
    reads: Gather<Given>,
    timeouts: AtomicU32,
    abandoned: AtomicU32,
    refusals: AtomicU32,
    outages: AtomicU64,
    /// The number of the newest connection.
    number: AtomicU64,
    /// The server does not speak RESP3.
    pub(super) resp2: AtomicBool,
    /// The connection for commands that hold up those behind them, once there was one.
    second: OnceLock<Link>,
    /// What was logged in this outage, so that it is one line a reason.
    said: Mutex<Vec<String>>,
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
    /// Where it goes to.
    at: Arc<str>,
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
        let _ = engine::spawn(attempt).await;
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
            State::Up(up) => (up.at.to_string(), NodeState::Up),
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

    /// Sends one command.
    pub(super) async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        // What `query_async` does, without its boxed future.
        self.call_with(command, |value| Ok(redis::from_redis_value(value.extract_error()?)?)).await
    }

    /// Sends one command. What is answered is taken apart here, an error of the server's among it.
    pub(super) async fn call_with<T>(
        &self,
        command: &Cmd,
        take: impl FnOnce(Value) -> RedisResult<T>,
    ) -> Result<T, Failure> {
        let mut call = self.begin()?;
        let sent = call.up.connection.send_packed_command(command).await;
        call.end(sent.and_then(take))
    }

    /// Sends several commands at once; each has its own answer.
    pub(super) async fn call_all<T: FromRedisValue>(&self, pipeline: &mut Pipeline) -> Result<T, Failure> {
        let mut call = self.begin()?;
        let result = pipeline.ignore_errors().query_async(&mut call.up.connection).await;
        call.end(result)
    }

    /// Whether this is the same link.
    pub(super) fn is(&self, other: &Link) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Another link to the same server, for commands that hold up those behind them.
    pub(super) async fn second(&self) -> Link {
        let new = || {
            let Shared { target, limits, watches, back, .. } = &*self.0;
            let common = Common { limits: *limits, watches: watches.clone(), back: back.clone(), home: None };
            Link::new(target.clone(), &common)
        };
        let second = self.0.second.get_or_init(new);
        if !second.is_up() {
            second.connect().await;
        }
        second.clone()
    }

    /// Takes note of a refusal in the answer of several commands.
    pub(super) fn refused(&self, error: &RedisError) {
        self.0.refused(self.0.number.load(Relaxed), error);
    }

    fn begin(&self) -> Result<Call<'_>, Failure> {
        let up = match &*self.0.state() {
            State::Up(up) => up.clone(),
            State::Down { reason, .. } => {
                self.0.keep_connecting();
                return Err(Failure::Down(reason.clone()));
            }
        };
        // Counted first, so that the call gives back what it took even where it is turned away.
        let call = Call { link: &self.0, up, began: Instant::now(), ended: false };
        if self.0.in_flight.fetch_add(1, Relaxed) >= self.0.limits.in_flight {
            drop(call.silent());
            return Err(Failure::Full);
        }
        Ok(call)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.place()).finish()
    }
}

/// A command on its way. Dropped without an answer, it was one of those that the server left unanswered.
struct Call<'a> {
    link: &'a Arc<Shared>,
    up: Up,
    began: Instant,
    ended: bool,
}

impl Call<'_> {
    fn end<T>(mut self, result: Result<T, RedisError>) -> Result<T, Failure> {
        self.ended = true;
        for silences in [&self.link.timeouts, &self.link.abandoned] {
            if silences.load(Relaxed) != 0 {
                silences.store(0, Relaxed);
            }
        }
        match result {
            Ok(answer) => {
                if self.link.refusals.load(Relaxed) != 0 {
                    self.link.refusals.store(0, Relaxed);
                }
                Ok(answer)
            }
            Err(error) => {
                self.link.refused(self.up.number, &error);
                Err(Failure::Redis(error))
            }
        }
    }

    /// The same call, of which nothing is to be concluded.
    fn silent(mut self) -> Self {
        self.ended = true;
        self
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.link.in_flight.fetch_sub(1, Relaxed);
        if self.ended {
            return;
        }
        // The last steps of a call have only what the first ones have left of its time.
        if self.began.elapsed() >= self.link.limits.call / 2 {
            if self.link.timeouts.fetch_add(1, Relaxed) + 1 >= TIMEOUTS_IN_A_ROW {
                self.link.lost(self.up.number, "the server stopped answering");
            }
        } else if self.link.abandoned.fetch_add(1, Relaxed) + 1 >= ABANDONED_IN_A_ROW {
            self.link.probe(&self.up);
        }
    }
}

impl Shared {
    /// Not connected yet.
    fn new(target: Target, role: Role, common: &Common, in_flight: Arc<AtomicUsize>) -> Shared {
        let Common { limits, watches, back, .. } = common;
        Shared {
            target,
            role,
            limits: *limits,
            watches: watches.clone(),
            back: back.clone(),
            state: RwLock::new(State::Down { reason: "not connected yet".to_owned(), since: Instant::now() }),
            connecting: AtomicBool::new(false),
            dialling: tokio::sync::Mutex::default(),
            probing: AtomicBool::new(false),
            in_flight,
            reads: Gather::new(limits.in_flight),
            timeouts: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            outages: AtomicU64::new(0),
            number: AtomicU64::new(0),
            resp2: AtomicBool::new(false),
            second: OnceLock::new(),
            said: Mutex::default(),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self) -> MutexGuard<'_, Vec<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn watches(&self) -> &Watches {
        &self.watches
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

    /// Concludes from an error what it says about the connection and the server.
    fn refused(self: &Arc<Self>, number: u64, error: &RedisError) {
        if error.is_unrecoverable_error() || error.is_io_error() {
            self.lost(number, &error.to_string());
        } else if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
            // What it holds may be older than what was written: not even its values are of use.
            self.lost(number, &error.to_string());
        } else if concerns_the_server(error) && self.refusals.fetch_add(1, Relaxed) + 1 >= REFUSALS_IN_A_ROW {
            self.lost(number, &error.to_string());
        }
    }

    /// Asks for a sign of life in the background: every caller went away too early to know.
    fn probe(self: &Arc<Self>, up: &Up) {
        if self.probing.swap(true, Relaxed) {
            return;
        }
        let (link, mut up) = (Arc::downgrade(self), up.clone());
        let within = self.limits.call;
        engine::spawn(async move {
            let answer = timeout(within, redis::cmd("PING").exec_async(&mut up.connection)).await;
            let Some(link) = link.upgrade() else { return };
            link.probing.store(false, Relaxed);
            link.abandoned.store(0, Relaxed);
            if answer.is_err() {
                link.lost(up.number, "the server stopped answering");
            }
        });
    }

    /// The connection with this number is of no use any more.
    pub(super) fn lost(self: &Arc<Self>, number: u64, reason: &str) {
        if !self.end(number, reason) {
            return;
        }
        if let Role::Own { .. } = &self.role {
            self.ask_lasting();
            return;
        }
        self.end_own(reason);
        self.down(reason);
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
        }
        self.watches.all_changed();
        true
    }

    /// Takes a connection into use.
    fn use_connection(&self, opened: Opened) {
        let Opened { connection, number, tracking, at } = opened;
        for counter in [&self.timeouts, &self.abandoned, &self.refusals] {
            counter.store(0, Relaxed);
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State::Up(Up { connection, number, tracking, at: at.into() });
    }

    /// Notes why there is no connection; says so once.
    fn down(&self, reason: &str) {
        if let State::Down { reason: known, .. } =
            &mut *self.state.write().unwrap_or_else(PoisonError::into_inner)
        {
            reason.clone_into(known);
        }
        let mut said = self.said();
        if said.is_empty() {
            self.outages.fetch_add(1, Relaxed);
        }
        if said.len() < REASONS && !said.iter().any(|known| known == reason) {
            tracing::warn!(
                cache = %self.target,
                reason,
                "cache unreachable, functions run uncached until it is back"
            );
            said.push(reason.to_owned());
        }
    }

    /// Connects in the background until it has succeeded, unless somebody is doing so.
    fn keep_connecting(self: &Arc<Self>) {
        // A runtime's own is dialled there.
        if let Role::Own { .. } = &self.role {
            return;
        }
        if self.connecting.load(Relaxed) || self.connecting.swap(true, Relaxed) {
            return;
        }
        let task = Connecting(Arc::downgrade(self));
        engine::spawn(async move {
            let mut pauses = RECONNECT.pauses();
            loop {
                sleep(pauses.next_pause()).await;
                // The last cache has gone: so may this.
                let Some(link) = task.0.upgrade() else { return };
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
        let within = self.limits.connect;
        let attempt = timeout(within, handshake::open(self, &self.target)).await;
        let opened = attempt.map_err(|_| format!("no connection within {within:?}"))??;
        let (number, at) = (opened.number, opened.at.clone());
        self.use_connection(opened);
        if !std::mem::take(&mut *self.said()).is_empty() {
            tracing::info!(cache = %self.target, at = at.as_str(), "cache reachable again");
        }
        if let Target::Sentinels(_) = &self.target {
            sentinel::follow(Arc::downgrade(self), at, number);
        }
        self.back.notify_waiters();
        Ok(())
    }
}

/// Says, when it ends for whatever reason, that nobody is connecting any more.
struct Connecting(Weak<Shared>);

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.connecting.store(false, Relaxed);
        }
    }
}

/// Whether the server would refuse any other command as well.
fn concerns_the_server(error: &RedisError) -> bool {
    matches!(error.code(), Some("LOADING" | "MASTERDOWN" | "BUSY" | "NOAUTH" | "WRONGPASS"))
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
