//! The verb `read`: by itself, or together with others.

use std::{iter::repeat_n, sync::atomic::Ordering::Relaxed};

use redis::{Cmd, ErrorKind, Pipeline, RedisResult, ServerErrorKind};

use tokio::task::yield_now;

use super::{
    FullKey, RedisStore,
    connection::{Failure, Link, store_error},
    gather::{Flight, Turn, Word},
    route::Route,
};
use crate::store::{Answer, StoreError, boxed};

/// What those are given who did not ask by themselves: an answer, or nothing where they have to ask after all.
pub(super) type Given = Option<Answer<Option<Vec<u8>>>>;

impl RedisStore {
    pub(crate) async fn read(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        let full = self.full(key);
        let link = self.route.owner(full)?;
        let word = match link.reads().join(full.parts()) {
            Turn::Alone(_permit) => {
                let answer = self.read_alone(&link, full).await;
                if let Ok(Some(value)) = &answer {
                    link.reads().note(value.len());
                }
                return answer;
            }
            Turn::Lead(lead) => {
                yield_now().await;
                Ok(Word::Lead(lead))
            }
            Turn::Wait(word) => word.await,
            Turn::Full => return Err(StoreError::Full),
        };
        let given = match word {
            Ok(Word::Given(given)) => given,
            Ok(Word::Lead(lead)) => match lead.take() {
                Some(flight) => boxed(self.read_together(&link, flight)).await,
                None => None,
            },
            Err(_) => None,
        };
        match given {
            Some(answer) => answer,
            None => boxed(self.read_alone(&link, full)).await,
        }
    }

    async fn read_alone(&self, link: &Link, full: FullKey<'_>) -> Answer<Option<Vec<u8>>> {
        let mut get = Cmd::with_capacity(2, "GET".len() + full.len());
        get.arg("GET").arg(full);
        self.route.call_at(link, &get).await
    }

    /// Reads what waits to travel together. `MGET` costs the server least, and has nothing for keys of other types: whoever then
    /// acquires is told that they are somebody else's.
    async fn read_together(&self, link: &Link, flight: Flight<Given>) -> Given {
        // The nodes of a cluster take no command with keys of several slots.
        if matches!(self.route, Route::Cluster(_)) || self.no_mget.load(Relaxed) {
            return self.read_one_by_one(link, flight).await;
        }
        let mut mget = Cmd::with_capacity(1 + flight.keys().len(), "MGET".len() + flight.length());
        mget.arg("MGET");
        flight.keys().for_each(|key| {
            mget.arg(key);
        });
        match link.call::<Vec<Option<Vec<u8>>>>(&mget).await {
            Ok(values) => {
                let bytes: usize = values.iter().flatten().map(Vec::len).sum();
                link.reads().note(bytes / values.len().max(1));
                flight.land(values.into_iter().map(|value| Some(Ok(value)))).flatten()
            }
            Err(Failure::Redis(error)) if refuses_mget(&error) => {
                self.no_mget.store(true, Relaxed);
                tracing::debug!(%error, "the server takes no `MGET`; reads go out as so many `GET`s");
                self.read_one_by_one(link, flight).await
            }
            Err(failure) => {
                if let Failure::Redis(error) = &failure {
                    self.route.refused(link, error);
                }
                fail(flight, failure)
            }
        }
    }

    /// The same with one command a key, all at once.
    async fn read_one_by_one(&self, link: &Link, flight: Flight<Given>) -> Given {
        let mut pipeline = Pipeline::with_capacity(flight.keys().len());
        flight.keys().for_each(|key| {
            pipeline.cmd("GET").arg(key);
        });
        let answers: Vec<RedisResult<Option<Vec<u8>>>> = match link.call_all(&mut pipeline).await {
            Ok(answers) => answers,
            Err(failure) => return fail(flight, failure),
        };
        let given = answers.into_iter().map(|answer| match answer {
            Ok(value) => Some(Ok(value)),
            Err(error) => {
                self.route.refused(link, &error);
                // A key that is on another node is asked for there.
                if error.redirect_node().is_some() { None } else { Some(Err(store_error(&error))) }
            }
        });
        flight.land(given).flatten()
    }
}

/// All of a command's callers are given its error.
fn fail(flight: Flight<Given>, failure: Failure) -> Given {
    let error = StoreError::from(failure);
    let keys = flight.keys().len();
    flight.land(repeat_n(Some(Err(error)), keys)).flatten()
}

/// A user that may not call it, or a server that does not know it.
fn refuses_mget(error: &redis::RedisError) -> bool {
    let unknown = error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) || unknown
}
