//! Opening a connection: the address, the version of the protocol, and the checks of the server.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, ProtocolVersion, PushInfo, RedisError,
    aio::MultiplexedConnection,
};

use super::{capabilities::Capabilities, failure::explained, limits::Limits, sentinel::Sentinels};
use crate::{patience::in_awake_time, thread::Clock};

/// What a connection leads to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Server(Arc<ConnectionInfo>),
    /// The primary that these name.
    Sentinels(Arc<Sentinels>),
}

impl Target {
    /// The address of the server, or the name of the service.
    pub(super) fn address(&self) -> String {
        match self {
            Target::Server(info) => info.addr().to_string(),
            Target::Sentinels(sentinels) => sentinels.service().to_owned(),
        }
    }
}

/// Without secrets.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Server(info) => match info.redis_settings().db() {
                0 => write!(f, "redis at {}", info.addr()),
                database => write!(f, "redis at {}, database {database}", info.addr()),
            },
            Target::Sentinels(sentinels) => sentinels.fmt(f),
        }
    }
}

/// A connection that has passed the checks.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    pub(super) number: u64,
    /// The server announces changes of keys that were read on it.
    pub(super) tracking: bool,
    pub(super) server: Arc<ServerIdentity>,
}

/// Which server a connection leads to.
#[derive(Debug)]
pub(super) struct ServerIdentity {
    pub(super) address: String,
    /// The run id, which a restart changes; `None` if the user may not ask for it.
    pub(super) run: Option<String>,
}

impl ServerIdentity {
    /// Whether this is the same run of the same server. Without run ids the addresses are compared.
    pub(super) fn is(&self, other: &ServerIdentity) -> bool {
        self.run == other.run && (self.run.is_some() || self.address == other.address)
    }
}

impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.run.as_ref().map_or(Ok(()), |run| write!(f, " (run {run})"))
    }
}

/// Receives the number of the connection and what the server pushes on it.
pub(super) type Receive = Arc<dyn Fn(u64, PushInfo) + Send + Sync>;

/// Opens the connections to one server.
pub(super) struct Dialer {
    target: Target,
    limits: Limits,
    /// What every connection is checked for.
    capabilities: Capabilities,
    /// The number of the newest connection.
    number: AtomicU64,
    /// The server does not know RESP3.
    resp2: AtomicBool,
}

impl Dialer {
    pub(super) fn new(target: Target, limits: Limits, capabilities: Capabilities) -> Dialer {
        Dialer { target, limits, capabilities, number: AtomicU64::new(0), resp2: AtomicBool::new(false) }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The address of the current primary, if sentinels know it.
    pub(super) async fn primary(&self) -> Option<String> {
        match &self.target {
            Target::Server(_) => None,
            Target::Sentinels(sentinels) => Some(sentinels.primary().await.ok()?.addr().to_string()),
        }
    }

    /// One attempt to connect.
    pub(super) async fn open(&self, receive: Receive) -> Result<Opened, String> {
        let info = match &self.target {
            Target::Server(info) => ConnectionInfo::clone(info),
            Target::Sentinels(sentinels) => sentinels.primary().await?,
        };
        let address = info.addr().to_string();
        let (mut connection, number, tracking) = self.negotiate(info, receive).await?;
        // A server that answers later than the time limit of calls is of no use to them.
        let within = self.limits.call;
        let answer = in_awake_time!(Clock::Real, within, self.capabilities.check(&mut connection));
        answer.ok_or_else(|| format!("it answers, but not within {within:?}"))??;
        let run = in_awake_time!(Clock::Real, within, run_of(&mut connection)).flatten();
        Ok(Opened { connection, number, tracking, server: Arc::new(ServerIdentity { address, run }) })
    }

    /// Negotiates the protocol, and turns client tracking on if the server has it.
    async fn negotiate(
        &self,
        info: ConnectionInfo,
        receive: Receive,
    ) -> Result<(MultiplexedConnection, u64, bool), String> {
        let mut closed_at_hello = false;
        if !self.resp2.load(Relaxed) {
            match self.dial(&info, Some(receive.clone())).await {
                Ok(dialled) => return Ok(track_changes(dialled).await),
                Err(error) if refuses_resp3(&error) => self.resp2.store(true, Relaxed),
                Err(error) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                    tracing::debug!(%error, "the connection was closed at `HELLO 3`; RESP2 is tried");
                    closed_at_hello = true;
                }
                Err(error) => return Err(explained(&error)),
            }
        }
        let dialled = self.dial(&info, None).await;
        let (connection, number) = dialled.map_err(|error| explained(&error))?;
        // Some proxies close a connection at `HELLO`, which they don't know, and do so again. A server that went away closes it too, and
        // then is back: without RESP3 nobody would be told when this connection is closed.
        if closed_at_hello && let Ok(dialled) = self.dial(&info, Some(receive)).await {
            return Ok(track_changes(dialled).await);
        }
        Ok((connection, number, false))
    }

    /// Connects, with RESP3 if somebody receives pushes, else with RESP2.
    async fn dial(
        &self,
        info: &ConnectionInfo,
        receive: Option<Receive>,
    ) -> Result<(MultiplexedConnection, u64), RedisError> {
        let protocol = if receive.is_some() { ProtocolVersion::RESP3 } else { ProtocolVersion::RESP2 };
        let redis = info.redis_settings().clone().set_protocol(protocol);
        let client = Client::open(info.clone().set_redis_settings(redis))?;
        // Room for everything that may be in flight, so that a write does not queue behind reads that are not sent yet: in a burst each
        // of those takes a turn of the runtime.
        let room = self.limits.in_flight.saturating_mul(2).clamp(64, 1 << 16);
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(room);
        let number = self.number.fetch_add(1, Relaxed) + 1;
        if let Some(receive) = receive {
            config = config.set_push_sender(move |push| {
                receive(number, push);
                Ok::<(), redis::aio::SendError>(())
            });
        }
        Ok((client.get_multiplexed_async_connection_with_config(&config).await?, number))
    }
}

/// Turns client tracking on, if the server has it; returns whether. Who may do that need not be allowed to name the keys.
async fn track_changes(
    (mut connection, number): (MultiplexedConnection, u64),
) -> (MultiplexedConnection, u64, bool) {
    let mut track = redis::pipe();
    track.cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN").cmd("CLIENT").arg("CACHING").arg("YES");
    let tracking = track.exec_async(&mut connection).await;
    if let Err(error) = &tracking {
        tracing::debug!(%error, "the server announces no changes; waiting readers ask instead");
    }
    (connection, number, tracking.is_ok())
}

/// The run id of the server, which a restart changes; `None` if the user may not ask for it.
async fn run_of(connection: &mut MultiplexedConnection) -> Option<String> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await.ok()?;
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:"))?.trim();
    (!run.is_empty()).then(|| run.to_owned())
}

fn refuses_resp3(error: &RedisError) -> bool {
    // A server without RESP3, or without `HELLO`; redis-rs recognises only one of the two spellings of that.
    let unknown = || error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    error.kind() == ErrorKind::RESP3NotSupported || error.code() == Some("NOPROTO") || unknown()
}
