//! What a batch answers with, and what its body gave.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

use crate::{Error, function::read::ReadFunction, outcome::returns::ErrorPolicy};

/// The places of ids that have no value of their own, each with that of an equal id that has one.
pub(super) type Equal = Vec<(usize, usize)>;

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

    /// Which ids without a value are equal to one with a value although their keys differ, such as names that are compared without their
    /// case. A map has one value for both.
    fn equal(_: &[K], _: &[Option<V>]) -> Equal {
        Vec::new()
    }

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

    fn equal(ids: &[K], values: &[Option<V>]) -> Equal {
        equal_by::<HashMap<&K, usize>, K, V>(ids, values, |found, id| found.get(id).copied())
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

    fn equal(ids: &[K], values: &[Option<V>]) -> Equal {
        equal_by::<BTreeMap<&K, usize>, K, V>(ids, values, |found, id| found.get(id).copied())
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

    fn equal(ids: &[K], values: &[Option<V>]) -> Equal {
        equal_by::<HashMap<&K, usize>, K, V>(ids, values, |found, id| found.get(id).copied())
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

    fn equal(ids: &[K], values: &[Option<V>]) -> Equal {
        A::equal(ids, values)
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

/// See [`Answer::equal`].
fn equal_by<'i, M: FromIterator<(&'i K, usize)>, K, V>(
    ids: &'i [K],
    values: &[Option<V>],
    place: fn(&M, &'i K) -> Option<usize>,
) -> Equal {
    let (found, missing): (Vec<usize>, Vec<usize>) =
        (0..ids.len()).partition(|id| values.get(*id).is_some_and(Option::is_some));
    if found.is_empty() || missing.is_empty() {
        return Vec::new();
    }
    let found: M = found.into_iter().map(|id| (&ids[id], id)).collect();
    missing.into_iter().filter_map(|id| Some((id, place(&found, &ids[id])?))).collect()
}

/// What [`Answer::split`] gives.
type Split<V, E> = Result<Option<Vec<Option<V>>>, E>;

/// The functions of an [`Answer`]. What is called through them has no bounds, so that the compiler says once what is wrong with a
/// type.
pub(super) struct Answering<R, K, V, E> {
    split: fn(R, &[K]) -> Split<V, E>,
    equal: fn(&[K], &[Option<V>]) -> Equal,
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
        equal: R::equal,
        of: R::of,
        failed: R::failed,
        has_places_for_both: R::has_places_for_both,
        copy: R::copy,
    };
}

impl<R, K, V, E> Answering<R, K, V, E> {
    pub(super) fn split(&self, answer: R, ids: &[K]) -> BodyAnswer<V, E> {
        match (self.split)(answer, ids) {
            Ok(Some(values)) => {
                let equal = (self.equal)(ids, &values);
                BodyAnswer::Values(values, equal)
            }
            Ok(None) => BodyAnswer::Unusable,
            Err(error) => BodyAnswer::Error(error),
        }
    }

    /// The answer of a body that was given the whole list, without the cache: it says no more and no less than one out of the cache.
    pub(super) fn of_whole(&self, function: &ReadFunction, answer: R, ids: Vec<K>) -> R {
        match (self.split)(answer, &ids) {
            Ok(Some(values)) => (self.of)(ids, values),
            Ok(None) => {
                report_unusable(function, ids.len());
                let values = ids.iter().map(|_| None).collect();
                (self.of)(ids, values)
            }
            Err(error) => (self.failed)(error),
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
    /// One for each id that it was given, and the places of ids that have none of their own and are equal to others.
    Values(Vec<Option<V>>, Equal),
    Error(E),
    /// Nobody knows which value is of which id.
    Unusable,
}

/// Says that a body gave an answer of another length.
pub(super) fn report_unusable(function: &ReadFunction, ids: usize) {
    tracing::error!(
        module = function.settings.module,
        function = function.settings.name,
        ids,
        "the body of a batch gave a `Vec` of another length than the ids it was given: nobody knows which value is \
         of which id, and nothing is stored; give one `Option` for each id, in their order"
    );
}
