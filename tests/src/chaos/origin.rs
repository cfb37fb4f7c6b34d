//! The origin: a store that nothing disturbs, in which every write of a key makes its next version, and which knows
//! who wrote each.

use super::{
    class::{FIRST_SLOT, SLOTS},
    clock::Timestamp,
    journal::Journal,
    record::{Load, OpId, Record},
};
use cached_aside::Error;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script, aio::MultiplexedConnection, cmd};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;

/// Writes the next version of each key. With `pick` the origin chooses one of the slots as well, which nobody knows before.
const WRITE: &str = r"
local op, first, slots = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local keys, answer = {}, {}
for at = 4, #ARGV do keys[#keys + 1] = ARGV[at] end
if first > 0 then keys[#keys + 1] = first + redis.call('INCR', 'picks') % slots end
for _, key in ipairs(keys) do
  local version = redis.call('INCR', 'version:' .. key)
  redis.call('HSET', 'writers:' .. key, version, op)
  answer[#answer + 1] = tonumber(key)
end
return answer";

/// What stands at the origin under a key that has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The key.
    pub id: u64,
    /// How often it has been written.
    pub version: u64,
}

/// What a write says: the last key that it wrote, which is the slot if one was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// That key.
    pub id: u64,
}

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// It was not begun.
    #[error(transparent)]
    Refused(#[from] Error),
    /// Its body was told to fail.
    #[error("planned")]
    Planned,
    /// The origin failed, which it never should.
    #[error("the origin: {0}")]
    Origin(String),
}

/// How a body comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Well.
    Well,
    /// With an error, before it has asked the origin or after.
    Fails {
        /// Whether the origin has been asked.
        late: bool,
    },
    /// With a panic, before or after.
    Panics {
        /// Whether the origin has been asked.
        late: bool,
    },
}

/// How one body runs.
#[derive(Debug)]
pub struct Step {
    /// The operation that it belongs to.
    pub op: OpId,
    /// Whether that is a read past the cache.
    pub direct: bool,
    /// A pause before it asks the origin.
    pub before: Duration,
    /// A pause after.
    pub after: Duration,
    /// How it ends.
    pub fate: Fate,
}

/// A connection to the origin.
#[derive(Debug, Clone)]
pub struct Origin {
    connection: MultiplexedConnection,
    journal: Arc<Journal>,
}

impl Origin {
    /// Connects, and writes loads down in this journal.
    ///
    /// # Errors
    /// There is no origin.
    pub async fn connect(url: &str, journal: Arc<Journal>) -> RedisResult<Self> {
        // A program that starts on a busy machine may be connected to late.
        let patient = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = Client::open(url)?.get_multiplexed_async_connection_with_config(&patient).await?;
        Ok(Self { connection, journal })
    }

    /// The present version of a key; zero if it was never written.
    ///
    /// # Errors
    /// The origin failed.
    pub async fn version(&self, key: u64) -> Result<u64, Failure> {
        let get = cmd("GET").arg(format!("version:{key}")).query_async(&mut self.connection.clone()).await;
        let version: Option<u64> = get.map_err(|error| Failure::Origin(error.to_string()))?;
        Ok(version.unwrap_or_default())
    }

    /// The body of a read.
    ///
    /// # Errors
    /// As the step says.
    pub async fn load(&self, step: &Step, key: u64) -> Result<Option<Row>, Failure> {
        step.begin().await?;
        let begin = Timestamp::now();
        let version = self.version(key).await?;
        let end = Timestamp::now();
        let Step { op, direct, .. } = *step;
        self.journal.note(&Record::Load(Load { op, direct, key, version, begin, end }));
        step.end().await?;
        Ok((version > 0).then_some(Row { id: key, version }))
    }

    /// The body of a read of several keys, each of which is a read by itself in the history.
    ///
    /// # Errors
    /// As the step says.
    pub async fn load_all(
        &self,
        step: &Step,
        ops: &BTreeMap<u64, OpId>,
        keys: &[u64],
    ) -> Result<HashMap<u64, Row>, Failure> {
        step.begin().await?;
        let begin = Timestamp::now();
        let mut get = cmd("MGET");
        for key in keys {
            get.arg(format!("version:{key}"));
        }
        let versions = get.query_async(&mut self.connection.clone()).await;
        let versions: Vec<Option<u64>> = versions.map_err(|error| Failure::Origin(error.to_string()))?;
        let end = Timestamp::now();
        let mut rows = HashMap::new();
        for (key, version) in keys.iter().copied().zip(versions) {
            let (op, direct, version) = (ops[&key], step.direct, version.unwrap_or_default());
            self.journal.note(&Record::Load(Load { op, direct, key, version, begin, end }));
            if version > 0 {
                rows.insert(key, Row { id: key, version });
            }
        }
        step.end().await?;
        Ok(rows)
    }

    /// The body of a write.
    ///
    /// # Errors
    /// As the step says.
    pub async fn store(&self, step: &Step, keys: &[u64], pick: bool) -> Result<Written, Failure> {
        step.begin().await?;
        let script = Script::new(WRITE);
        let mut call = script.prepare_invoke();
        call.arg(step.op.to_string()).arg(if pick { FIRST_SLOT } else { 0 }).arg(SLOTS).arg(keys);
        let answer = call.invoke_async(&mut self.connection.clone()).await;
        let written: Vec<u64> = answer.map_err(|error| Failure::Origin(error.to_string()))?;
        step.end().await?;
        Ok(Written { id: written.last().copied().unwrap_or_default() })
    }
}

impl Step {
    async fn begin(&self) -> Result<(), Failure> {
        sleep(self.before).await;
        self.come_to(false)
    }

    async fn end(&self) -> Result<(), Failure> {
        sleep(self.after).await;
        self.come_to(true)
    }

    fn come_to(&self, now: bool) -> Result<(), Failure> {
        match self.fate {
            Fate::Fails { late } if late == now => Err(Failure::Planned),
            // A panic that has been told by nobody: the hook prints nothing.
            Fate::Panics { late } if late == now => resume_unwind(Box::new("planned")),
            _ => Ok(()),
        }
    }
}
