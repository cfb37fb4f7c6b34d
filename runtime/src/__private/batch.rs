//! What expansions of batches call.

pub use crate::read::{Answer, Batch, BatchErrors, ErrorOf, NoError, NotGivenUp, NotSharedByBatch};
use crate::{
    AnyKey, Cache, Key, cache::key::KnowsCache, codec::coding::Coding, function::read::ReadFunction,
};

/// The ids of a list, and how one of them is given to the body.
#[derive(Debug)]
pub struct Ids<K> {
    list: Vec<K>,
    again: fn(&K) -> K,
}

/// The ids of a slice.
pub fn ids_of_slice<K: Clone>(list: &[K]) -> Ids<K> {
    ids(list.iter().cloned())
}

/// The ids of whatever can be gone through.
pub fn ids<T: IntoIterator<Item = K>, K: Clone>(list: T) -> Ids<K> {
    Ids { list: list.into_iter().collect(), again: K::clone }
}

/// How a list for the body is made.
pub type ListOf<T, K> = fn(&[K]) -> T;

/// The ids of a collection, and how another one is made for the body.
pub fn ids_of<T: List<K>, K>(list: T) -> (Ids<K>, ListOf<T, K>) {
    (list.ids(), T::of)
}

/// The same of one that is lent.
pub fn ids_lent<T: LentList<K>, K>(list: &T) -> (Ids<K>, ListOf<T, K>) {
    (list.ids(), T::of)
}

/// A collection of ids, of which the body is given another one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of ids",
    label = "take `&[_]`, a `Vec<_>`, a set or an `impl IntoIterator<Item = _>`",
    note = "the body of a batch is given a list of those that are missing: it is collected as this type, of clones of the ids"
)]
pub trait List<K>: Sized {
    /// What it contains.
    fn ids(self) -> Ids<K>;

    /// A list of these.
    fn of(ids: &[K]) -> Self;
}

#[diagnostic::do_not_recommend]
impl<K: Clone, T: IntoIterator<Item = K> + FromIterator<K>> List<K> for T {
    fn ids(self) -> Ids<K> {
        ids(self)
    }

    fn of(ids: &[K]) -> Self {
        ids.iter().cloned().collect()
    }
}

/// The same of a collection that is lent.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` is not a list of ids",
    label = "take `&[_]`, a `Vec<_>`, a set or an `impl IntoIterator<Item = _>`",
    note = "the body of a batch is given a list of those that are missing: it is collected as this type, of clones of the ids"
)]
pub trait LentList<K>: Sized {
    /// What it contains.
    fn ids(&self) -> Ids<K>;

    /// A list of these.
    fn of(ids: &[K]) -> Self;
}

#[diagnostic::do_not_recommend]
impl<K: Clone, T: FromIterator<K>> LentList<K> for T
where
    for<'a> &'a T: IntoIterator<Item = &'a K>,
{
    fn ids(&self) -> Ids<K> {
        ids(self.into_iter().cloned())
    }

    fn of(ids: &[K]) -> Self {
        ids.iter().cloned().collect()
    }
}

/// The ids of a batch with their keys.
#[derive(Debug)]
pub struct Keyed<K, V> {
    ids: Ids<K>,
    keys: Vec<AnyKey>,
    of: Option<(&'static ReadFunction, Coding<V>)>,
}

/// Ids whose keys know their cache.
pub fn keys_of<K, V, C: KnowsCache>(ids: Ids<K>, key: impl FnMut(&K) -> Key<V, C>) -> Keyed<K, V> {
    keyed(ids, key)
}

/// Ids of a batch that names a cache.
pub fn keys_in_cache<K, V, C>(ids: Ids<K>, key: impl FnMut(&K) -> Key<V, C>) -> Keyed<K, V> {
    keyed(ids, key)
}

fn keyed<K, V, C>(ids: Ids<K>, mut key: impl FnMut(&K) -> Key<V, C>) -> Keyed<K, V> {
    let mut of = None;
    let keys = ids.list.iter().map(|id| {
        let (text, function, coding) = key(id).into_parts();
        of.get_or_insert((function, coding));
        text
    });
    let keys = keys.collect();
    Keyed { ids, keys, of }
}

impl<K, V> Keyed<K, V> {
    /// The batch, whose answer is an `R`.
    pub fn answered_by<R: Answer<K, V, E>, E>(self, errors: BatchErrors<E>) -> Batch<R, K, V, E> {
        Batch::new((self.ids.list, self.ids.again), self.keys, self.of, errors)
    }
}

impl<R, K, V, E> Batch<R, K, V, E> {
    /// `cache = …`
    #[must_use]
    pub fn in_cache(self, cache: &Cache) -> Self {
        self.in_cache_of(&cache.inner)
    }
}

/// What a batch would need to be named where one key is meant. Nothing has it.
#[diagnostic::on_unimplemented(
    message = "a batch has no key: the entries that it loads are those of the function that it names",
    label = "this is a batch; name that function and the list, such as `load_user(id) for id in ids`"
)]
pub trait OneKey<Ids> {}

/// Never called.
pub fn no_key<V>() -> Key<V> {
    unreachable!("a batch has no key")
}

/// Never called.
pub fn no_function() -> &'static ReadFunction {
    unreachable!("what names a batch as one key does not compile")
}

/// An argument of a body that may run twice.
#[derive(Debug)]
pub struct Again<'a, T>(pub &'a mut Option<T>);

impl<T: Clone> Again<'_, T> {
    /// It can be given twice.
    #[must_use]
    pub fn is_cloned(&self) -> bool {
        true
    }

    /// A clone.
    #[must_use]
    pub fn again(self) -> T {
        self.0.clone().unwrap_or_else(|| once())
    }
}

/// The methods of an argument that can't be cloned.
pub trait NotAgain {
    /// Its type.
    type Of;

    /// It can be given once.
    fn is_cloned(&self) -> bool;

    /// The argument itself.
    fn again(self) -> Self::Of;
}

impl<T> NotAgain for Again<'_, T> {
    type Of = T;

    fn is_cloned(&self) -> bool {
        false
    }

    fn again(self) -> T {
        self.0.take().unwrap_or_else(|| once())
    }
}

#[cold]
fn once() -> ! {
    unreachable!("a body whose arguments can't be cloned runs once")
}
