//! What a batch answers with, and what its body gave.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    hash::{BuildHasher, Hash},
};

use crate::{Error, outcome::returns::ErrorPolicy};

/// The error of an answer.
#[diagnostic::on_unimplemented(
    message = "a batch can't answer with `{Self}`",
    label = "give a `HashMap`, a `BTreeMap`, an `IndexMap` (feature `indexmap`) or a `Vec<Option<_>>`, also in a `Result`"
)]
pub trait Fails: Sized {
    /// Why there is no answer.
    type Error;

    /// The answer of a body that failed.
    fn failed(error: Self::Error) -> Self;
}

/// An answer to a list of ids: by id, or position by position.
#[diagnostic::on_unimplemented(
    message = "a batch of `{V}` by `{K}` can't answer with `{Self}`",
    label = "give a `HashMap<{K}, {V}>`, a `BTreeMap`, an `IndexMap` (feature `indexmap`) or a `Vec<Option<{V}>>`, also in a `Result`",
    note = "the entries are those of the function that the attribute names: its values are `{V}`, and the list is of `{K}`; a `HashMap` needs `{K}: Eq + Hash + Clone`, a `BTreeMap` `{K}: Ord + Clone`, a `Vec` `{V}: Clone`"
)]
pub trait Answer<K, V>: Fails {
    /// What there is of each id; `None` if the answer can't be one to these.
    ///
    /// # Errors
    ///
    /// That of a body that failed.
    fn split(self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Self::Error>;

    /// The answer that gives these values to these ids.
    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self;

    /// Whether two ids of the list that have one key need a value each.
    fn has_places_for_both(first: &K, second: &K) -> bool;

    /// A second value, where that needs no codec.
    fn copy(_: &V) -> Option<V> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<K: Eq + Hash + Clone, V, S: BuildHasher + Default> Answer<K, V> for HashMap<K, V, S> {
    fn split(mut self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok(Some(ids.iter().map(|id| self.remove(id)).collect()))
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        let mut map = HashMap::with_capacity_and_hasher(ids.len(), S::default());
        map.extend(ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))));
        map
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        first != second
    }
}

#[diagnostic::do_not_recommend]
impl<K: Ord + Clone, V> Answer<K, V> for BTreeMap<K, V> {
    fn split(mut self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok(Some(ids.iter().map(|id| self.remove(id)).collect()))
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))).collect()
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        first != second
    }
}

#[cfg(feature = "indexmap")]
#[diagnostic::do_not_recommend]
impl<K: Eq + Hash + Clone, V, S: BuildHasher + Default> Answer<K, V> for indexmap::IndexMap<K, V, S> {
    fn split(mut self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok(Some(ids.iter().map(|id| self.swap_remove(id)).collect()))
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))).collect()
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        first != second
    }
}

#[diagnostic::do_not_recommend]
impl<K, V: Clone> Answer<K, V> for Vec<Option<V>> {
    fn split(self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok((self.len() == ids.len()).then_some(self))
    }

    fn of(_: Vec<K>, values: Vec<Option<V>>) -> Self {
        values
    }

    fn has_places_for_both(_: &K, _: &K) -> bool {
        true
    }

    fn copy(value: &V) -> Option<V> {
        Some(value.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<K, V, A: Answer<K, V> + Fails<Error = Infallible>, E> Answer<K, V> for Result<A, E> {
    fn split(self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, E> {
        self.map(|answer| match answer.split(ids) {
            Ok(values) => values,
            Err(error) => match error {},
        })
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        Ok(A::of(ids, values))
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        A::has_places_for_both(first, second)
    }

    fn copy(value: &V) -> Option<V> {
        A::copy(value)
    }
}

macro_rules! infallible {
    ($($(#[$cfg:meta])? [$($of:ident),+] $answer:ty,)+) => {$(
        $(#[$cfg])?
        #[diagnostic::do_not_recommend]
        impl<$($of),+> Fails for $answer {
            type Error = Infallible;

            fn failed(error: Infallible) -> Self {
                match error {}
            }
        }
    )+};
}

infallible! {
    [K, V, S] HashMap<K, V, S>,
    [K, V] BTreeMap<K, V>,
    #[cfg(feature = "indexmap")]
    [K, V, S] indexmap::IndexMap<K, V, S>,
    [V] Vec<V>,
}

#[diagnostic::do_not_recommend]
impl<A, E> Fails for Result<A, E> {
    type Error = E;

    fn failed(error: E) -> Self {
        Err(error)
    }
}

/// What becomes of the errors of a batch.
#[derive(Debug)]
pub struct BatchErrors<R: Fails>(pub(super) ErrorPolicy<R::Error>);

impl<R: Fails> Clone for BatchErrors<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Fails> Copy for BatchErrors<R> {}

impl<R: Fails> BatchErrors<R> {
    /// Errors are not shared.
    #[must_use]
    pub const fn unshared() -> Self {
        BatchErrors(ErrorPolicy::UNSHARED)
    }
}

impl<A, E: Clone + Send + Sync + 'static> BatchErrors<Result<A, E>> {
    /// Errors are shared as clones.
    pub const SHARED: Self = BatchErrors(ErrorPolicy::SHARED);
}

/// The constant of answers whose errors can't be cloned or sent, or that have none.
pub trait NotSharedByBatch: Sized {
    /// Errors are not shared.
    const SHARED: Self;
}

impl<R: Fails> NotSharedByBatch for BatchErrors<R> {
    const SHARED: Self = BatchErrors::unshared();
}

impl<A, E: From<Error>> BatchErrors<Result<A, E>> {
    /// A body that takes longer than `load_timeout(hard = …)` is given up.
    #[must_use]
    pub fn or_given_up(self) -> Self {
        BatchErrors(ErrorPolicy { given_up: Some(E::from), ..self.0 })
    }
}

/// The method of answers whose error can't be made from the cache's, or that have none.
pub trait NotGivenUp: Sized {
    /// No body is given up.
    #[must_use]
    fn or_given_up(self) -> Self {
        self
    }
}

impl<R: Fails> NotGivenUp for BatchErrors<R> {}

/// What a body gave.
pub(super) enum BodyAnswer<V, E> {
    /// One for each id that it was given.
    Values(Vec<Option<V>>),
    Error(E),
    /// Nobody knows which value is of which id.
    Unusable,
}

impl<V, E> BodyAnswer<V, E> {
    pub(super) fn of<K, R: Answer<K, V> + Fails<Error = E>>(answer: R, ids: &[K]) -> BodyAnswer<V, E> {
        match answer.split(ids) {
            Ok(Some(values)) => BodyAnswer::Values(values),
            Ok(None) => BodyAnswer::Unusable,
            Err(error) => BodyAnswer::Error(error),
        }
    }
}
