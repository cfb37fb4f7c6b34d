//! What commands and answers share: keys with their namespace, and the time of the server.

use std::{fmt, io::Write, time::Duration};

use cached_aside_protocol::steps::Reply;
use redis::{FromRedisValue, ParsingError, RedisWrite, ToRedisArgs, ToSingleRedisArg, Value};

/// The answer of `TIME`: seconds and microseconds.
pub(super) struct Time(u64, u64);

impl FromRedisValue for Time {
    fn from_redis_value(value: redis::Value) -> Result<Time, redis::ParsingError> {
        let (seconds, micros) = FromRedisValue::from_redis_value(value)?;
        Ok(Time(seconds, micros))
    }
}

impl Time {
    /// Rounded down to milliseconds, as in the scripts.
    pub(super) fn since_the_epoch(&self) -> Duration {
        Duration::from_millis(self.0.saturating_mul(1000).saturating_add(self.1 / 1000))
    }
}

/// The answer of a step's script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScriptReply {
    Number(i64),
    Bytes(Vec<u8>),
}

impl FromRedisValue for ScriptReply {
    fn from_redis_value(value: Value) -> Result<ScriptReply, ParsingError> {
        match value {
            Value::BulkString(bytes) => Ok(ScriptReply::Bytes(bytes)),
            value => redis::from_redis_value(value).map(ScriptReply::Number),
        }
    }
}

impl ScriptReply {
    pub(super) fn as_reply(&self) -> Reply<'_> {
        match self {
            ScriptReply::Number(number) => Reply::Number(*number),
            ScriptReply::Bytes(bytes) => Reply::Bytes(bytes),
        }
    }
}

/// A key with its namespace, written directly into the command.
#[derive(Clone, Copy)]
pub(super) struct FullKey<'a> {
    pub(super) namespace: &'a str,
    pub(super) key: &'a str,
}

impl<'a> FullKey<'a> {
    /// Concatenated they are the key.
    pub(super) fn parts(self) -> [&'a [u8]; 3] {
        [self.namespace.as_bytes(), b":", self.key.as_bytes()]
    }

    pub(super) fn len(self) -> usize {
        self.namespace.len() + 1 + self.key.len()
    }
}

impl ToRedisArgs for FullKey<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let mut out = out.writer_for_next_arg();
        // Writing into the command's buffer can't fail.
        for part in self.parts() {
            let _ = out.write_all(part);
        }
    }
}

impl ToSingleRedisArg for FullKey<'_> {}

impl fmt::Display for FullKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_is_no_panic() {
        assert_eq!(Time(1, 2_500).since_the_epoch(), Duration::from_millis(1_002));
        assert_eq!(Time(u64::MAX, u64::MAX).since_the_epoch(), Duration::from_millis(u64::MAX));
    }
}
