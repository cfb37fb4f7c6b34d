//! How a connection begins: where it goes to, which protocol it speaks, and whether the server is fit to be used.

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

use super::{limits::Limits, sentinel::Sentinels, trial::Trial};
use crate::{patience::in_awake_time, thread::Clock};

/// What a link connects to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Server(Arc<ConnectionInfo>),
    /// Whatever these say.
    Sentinels(Arc<Sentinels>),
}

impl Target {
    /// The address of the server, or the service that it serves.
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

/// A connection that has answered.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    pub(super) number: u64,
    /// The server announces changes of keys that were read for it.
    pub(super) tracking: bool,
    pub(super) place: Arc<Place>,
}

/// Where a connection leads.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: String,
    /// What tells this run of the server from others, if it says so.
    pub(super) run: Option<String>,
}

impl Place {
    /// Whether this is the same run of the same server. Where servers do not say which run it is, their addresses have to do.
    pub(super) fn is(&self, other: &Place) -> bool {
        self.run == other.run && (self.run.is_some() || self.address == other.address)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.run.as_ref().map_or(Ok(()), |run| write!(f, " (run {run})"))
    }
}

/// What is called with whatever a server says without being asked, and the number of its connection.
pub(super) type Receive = Arc<dyn Fn(u64, PushInfo) + Send + Sync>;

/// Makes the connections of one link.
pub(super) struct Dialer {
    target: Target,
    limits: Limits,
    /// What every connection is tried with.
    trial: Trial,
    /// The number of the newest connection.
    number: AtomicU64,
    /// The server does not speak RESP3.
    resp2: AtomicBool,
}

impl Dialer {
    pub(super) fn new(target: Target, limits: Limits, trial: Trial) -> Dialer {
        Dialer { target, limits, trial, number: AtomicU64::new(0), resp2: AtomicBool::new(false) }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Where the primary is now, if sentinels know it.
    pub(super) async fn primary(&self) -> Option<String> {
        match &self.target {
            Target::Server(_) => None,
            Target::Sentinels(sentinels) => Some(sentinels.primary().await.ok()?.addr().to_string()),
        }
    }

    /// One attempt.
    pub(super) async fn open(&self, receive: Receive) -> Result<Opened, String> {
        let info = match &self.target {
            Target::Server(info) => ConnectionInfo::clone(info),
            Target::Sentinels(sentinels) => sentinels.primary().await?,
        };
        let address = info.addr().to_string();
        let (mut connection, number, tracking) = self.speak(info, receive).await?;
        // What answers, but not within the time that calls have, is of no use to them.
        let within = self.limits.call;
        let answer = in_awake_time!(Clock::Real, within, self.trial.hold(&mut connection));
        answer.ok_or_else(|| format!("it answers, but not within {within:?}"))??;
        let run = in_awake_time!(Clock::Real, within, run_of(&mut connection)).flatten();
        Ok(Opened { connection, number, tracking, place: Arc::new(Place { address, run }) })
    }

    /// Agrees on a protocol, and asks for changes to be announced where the server can.
    async fn speak(
        &self,
        info: ConnectionInfo,
        receive: Receive,
    ) -> Result<(MultiplexedConnection, u64, bool), String> {
        if !self.resp2.load(Relaxed) {
            match self.dial(&info, Some(receive)).await {
                Ok((mut connection, number)) => {
                    let mut track = redis::cmd("CLIENT");
                    track.arg("TRACKING").arg("ON").arg("OPTIN");
                    let tracking = track.exec_async(&mut connection).await;
                    if let Err(error) = &tracking {
                        tracing::debug!(%error, "the server announces no changes; waiting readers ask instead");
                    }
                    return Ok((connection, number, tracking.is_ok()));
                }
                Err(error) if refuses_resp3(&error) => self.resp2.store(true, Relaxed),
                // Some proxies close a connection on which they are sent `HELLO`, which they don't know. A server that goes away
                // closes it too, so the next connection asks again.
                Err(error) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                    tracing::debug!(%error, "the connection was closed at `HELLO 3`; RESP2 is tried");
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        let dialled = self.dial(&info, None).await;
        let (connection, number) = dialled.map_err(|error| error.to_string())?;
        Ok((connection, number, false))
    }

    /// Connects with RESP3 where there is somebody to receive what it announces, else with RESP2.
    async fn dial(
        &self,
        info: &ConnectionInfo,
        receive: Option<Receive>,
    ) -> Result<(MultiplexedConnection, u64), RedisError> {
        let protocol = if receive.is_some() { ProtocolVersion::RESP3 } else { ProtocolVersion::RESP2 };
        let redis = info.redis_settings().clone().set_protocol(protocol);
        let client = Client::open(info.clone().set_redis_settings(redis))?;
        // Room for whatever may be on its way, so that a write need not queue behind reads that have not even been sent: in a burst
        // each of those takes a turn of the runtime.
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

/// The run of the server, which a restart changes; `None` where the user may not ask.
async fn run_of(connection: &mut MultiplexedConnection) -> Option<String> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await.ok()?;
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:"))?.trim();
    (!run.is_empty()).then(|| run.to_owned())
}

fn refuses_resp3(error: &RedisError) -> bool {
    // A server that knows no third version, or does not know `HELLO`; redis-rs recognises only one of the two spellings of that.
    let unknown = || error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    error.kind() == ErrorKind::RESP3NotSupported || error.code() == Some("NOPROTO") || unknown()
}
