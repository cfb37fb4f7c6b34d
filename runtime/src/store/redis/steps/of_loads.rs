//! A step of a load on several keys: one pipeline to each server, over the connection of the caller's runtime.

use std::{future::Future, mem, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{Step, steps::SetIfAbsent};
use futures_util::{StreamExt, future::join_all, stream};
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::time::Instant;

use super::{
    super::{
        RedisStore,
        connection::NodeConnection,
        failure::store_error,
        scatter::Indexed,
        script::{by_hash, by_source},
        wire::ScriptReply,
    },
    SOURCE_FROM, is_not_taken, parse_reply,
};
use crate::{
    patience::in_awake_time,
    store::answer::{Answer, LARGE, StoreError},
    thread::Clock,
};

/// Maximum number of steps of a pipeline: the server takes them one after the other.
const CHUNK: usize = 1_000;
/// Maximum length of the values of a pipeline, unless one alone is longer (bytes).
const CHUNK_BYTES: usize = 1 << 20;
/// Maximum number of pipelines of one caller to one server that are not answered yet.
const IN_FLIGHT: usize = 4;

/// Maximum number of steps of a pipeline that are sent again alone at the same time: there is a limit to what may be in flight.
const ALONE: usize = 32;

/// A step without an answer.
pub(super) enum Unanswered {
    /// The server did not take it: it is sent alone, to where it has to go.
    NotTaken,
    Failed(StoreError),
}

/// What the answer of a step that is one command means.
type OfCommand<A> = fn(Option<Bytes>) -> A;

impl RedisStore {
    /// Runs a step of a load on each of several keys. What is not answered in time is a timeout.
    pub(crate) async fn run_all_of_load<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
        within: Duration,
    ) -> Vec<Answer<S::Answer>> {
        let until = Instant::now() + within;
        let run = |owner: NodeConnection, indices: Vec<usize>| async move {
            let chunks = chunks(indices, |index| steps[index].value().map_or(0, Bytes::len));
            let owner = &owner;
            let pipelines = chunks.into_iter().map(|chunk| async move {
                self.run_chunk(owner, keys, steps, &chunk, Limit { within, until }).await
            });
            // One that is late holds up no other.
            stream::iter(pipelines).buffer_unordered(IN_FLIGHT).concat().await
        };
        self.scatter_all(keys, run).await
    }

    async fn run_chunk<S: Step>(
        &self,
        owner: &NodeConnection,
        keys: &[&str],
        steps: &[S],
        chunk: &[usize],
        limit: Limit,
    ) -> Indexed<S::Answer> {
        // What is stored decides how it is read later; a large value has a connection of its own.
        let (apart, together): (Vec<usize>, Vec<usize>) = chunk.iter().copied().partition(|index| {
            let Some(value) = steps[*index].value() else { return false };
            self.large.record_stored(keys[*index], value.len());
            value.len() > LARGE
        });
        let node = if S::RENEWAL { owner } else { owner.local_if_up() };
        let lengths = || together.iter().filter_map(|index| steps[*index].value()).map(Bytes::len);
        if let Some(average) = lengths().sum::<usize>().checked_div(lengths().count()) {
            owner.local().reads().record_length(average);
        }
        // Each has a limit of its own: what was answered in time counts, whatever becomes of the others.
        let alone = |index: usize| async move {
            let run = self.run(keys[index], &steps[index]);
            (index, limit.keep(run).await.unwrap_or_else(Err))
        };
        let send = limit.keep(self.send_steps(node, keys, steps, &together));
        let (mut answers, replies) = futures_util::join!(join_all(apart.into_iter().map(alone)), send);
        let replies = replies.unwrap_or_else(|late| failed_alike(&together, &late));
        let mut not_taken = Vec::new();
        for (index, reply) in together.into_iter().zip(replies) {
            match reply {
                Ok(answer) => answers.push((index, Ok(answer))),
                Err(Unanswered::NotTaken) => not_taken.push(index),
                Err(Unanswered::Failed(error)) => answers.push((index, Err(error))),
            }
        }
        let again = stream::iter(not_taken.into_iter().map(alone)).buffer_unordered(ALONE);
        answers.extend(again.collect::<Vec<_>>().await);
        answers
    }

    /// Sends steps as one pipeline; one answer for each.
    async fn send_steps<S: Step>(
        &self,
        node: &NodeConnection,
        keys: &[&str],
        steps: &[S],
        indices: &[usize],
    ) -> Vec<Result<S::Answer, Unanswered>> {
        if indices.is_empty() {
            return Vec::new();
        }
        let are_commands = !self.no_nx_get.load(Relaxed)
            && indices.iter().any(|index| steps[*index].set_if_absent().is_some());
        let sent = if self.shares_scripts::<S>(indices.len()) && !are_commands {
            self.send_together(node, keys, steps, indices).await
        } else {
            self.send_each(node, keys, steps, indices).await
        };
        match sent {
            Ok(answers) => answers,
            // The connection of a runtime is lost, which says nothing about the server.
            Err(StoreError::Unreachable(_)) if node.is_own() && S::REPEATABLE => {
                indices.iter().map(|_| Err(Unanswered::NotTaken)).collect()
            }
            Err(error) => failed_alike(indices, &error),
        }
    }

    /// Sends steps as a command each, or a script.
    async fn send_each<S: Step>(
        &self,
        node: &NodeConnection,
        keys: &[&str],
        steps: &[S],
        indices: &[usize],
    ) -> Result<Vec<Result<S::Answer, Unanswered>>, StoreError> {
        let (mut pipeline, of_commands) = self.pipeline_of_steps(keys, steps, indices);
        let replies: Vec<RedisResult<Value>> = node.call_all(&mut pipeline).await?;
        let replies = replies.into_iter().zip(of_commands);
        Ok(replies.map(|(reply, of_command)| self.step_reply::<S>(node, reply, of_command)).collect())
    }

    /// The steps as commands, or else as scripts.
    fn pipeline_of_steps<S: Step>(
        &self,
        keys: &[&str],
        steps: &[S],
        indices: &[usize],
    ) -> (Pipeline, Vec<Option<OfCommand<S::Answer>>>) {
        let mut pipeline = Pipeline::with_capacity(indices.len());
        let mut of_commands = Vec::with_capacity(indices.len());
        let knows_command = !self.no_nx_get.load(Relaxed);
        // A server that does not know the script would refuse all commands: the source goes with the first of many.
        let mut with_source = indices.len() >= SOURCE_FROM;
        for index in indices {
            let (full, step) = (self.full(keys[*index]), &steps[*index]);
            if let Some(SetIfAbsent { value, ttl, answer }) = step.set_if_absent().filter(|_| knows_command) {
                let mut set = Cmd::with_capacity(7, full.len() + value.len() + 32);
                set.arg("SET").arg(full).arg(value).arg("NX").arg("GET").arg("PX").arg(ttl);
                pipeline.add_command(set);
                of_commands.push(Some(answer));
            } else {
                let by = if mem::take(&mut with_source) { by_source } else { by_hash };
                pipeline.add_command(by(full, step));
                of_commands.push(None);
            }
        }
        (pipeline, of_commands)
    }

    fn step_reply<S: Step>(
        &self,
        node: &NodeConnection,
        reply: RedisResult<Value>,
        of_command: Option<OfCommand<S::Answer>>,
    ) -> Result<S::Answer, Unanswered> {
        let value = reply.map_err(|error| {
            self.route.note_error(node, &error);
            // The server is older than 7.0.
            if of_command.is_some() && error.detail().is_some_and(|detail| detail.contains("syntax error")) {
                self.no_nx_get.store(true, Relaxed);
                return Unanswered::NotTaken;
            }
            if is_not_taken(&error) { Unanswered::NotTaken } else { Unanswered::Failed(store_error(&error)) }
        })?;
        let failed = |error: redis::ParsingError| Unanswered::Failed(store_error(&RedisError::from(error)));
        match of_command {
            Some(answer) => Ok(answer(redis::from_redis_value(value).map_err(failed)?)),
            None => {
                let reply: ScriptReply = redis::from_redis_value(value).map_err(failed)?;
                parse_reply::<S>(&reply).map_err(Unanswered::Failed)
            }
        }
    }
}

/// Until when an answer counts.
#[derive(Clone, Copy)]
struct Limit {
    within: Duration,
    until: Instant,
}

impl Limit {
    /// The answer, if it comes in time. Without time nothing is asked.
    async fn keep<T>(self, asked: impl Future<Output = T>) -> Result<T, StoreError> {
        let left = self.until.saturating_duration_since(Instant::now());
        let late = StoreError::Timeout(self.within);
        if left.is_zero() {
            return Err(late);
        }
        in_awake_time!(Clock::Real, left, asked).ok_or(late)
    }
}

/// The same error for each of these steps.
fn failed_alike<A>(indices: &[usize], error: &StoreError) -> Vec<Result<A, Unanswered>> {
    indices.iter().map(|_| Err(Unanswered::Failed(error.clone()))).collect()
}

/// Parts of at most so many steps and bytes.
fn chunks(indices: Vec<usize>, length: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let (mut chunks, mut chunk, mut bytes) = (Vec::new(), Vec::new(), 0);
    for index in indices {
        let more = length(index);
        if chunk.len() >= CHUNK || !chunk.is_empty() && bytes + more > CHUNK_BYTES {
            chunks.push(mem::take(&mut chunk));
            bytes = 0;
        }
        bytes += more;
        chunk.push(index);
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_bounded_in_steps_and_in_bytes() {
        let parts = |many: usize, each: usize| {
            chunks((0..many).collect(), |_| each).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(parts(0, 1), Vec::<usize>::new());
        assert_eq!(parts(CHUNK + 1, 0), vec![CHUNK, 1]);
        assert_eq!(parts(5, CHUNK_BYTES / 2), vec![2, 2, 1]);
        assert_eq!(parts(2, CHUNK_BYTES + 1), vec![1, 1], "one alone may be longer");
    }
}
