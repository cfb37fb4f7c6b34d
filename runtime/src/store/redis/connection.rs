//! One connection to one server, kept up in the background.
//!
//! redis-rs has a manager that reconnects, but it keeps a failed handshake for ever, never replaces a connection that has
//! stopped answering, and forgets the session's state (`CLIENT TRACKING`). So this is our own, over its multiplexed connection.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, FromRedisValue, ProtocolVersion, PushInfo,
    PushKind, RedisError, Value, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    backoff::Backoff,
    store::{Answer, StoreError, Watches},
};

/// After so many commands in a row without an answer the connection is replaced.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// The kernel gives a connection up when sent data has not been acknowledged for this long.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);
/// The pauses between attempts to connect.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));

/// A connection, or the reason why there is none. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

struct Shared {
    info: ConnectionInfo,
    connect_timeout: Duration,
    watches: Watches,
    state: RwLock<State>,
    /// The task that connects, while there is one.
    connecting: AtomicBool,
    timeouts: AtomicU32,
    /// The number of the newest connection.
    number: AtomicU64,
    /// The server does not speak RESP3.
    resp2: AtomicBool,
    /// What was logged last, so that an outage is one line.
    said: Mutex<Option<String>>,
}

enum State {
    Up(Up),
    Down { reason: String },
}

#[derive(Clone)]
struct Up {
    connection: MultiplexedConnection,
    /// Counts connections, so that a late failure of an old one does not take down the new.
    number: u64,
    /// The server announces changes of keys that were read for it.
    tracking: bool,
}

impl Link {
    /// A link that tries to connect once before it returns, and goes on trying in the background.
    pub(super) async fn new(info: ConnectionInfo, connect_timeout: Duration, watches: Watches) -> Link {
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(UNACKNOWLEDGED);
        let link = Link(Arc::new(Shared {
            info: info.set_tcp_settings(tcp),
            connect_timeout,
            watches,
            state: RwLock::new(State::Down { reason: "not connected yet".to_owned() }),
            connecting: AtomicBool::new(false),
            timeouts: AtomicU32::new(0),
            number: AtomicU64::new(0),
            resp2: AtomicBool::new(false),
            said: Mutex::new(None),
        }));
        if let Err(error) = link.0.connect().await {
            link.0.down(&error);
            link.0.keep_connecting();
        }
        link
    }

    /// Where the server is, without secrets.
    pub(super) fn place(&self) -> String {
        self.0.place()
    }

    /// Whether the server announces changes on the present connection.
    pub(super) fn tracking(&self) -> bool {
        matches!(&*self.0.state(), State::Up(up) if up.tracking)
    }

    /// Sends one command.
    pub(super) async fn call<T: FromRedisValue>(&self, command: &redis::Cmd) -> Answer<T> {
        let mut up = self.up()?;
        let result = command.query_async(&mut up.connection).await;
        self.answered(&up, result)
    }

    /// Sends several commands at once; each has its own answer.
    pub(super) async fn call_all<T: FromRedisValue>(&self, pipeline: &mut redis::Pipeline) -> Answer<T> {
        let mut up = self.up()?;
        let result = pipeline.ignore_errors().query_async(&mut up.connection).await;
        self.answered(&up, result)
    }

    /// Notes that a command was not answered in time.
    pub(super) fn unanswered(&self) {
        if self.0.timeouts.fetch_add(1, Relaxed) + 1 >= TIMEOUTS_IN_A_ROW {
            self.0.timeouts.store(0, Relaxed);
            let number = self.0.number.load(Relaxed);
            self.0.lost(number, "the server stopped answering");
        }
    }

    fn up(&self) -> Answer<Up> {
        match &*self.0.state() {
            State::Up(up) => Ok(up.clone()),
            State::Down { reason } => {
                self.0.keep_connecting();
                Err(StoreError::Unreachable(reason.clone()))
            }
        }
    }

    fn answered<T>(&self, up: &Up, result: Result<T, RedisError>) -> Answer<T> {
        if self.0.timeouts.load(Relaxed) != 0 {
            self.0.timeouts.store(0, Relaxed);
        }
        result.map_err(|error| {
            if error.is_unrecoverable_error() || error.is_io_error() {
                self.0.lost(up.number, &error.to_string());
            }
            store_error(&error)
        })
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Link").field(&self.place()).finish()
    }
}

impl Shared {
    fn place(&self) -> String {
        match self.info.redis_settings().db() {
            0 => format!("redis at {}", self.info.addr()),
            database => format!("redis at {}, database {database}", self.info.addr()),
        }
    }

    fn state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self) -> MutexGuard<'_, Option<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection with this number is of no use any more.
    fn lost(self: &Arc<Self>, number: u64, reason: &str) {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if !matches!(&*state, State::Up(up) if up.number == number) {
                return;
            }
            *state = State::Down { reason: reason.to_owned() };
        }
        self.watches.all_changed();
        self.down(reason);
        self.keep_connecting();
    }

    /// Notes why there is no connection; says so once.
    fn down(&self, reason: &str) {
        if let State::Down { reason: known } =
            &mut *self.state.write().unwrap_or_else(PoisonError::into_inner)
        {
            reason.clone_into(known);
        }
        let mut said = self.said();
        if said.as_deref() != Some(reason) {
            tracing::warn!(
                cache = self.place(),
                reason,
                "cache unreachable, functions run uncached until it is back"
            );
            *said = Some(reason.to_owned());
        }
    }

    /// Connects in the background until it has succeeded, unless somebody is doing so.
    fn keep_connecting(self: &Arc<Self>) {
        // Outside a runtime nobody can wait for the connection either; the next call inside one comes here again.
        let Ok(runtime) = Handle::try_current() else { return };
        if self.connecting.swap(true, Relaxed) {
            return;
        }
        let task = Connecting(Arc::downgrade(self));
        runtime.spawn(async move {
            let mut pauses = RECONNECT.pauses();
            loop {
                tokio::time::sleep(pauses.next_pause()).await;
                // The last cache has gone: so may this.
                let Some(link) = task.0.upgrade() else { return };
                match link.connect().await {
                    Ok(()) => return,
                    Err(reason) => link.down(&reason),
                }
            }
        });
    }

    /// One attempt to connect.
    async fn connect(self: &Arc<Self>) -> Result<(), String> {
        let attempt = timeout(self.connect_timeout, self.handshake()).await;
        let within = self.connect_timeout;
        let (connection, tracking) = attempt.map_err(|_| format!("no connection within {within:?}"))??;
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            *state = State::Up(Up { connection, number: self.number.load(Relaxed), tracking });
        }
        if self.said().take().is_some() {
            tracing::info!(cache = self.place(), "cache reachable again");
        }
        Ok(())
    }

    async fn handshake(self: &Arc<Self>) -> Result<(MultiplexedConnection, bool), String> {
        if !self.resp2.load(Relaxed) {
            match self.open(ProtocolVersion::RESP3).await {
                Ok(mut connection) => {
                    let mut track = redis::cmd("CLIENT");
                    track.arg("TRACKING").arg("ON").arg("OPTIN");
                    let tracking = track.exec_async(&mut connection).await;
                    if let Err(error) = &tracking {
                        tracing::debug!(%error, "the server announces no changes; waiting readers ask instead");
                    }
                    return Ok((connection, tracking.is_ok()));
                }
                Err(error) if refuses_resp3(&error) => self.resp2.store(true, Relaxed),
                Err(error) => return Err(error.to_string()),
            }
        }
        let connection = self.open(ProtocolVersion::RESP2).await.map_err(|error| error.to_string())?;
        Ok((connection, false))
    }

    async fn open(self: &Arc<Self>, protocol: ProtocolVersion) -> Result<MultiplexedConnection, RedisError> {
        let redis = self.info.redis_settings().clone().set_protocol(protocol);
        let client = Client::open(self.info.clone().set_redis_settings(redis))?;
        let mut config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let number = self.number.fetch_add(1, Relaxed) + 1;
        if protocol == ProtocolVersion::RESP3 {
            let link = Arc::downgrade(self);
            config = config.set_push_sender(move |push| {
                receive(&link, number, push);
                Ok::<(), redis::aio::SendError>(())
            });
        }
        client.get_multiplexed_async_connection_with_config(&config).await
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

/// What the server says without being asked.
fn receive(link: &Weak<Shared>, number: u64, push: PushInfo) {
    let Some(link) = link.upgrade() else { return };
    match (push.kind, push.data.into_iter().next()) {
        (PushKind::Invalidate, Some(Value::Array(keys))) => {
            for key in keys {
                if let Value::BulkString(key) = key
                    && let Ok(key) = std::str::from_utf8(&key)
                {
                    link.watches.changed(key);
                }
            }
        }
        // `FLUSHALL` and `FLUSHDB` name no keys.
        (PushKind::Invalidate, _) => link.watches.all_changed(),
        (PushKind::Disconnection, _) => link.lost(number, "the connection was closed"),
        _ => {}
    }
}

fn refuses_resp3(error: &RedisError) -> bool {
    // A server that knows no third version, or does not know `HELLO`; redis-rs recognises only one of the two spellings of that.
    let unknown = || error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    error.kind() == ErrorKind::RESP3NotSupported || error.code() == Some("NOPROTO") || unknown()
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
