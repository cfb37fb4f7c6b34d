//! What a batch answers with, and what its body gave.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

use crate::{Error, outcome::returns::ErrorPolicy};

/// An answer to a list of ids: by id, or position by position. `E` is the error of a body that failed.
#[diagnostic::on_unimplemented(
    message = "a batch of `{V}` by `{K}` can't answer with `{Self}`",
    label = "give a `HashMap<{K}, {V}>`, a `BTreeMap`, an `IndexMap` (feature `indexmap`) or a `Vec<Option<{V}>>`, also in a `Result`",
    note = "the entries are those of the function that the attribute names: its values are `{V}`, and the list is of `{K}`; a `HashMap` needs `{K}: Eq + Hash`, a `BTreeMap` `{K}: Ord`, a `Vec` `{V}: Clone`"
)]
pub trait Answer<K, V, E>: Sized {
    /// What there is of each id; `None` if the answer can't be one to these.
    ///
    /// # Errors
    ///
    /// That of a body that failed.
    fn split(self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, E>;

    /// The answer that gives these values to these ids.
    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self;

    /// The answer of a body that failed.
    fn failed(error: E) -> Self;

    /// Whether two ids of the list that have one key need a value each.
    fn has_places_for_both(first: &K, second: &K) -> bool;

    /// A second value, where that needs no codec.
    fn copy(_: &V) -> Option<V> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<K: Eq + Hash, V, S: BuildHasher + Default> Answer<K, V, Infallible> for HashMap<K, V, S> {
    fn split(mut self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok(Some(ids.iter().map(|id| self.remove(id)).collect()))
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        let mut map = HashMap::with_capacity_and_hasher(ids.len(), S::default());
        map.extend(ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))));
        map
    }

    fn failed(error: Infallible) -> Self {
        match error {}
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        first != second
    }
}

#[diagnostic::do_not_recommend]
impl<K: Ord, V> Answer<K, V, Infallible> for BTreeMap<K, V> {
    fn split(mut self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok(Some(ids.iter().map(|id| self.remove(id)).collect()))
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))).collect()
    }

    fn failed(error: Infallible) -> Self {
        match error {}
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        first != second
    }
}

#[cfg(feature = "indexmap")]
#[diagnostic::do_not_recommend]
impl<K: Eq + Hash, V, S: BuildHasher + Default> Answer<K, V, Infallible> for indexmap::IndexMap<K, V, S> {
    fn split(mut self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok(Some(ids.iter().map(|id| self.swap_remove(id)).collect()))
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))).collect()
    }

    fn failed(error: Infallible) -> Self {
        match error {}
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        first != second
    }
}

#[diagnostic::do_not_recommend]
impl<K, V: Clone> Answer<K, V, Infallible> for Vec<Option<V>> {
    fn split(self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, Infallible> {
        Ok((self.len() == ids.len()).then_some(self))
    }

    fn of(_: Vec<K>, values: Vec<Option<V>>) -> Self {
        values
    }

    fn failed(error: Infallible) -> Self {
        match error {}
    }

    fn has_places_for_both(_: &K, _: &K) -> bool {
        true
    }

    fn copy(value: &V) -> Option<V> {
        Some(value.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<K, V, A: Answer<K, V, Infallible>, E> Answer<K, V, E> for Result<A, E> {
    fn split(self, ids: &[K]) -> Result<Option<Vec<Option<V>>>, E> {
        self.map(|answer| match answer.split(ids) {
            Ok(values) => values,
            Err(error) => match error {},
        })
    }

    fn of(ids: Vec<K>, values: Vec<Option<V>>) -> Self {
        Ok(A::of(ids, values))
    }

    fn failed(error: E) -> Self {
        Err(error)
    }

    fn has_places_for_both(first: &K, second: &K) -> bool {
        A::has_places_for_both(first, second)
    }

    fn copy(value: &V) -> Option<V> {
        A::copy(value)
    }
}

/// What [`Answer::split`] gives.
type Split<V, E> = Result<Option<Vec<Option<V>>>, E>;

/// The functions of an [`Answer`]. What is called through them has no bounds, so that the compiler says once what is wrong with a
/// type.
pub(super) struct Answering<R, K, V, E> {
    split: fn(R, &[K]) -> Split<V, E>,
    pub(super) of: fn(Vec<K>, Vec<Option<V>>) -> R,
    pub(super) failed: fn(E) -> R,
    pub(super) has_places_for_both: fn(&K, &K) -> bool,
    pub(super) copy: fn(&V) -> Option<V>,
}

impl<R, K, V, E> Clone for Answering<R, K, V, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, K, V, E> Copy for Answering<R, K, V, E> {}

impl<R: Answer<K, V, E>, K, V, E> Answering<R, K, V, E> {
    pub(super) const NEW: Self = Answering {
        split: R::split,
        of: R::of,
        failed: R::failed,
        has_places_for_both: R::has_places_for_both,
        copy: R::copy,
    };
}

impl<R, K, V, E> Answering<R, K, V, E> {
    pub(super) fn split(&self, answer: R, ids: &[K]) -> BodyAnswer<V, E> {
        match (self.split)(answer, ids) {
            Ok(Some(values)) => BodyAnswer::Values(values),
            Ok(None) => BodyAnswer::Unusable,
            Err(error) => BodyAnswer::Error(error),
        }
    }
}

/// The error that an answer may have.
#[derive(Debug)]
pub struct ErrorOf<R>(PhantomData<R>);

impl<A, E> ErrorOf<Result<A, E>> {
    /// It is not shared.
    pub const ERRORS: BatchErrors<E> = BatchErrors(ErrorPolicy::UNSHARED);
}

/// The constant of answers that have no error.
pub trait NoError {
    /// There is none.
    const ERRORS: BatchErrors<Infallible> = BatchErrors(ErrorPolicy::UNSHARED);
}

impl<R> NoError for ErrorOf<R> {}

/// What becomes of the errors of a batch.
#[derive(Debug)]
pub struct BatchErrors<E>(pub(super) ErrorPolicy<E>);

impl<E> Clone for BatchErrors<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for BatchErrors<E> {}

impl<E: Clone + Send + Sync + 'static> BatchErrors<E> {
    /// Errors are shared as clones.
    #[must_use]
    pub const fn shared(self) -> Self {
        BatchErrors(ErrorPolicy::SHARED)
    }
}

/// The method of errors that can't be cloned or sent.
pub trait NotSharedByBatch: Sized {
    /// They are not shared.
    #[must_use]
    fn shared(self) -> Self {
        self
    }
}

impl<E> NotSharedByBatch for BatchErrors<E> {}

impl<E: From<Error>> BatchErrors<E> {
    /// A body that takes longer than `load_timeout(hard = …)` is given up.
    #[must_use]
    pub fn or_given_up(self) -> Self {
        BatchErrors(ErrorPolicy { given_up: Some(E::from), ..self.0 })
    }
}

/// The method of errors that can't be made from the cache's.
pub trait NotGivenUp: Sized {
    /// No body is given up.
    #[must_use]
    fn or_given_up(self) -> Self {
        self
    }
}

impl<E> NotGivenUp for BatchErrors<E> {}

/// What a body gave.
pub(super) enum BodyAnswer<V, E> {
    /// One for each id that it was given.
    Values(Vec<Option<V>>),
    Error(E),
    /// Nobody knows which value is of which id.
    Unusable,
}
