//! Whether the main connection still leads to the primary, asked once a second.
//!
//! A server that has become a replica refuses writes, but a program that only has hits would go on reading its stale values for as
//! long as the connection lasts. And a primary that was cut off may go on answering after a failover: only sentinels know. Nodes of a
//! cluster say themselves (`MOVED`) that they have lost their slots.

use std::{sync::Weak, time::Duration};

use redis::{RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::sleep;

use super::{super::capabilities, Inner};
use crate::{
    patience::in_awake_time,
    thread::{self, Clock},
};

/// How long to wait between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How a server is asked for its role. If a user may not use one command, the next one is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Role,
    Info,
    Nothing,
}

/// What a server answers about its role.
#[derive(Debug, PartialEq, Eq)]
enum Reported {
    Replica,
    /// Something else, or no answer.
    Other,
    /// The user may not use this command.
    Refused,
    /// The connection was closed.
    Closed(String),
}

/// Asks in the background, while the connection with this number is current.
pub(super) fn follow(node: Weak<Inner>, number: u64) {
    thread::spawn(async move {
        let mut question = Question::Role;
        loop {
            sleep(CHECK_INTERVAL).await;
            let Some(node) = node.upgrade() else { return };
            let Some(mut live) = node.live().filter(|live| live.number == number) else { return };
            let within = node.limits.call.min(CHECK_INTERVAL);
            let asked = in_awake_time!(Clock::Real, within, is_replica(&mut live.connection, &mut question));
            match asked {
                Some(Ok(false)) | None => {}
                Some(Ok(true)) => return node.lost(number, "the server has become a replica"),
                // Over RESP2 nobody says that a connection was closed, and a program that is idle would not notice.
                Some(Err(reason)) => return node.closed(number, &reason),
            }
            // Sentinels that do not answer say nothing about the primary.
            if let Some(primary) = node.dialer.primary().await
                && primary != live.server.address
            {
                return node.lost(number, &format!("the primary is at {primary} now"));
            }
        }
    });
}

/// Fails if the connection was closed.
async fn is_replica(connection: &mut MultiplexedConnection, question: &mut Question) -> Result<bool, String> {
    loop {
        let (reported, next) = match question {
            Question::Role => {
                let answer: RedisResult<Value> = redis::cmd("ROLE").query_async(connection).await;
                (interpret(answer, capabilities::is_replica), Question::Info)
            }
            Question::Info => {
                let answer: RedisResult<String> =
                    redis::cmd("INFO").arg("replication").query_async(connection).await;
                let says_so = |info: &String| info.lines().any(|line| line.trim_end() == "role:slave");
                (interpret(answer, says_so), Question::Nothing)
            }
            Question::Nothing => return Ok(false),
        };
        match reported {
            Reported::Refused => *question = next,
            Reported::Closed(reason) => return Err(reason),
            Reported::Replica => return Ok(true),
            Reported::Other => return Ok(false),
        }
    }
}

fn interpret<T>(answer: RedisResult<T>, is_replica: impl FnOnce(&T) -> bool) -> Reported {
    match answer {
        Ok(answer) if is_replica(&answer) => Reported::Replica,
        // Errors of a server that is loading or busy do not concern this command.
        Err(error) if matches!(error.code(), Some("ERR" | "NOPERM")) => Reported::Refused,
        Err(error) if error.is_connection_dropped() => Reported::Closed(error.to_string()),
        _ => Reported::Other,
    }
}
