//! Reading several keys for one caller: together with the reads of others, or with one command a server.

use std::{iter::repeat_n, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::super::{
    RedisStore, batch::BatchReply, connection::NodeConnection, large::ReadVia, scatter::Indexed,
    wire::FullKey,
};
use super::{Asked, ask};
use crate::{
    patience::in_awake_time,
    store::answer::{Answer, LARGE, Read, StoreError},
    thread::Clock,
};

/// Maximum number of keys of a command: the server does nothing else while it answers one.
const CHUNK: usize = 1_000;
/// The same of the first command, while nothing is known about the lengths of values; and by how much it grows.
const FIRST_CHUNK: usize = 64;
const SLOW_START: usize = 4;
/// Maximum length of an answer, as far as it can be estimated (bytes).
const CHUNK_BYTES: usize = LARGE;
/// Maximum number of commands of one read to one server that are not answered yet.
const IN_FLIGHT: usize = 4;

/// How many keys the next commands have, and how many are sent at once; `fit` is how many an answer has room for, if that is known.
fn next_commands(fit: Option<usize>, slow_start: &mut usize) -> (usize, usize) {
    let next = match fit {
        Some(keys) => (keys.clamp(1, CHUNK), IN_FLIGHT),
        None if *slow_start < CHUNK => (*slow_start, 1),
        None => (CHUNK, IN_FLIGHT),
    };
    // A list can be as long as it likes.
    *slow_start = (*slow_start * SLOW_START).min(CHUNK);
    next
}

impl RedisStore {
    /// Reads the entries of several keys, and with `timed` the time of their servers right after that. What is not answered in time is a
    /// timeout.
    pub(crate) async fn read_all(&self, keys: &[&str], timed: bool, within: Duration) -> Vec<Answer<Read>> {
        let until = Instant::now() + within;
        if let Some(answers) = self.read_at_once(keys, timed, until).await {
            return answers;
        }
        let mut answers = vec![Err(StoreError::Timeout(within)); keys.len()];
        // A value that is known to be large has a connection of its own.
        let is_large = |key: &str| self.large.read_via(key, std::time::Instant::now) != ReadVia::Shared;
        let (apart, shared): (Vec<usize>, Vec<usize>) =
            (0..keys.len()).partition(|index| is_large(keys[*index]));
        let alone = join_all(apart.iter().map(|index| self.read_apart(keys[*index], timed, until)));
        let read = |owner: NodeConnection, indices: Vec<usize>| async move {
            self.read_of_node(&owner, keys, indices, timed, until).await
        };
        let together = self.scatter(shared.into_iter().map(|index| (index, keys[index])), read);
        let (alone, together) = futures_util::join!(alone, together);
        for (index, answer) in apart.into_iter().zip(alone).chain(together) {
            answers[index] = answer;
        }
        answers
    }

    /// Reads the keys with one command where that is all there is to it, as it is for most batches: one server, no large values, and no
    /// reads of others that could be joined.
    async fn read_at_once(&self, keys: &[&str], timed: bool, until: Instant) -> Option<Vec<Answer<Read>>> {
        let owner = self.route.sole()?;
        let is_one = (1..=CHUNK).contains(&keys.len())
            && self.reads_with_one_command(keys.len())
            && !self.large.is_any_known()
            && !owner.local().reads().is_any_open();
        if is_one { Some(self.read_chunk(owner, keys, timed, until).await) } else { None }
    }

    /// Whether so many keys are read with one command, as far as the lengths of values can be estimated.
    pub(crate) fn reads_with_one_command(&self, keys: usize) -> bool {
        let reads = self.route.sole().map(|node| node.local().reads());
        reads.and_then(|reads| reads.keys_in(CHUNK_BYTES)).is_some_and(|fit| fit >= keys)
    }

    /// Reads keys of one server: with those of others where that is one command, else chunk by chunk.
    async fn read_of_node(
        &self,
        owner: &NodeConnection,
        keys: &[&str],
        indices: Vec<usize>,
        timed: bool,
        until: Instant,
    ) -> Indexed<Read> {
        let node = owner.local();
        let parts = indices.iter().map(|index| self.full(keys[*index]).parts());
        if let Some(replies) = node.reads().join_open(parts, timed, || node.runtime()) {
            // A batch has the time limit of a call. Who has less time left has a timeout of their own.
            let left = until.saturating_duration_since(Instant::now());
            let has_less = left < node.limits().call;
            let replies = indices.into_iter().zip(replies).map(|(index, reply)| async move {
                let reply =
                    if has_less { in_awake_time!(Clock::Real, left, reply) } else { Some(reply.await) };
                let answer = match reply {
                    None => Err(StoreError::Timeout(left)),
                    Some(Ok(Ok(Ok((there, now))))) if !timed || now.is_some() => Ok((there, now)),
                    Some(Ok(Ok(Err(error)))) => Err(error),
                    Some(_) => self.read_apart(keys[index], timed, until).await,
                };
                self.note_length(keys[index], &answer);
                (index, answer)
            });
            return join_all(replies).await;
        }
        let (mut answers, mut rest, mut slow_start) = (Vec::new(), indices, FIRST_CHUNK);
        // How long values are is not known at first: it is asked for few, and then for more.
        while !rest.is_empty() {
            let (chunk, at_once) = next_commands(node.reads().keys_in(CHUNK_BYTES), &mut slow_start);
            let later = rest.split_off(rest.len().min(chunk * at_once));
            let chunks: Vec<Vec<usize>> = rest.chunks(chunk).map(<[usize]>::to_vec).collect();
            let reads = chunks.into_iter().map(|chunk| async move {
                let keys: Vec<&str> = chunk.iter().map(|index| keys[*index]).collect();
                let read = self.read_chunk(owner, &keys, timed, until).await;
                chunk.into_iter().zip(read)
            });
            let read: Vec<_> = join_all(reads).await.into_iter().flatten().collect();
            if read.iter().all(|(_, answer)| matches!(answer, Ok((None, _)))) {
                // What is asked for next is most likely missing as well.
                slow_start = CHUNK;
            }
            answers.extend(read);
            rest = later;
        }
        answers
    }

    /// Reads keys of one server with one command.
    async fn read_chunk(
        &self,
        owner: &NodeConnection,
        keys: &[&str],
        timed: bool,
        until: Instant,
    ) -> Vec<Answer<Read>> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // Nobody would wait for the answer.
            return vec![Err(StoreError::Timeout(left)); keys.len()];
        }
        let Some(permit) = owner.local().reads().begin() else {
            return vec![Err(StoreError::Full); keys.len()];
        };
        let full = keys.iter().map(|key| self.full(key));
        let asked = Asked {
            length: full.clone().map(FullKey::len).sum(),
            keys: full,
            timed,
            one_by_one: self.reads_one_by_one(owner.local()),
            until,
        };
        let asked = self.ask_either(owner, &asked);
        let replies = in_awake_time!(Clock::Real, left, asked).unwrap_or(Err(StoreError::Timeout(left)));
        drop(permit);
        let replies = replies.unwrap_or_else(|error| repeat_n(Ok(Err(error)), keys.len()).collect());
        // A future for each of a thousand answers would cost more than the answers.
        let mut apart = Vec::new();
        let answer = |(place, reply): (usize, BatchReply)| match reply {
            Ok(Ok((there, now))) if !timed || now.is_some() => Ok((there, now)),
            Ok(Err(error)) => Err(error),
            // It has to be asked for alone.
            _ => {
                apart.push(place);
                Err(StoreError::Timeout(left))
            }
        };
        let mut answers: Vec<Answer<Read>> = replies.into_iter().enumerate().map(answer).collect();
        let alone = apart.iter().map(|place| self.read_apart(keys[*place], timed, until));
        for (place, answer) in apart.iter().zip(join_all(alone).await) {
            answers[*place] = answer;
        }
        for (key, answer) in keys.iter().zip(&answers) {
            self.note_length(key, answer);
        }
        answers
    }

    /// Over the connection of the caller's runtime, or over the main one if that one is lost.
    async fn ask_either(
        &self,
        owner: &NodeConnection,
        asked: &Asked<impl ExactSizeIterator<Item = FullKey<'_>> + Clone>,
    ) -> Answer<Vec<BatchReply>> {
        let node = owner.local_if_up();
        match ask(node, asked).await {
            Err(StoreError::Unreachable(_)) if node.is_own() => {
                node.redial();
                ask(owner, asked).await
            }
            answer => answer,
        }
    }

    async fn read_apart(&self, key: &str, timed: bool, until: Instant) -> Answer<Read> {
        let within = until.saturating_duration_since(Instant::now());
        if !timed {
            return self.read(key, within).await.map(|there| (there, None));
        }
        let read = in_awake_time!(Clock::Real, within, self.read_timed(key));
        let (there, now) = read.unwrap_or(Err(StoreError::Timeout(within)))?;
        Ok((there, Some(now)))
    }

    /// Learns from an answer whether the value is large.
    fn note_length(&self, key: &str, answer: &Answer<Read>) {
        match answer {
            Ok((Some(value), _)) if value.len() > LARGE => self.large.record_read(key, Some(value)),
            Err(StoreError::Timeout(within)) if !within.is_zero() => self.request_length(key),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_grow_while_no_lengths_are_known_and_no_further() {
        let mut slow_start = FIRST_CHUNK;
        let begin: Vec<_> = (0..4).map(|_| next_commands(None, &mut slow_start)).collect();
        assert_eq!(begin, [(64, 1), (256, 1), (1_000, IN_FLIGHT), (1_000, IN_FLIGHT)]);
        // As many as a list of some hundred million ids takes.
        for _ in 0..100_000 {
            assert_eq!(next_commands(None, &mut slow_start), (CHUNK, IN_FLIGHT));
            assert_eq!(next_commands(Some(1), &mut slow_start), (1, IN_FLIGHT));
        }
        assert_eq!(next_commands(Some(0), &mut slow_start).0, 1);
    }
}
