//! Sentinels: they are asked for the primary before each connection, and while one is in use.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult, aio::MultiplexedConnection};

use super::address::with_host;
use crate::{patience::in_awake_time, thread::Clock};

/// How long to wait for the answer of a sentinel before the next one is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);

pub(super) struct Sentinels {
    addresses: Vec<ConnectionInfo>,
    service: String,
    /// How to connect to the primary; only its address is unknown.
    primary: ConnectionInfo,
    /// The index of the sentinel that answered last, which is asked first.
    last_answered: AtomicUsize,
}

impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sentinels").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis `{}` of the sentinels at ", self.service)?;
        for (number, sentinel) in self.addresses.iter().enumerate() {
            write!(f, "{}{}", if number == 0 { "" } else { ", " }, sentinel.addr())?;
        }
        match self.primary.redis_settings().db() {
            0 => Ok(()),
            database => write!(f, ", database {database}"),
        }
    }
}

impl Sentinels {
    pub(super) fn new(addresses: Vec<ConnectionInfo>, service: String, primary: ConnectionInfo) -> Sentinels {
        Sentinels { addresses, service, primary, last_answered: AtomicUsize::new(0) }
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// The current primary.
    pub(super) async fn primary(&self) -> Result<ConnectionInfo, String> {
        let mut reason = String::new();
        for turn in 0..self.addresses.len() {
            let number = (self.last_answered.load(Relaxed) + turn) % self.addresses.len();
            let sentinel = &self.addresses[number];
            let answer = in_awake_time!(Clock::Real, ANSWER_TIMEOUT, self.ask(sentinel));
            match answer.unwrap_or_else(|| Err(format!("no answer within {ANSWER_TIMEOUT:?}"))) {
                Ok((host, port)) => {
                    self.last_answered.store(number, Relaxed);
                    return Ok(with_host(&self.primary, &host, port));
                }
                Err(error) => reason = format!("sentinel at {}: {error}", sentinel.addr()),
            }
        }
        Err(reason)
    }

    async fn ask(&self, sentinel: &ConnectionInfo) -> Result<(String, u16), String> {
        let mut connection = dial(sentinel).await.map_err(|error| error.to_string())?;
        self.command(&mut connection).await
    }

    async fn command(&self, connection: &mut MultiplexedConnection) -> Result<(String, u16), String> {
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let answer: RedisResult<Option<(String, u16)>> = command.query_async(connection).await;
        answer
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("it knows no service `{}`", self.service))
    }
}

async fn dial(sentinel: &ConnectionInfo) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    Client::open(sentinel.clone())?.get_multiplexed_async_connection_with_config(&config).await
}
