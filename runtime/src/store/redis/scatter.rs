//! Several keys of one caller: each server is asked about its own, all at the same time.

use std::{borrow::Cow, time::Duration};

use futures_util::future::join_all;

use super::{RedisStore, connection::NodeConnection};
use crate::store::answer::{Answer, StoreError};

/// The answers of one server, each with the index of its key in the caller's list.
pub(super) type Indexed<T> = Vec<(usize, Answer<T>)>;

/// One answer for all of these keys.
pub(super) fn same_for_all<T>(indices: Vec<usize>, error: &StoreError) -> Indexed<T> {
    indices.into_iter().map(|index| (index, Err(error.clone()))).collect()
}

impl RedisStore {
    /// Asks each server about its keys. Where a server is not known, that is the answer of each of its keys.
    pub(super) async fn scatter<'k, T, F>(
        &self,
        keys: impl Iterator<Item = (usize, &'k str)>,
        ask: impl Fn(NodeConnection, Vec<usize>) -> F,
    ) -> Indexed<T>
    where
        F: Future<Output = Indexed<T>>,
    {
        let (mut answers, mut asked) = (Vec::new(), Vec::new());
        for (owner, indices) in self.owners(keys) {
            match owner {
                Ok(owner) => asked.push(ask(owner, indices)),
                Err(error) => answers.extend(same_for_all(indices, &error)),
            }
        }
        answers.extend(join_all(asked).await.into_iter().flatten());
        answers
    }

    /// The same where every key is asked about in this way: one answer for each, in the order of the keys.
    pub(super) async fn scatter_all<T, F>(
        &self,
        keys: &[&str],
        ask: impl Fn(NodeConnection, Vec<usize>) -> F,
    ) -> Vec<Answer<T>>
    where
        F: Future<Output = Indexed<T>>,
    {
        // What a server leaves out is not taken for the answer of another key.
        let mut all: Vec<_> = keys.iter().map(|_| Err(StoreError::Timeout(Duration::ZERO))).collect();
        for (index, answer) in self.scatter(keys.iter().copied().enumerate(), ask).await {
            all[index] = answer;
        }
        all
    }

    /// The indices of keys, by the server that has them.
    pub(super) fn owners<'k>(
        &self,
        keys: impl Iterator<Item = (usize, &'k str)>,
    ) -> Vec<(Answer<NodeConnection>, Vec<usize>)> {
        if let Some(sole) = self.route.sole() {
            let indices: Vec<usize> = keys.map(|(index, _)| index).collect();
            return if indices.is_empty() { Vec::new() } else { vec![(Ok(sole.clone()), indices)] };
        }
        let mut owners: Vec<(Answer<NodeConnection>, Vec<usize>)> = Vec::new();
        for (index, key) in keys {
            let owner = self.route.owner(self.full(key)).map(Cow::into_owned);
            let known = owners.iter_mut().find(|(known, _)| match (known, &owner) {
                (Ok(known), Ok(owner)) => known.is(owner),
                _ => false,
            });
            match known {
                Some((_, indices)) => indices.push(index),
                None => owners.push((owner, vec![index])),
            }
        }
        owners
    }
}
