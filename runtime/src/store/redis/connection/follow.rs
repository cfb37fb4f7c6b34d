//! Whether a lasting connection still leads to the primary, asked once a second while it is in use.
//!
//! A write is refused by a server that has become a replica, but a program that only hits would be given what that holds for as
//! long as the connection lasts. And a primary that was cut off can go on answering after another has taken its place: only
//! sentinels know. Nodes of a cluster say by themselves (`MOVED`) that they have lost their slots.

use std::{sync::Weak, time::Duration};

use redis::{RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::sleep;

use super::{super::trial, Shared};
use crate::{
    patience::in_awake_time,
    thread::{self, Clock},
};

/// Pause between two questions.
const EVERY: Duration = Duration::from_secs(1);

/// How a server is asked what it is. A user who may not ask in one way asks in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Role,
    Info,
    Nothing,
}

/// What a server says that it is.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Replica,
    /// Something else, or nothing now.
    Other,
    /// Nobody may ask in this way.
    Refused,
}

/// Asks in the background, while the connection with this number is in use.
pub(super) fn follow(link: Weak<Shared>, number: u64) {
    thread::spawn(async move {
        let mut question = Question::Role;
        loop {
            sleep(EVERY).await;
            let Some(link) = link.upgrade() else { return };
            let Some(mut up) = link.present().filter(|up| up.number == number) else { return };
            let within = link.limits.call.min(EVERY);
            let asked = in_awake_time!(Clock::Real, within, is_replica(&mut up.connection, &mut question));
            if asked == Some(true) {
                return link.lost(number, "the server has become a replica");
            }
            // Sentinels that do not answer say nothing about the primary.
            if let Some(primary) = link.dialer.primary().await
                && primary != up.place.address
            {
                return link.lost(number, &format!("the primary is at {primary} now"));
            }
        }
    });
}

async fn is_replica(connection: &mut MultiplexedConnection, question: &mut Question) -> bool {
    loop {
        let (said, next) = match question {
            Question::Role => {
                let answer: RedisResult<Value> = redis::cmd("ROLE").query_async(connection).await;
                (understood(answer, trial::is_replica), Question::Info)
            }
            Question::Info => {
                let answer: RedisResult<String> =
                    redis::cmd("INFO").arg("replication").query_async(connection).await;
                let says_so = |info: &String| info.lines().any(|line| line.trim_end() == "role:slave");
                (understood(answer, says_so), Question::Nothing)
            }
            Question::Nothing => return false,
        };
        match said {
            Said::Refused => *question = next,
            said => return said == Said::Replica,
        }
    }
}

fn understood<T>(answer: RedisResult<T>, is_replica: impl FnOnce(&T) -> bool) -> Said {
    match answer {
        Ok(answer) if is_replica(&answer) => Said::Replica,
        // What a server says while it is loading or busy, it does not say of the question.
        Err(error) if matches!(error.code(), Some("ERR" | "NOPERM")) => Said::Refused,
        _ => Said::Other,
    }
}
