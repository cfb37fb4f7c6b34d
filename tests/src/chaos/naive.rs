//! The usual cache-aside, for comparison: `GET`, load, `SET … EX`; write, `DEL`. Where Redis does not answer in
//! time, it goes on without.

use super::{
    class::{TIMEOUT, TTL},
    origin::Row,
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult,
    aio::MultiplexedConnection, cmd,
};
use std::time::Duration;
use tokio::{sync::Mutex, time::timeout};

/// A cache that promises nothing.
#[derive(Debug)]
pub struct Naive {
    client: Client,
    namespace: String,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Naive {
    /// A cache in the Redis at this address.
    ///
    /// # Errors
    /// This can be no address.
    pub fn new(url: &str, namespace: &str) -> RedisResult<Self> {
        let (client, namespace) = (Client::open(url)?, namespace.to_owned());
        Ok(Self { client, namespace, connection: Mutex::default() })
    }

    /// What stands under a key: nothing, or a row or its absence.
    ///
    /// # Errors
    /// Redis did not answer.
    pub async fn get(&self, key: u64) -> RedisResult<Option<Option<Row>>> {
        let text: Option<String> = self.call(cmd("GET").arg(self.full(key))).await?;
        Ok(text.map(|text| {
            let (id, version) = text.split_once(' ')?;
            Some(Row { id: id.parse().ok()?, version: version.parse().ok()? })
        }))
    }

    /// Stores a row, or its absence.
    ///
    /// # Errors
    /// Redis did not answer.
    pub async fn set(&self, key: u64, row: Option<Row>) -> RedisResult<()> {
        let text = row.map_or_else(String::new, |row| format!("{} {}", row.id, row.version));
        self.call(cmd("SET").arg(self.full(key)).arg(text).arg("EX").arg(TTL.as_secs())).await
    }

    /// Deletes what stands under a key.
    ///
    /// # Errors
    /// Redis did not answer.
    pub async fn del(&self, key: u64) -> RedisResult<()> {
        self.call(cmd("DEL").arg(self.full(key))).await
    }

    fn full(&self, key: u64) -> String {
        format!("{}:row:{key}", self.namespace)
    }

    async fn call<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let answer = timeout(TIMEOUT, async {
            let mut connection = self.connection().await?;
            command.query_async(&mut connection).await
        });
        let late = || RedisError::from((ErrorKind::Io, "no answer in time"));
        let answer = answer.await.unwrap_or_else(|_| Err(late()));
        if answer.as_ref().is_err_and(RedisError::is_io_error) {
            *self.connection.lock().await = None;
        }
        answer
    }

    /// The connection, a new one if it was lost.
    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(300)))
            .set_response_timeout(None);
        let new = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(connection.insert(new).clone())
    }
}
