//! What expansions of batches call.

pub use crate::read::{Answer, Batch, BatchErrors, Fails, NotGivenUp, NotSharedByBatch};
use crate::{
    AnyKey, Cache, Key, cache::key::KnowsCache, codec::coding::Coding, function::read::ReadFunction,
};

/// The ids of a list that is lent.
pub fn ids_lent<'a, T, K>(list: &'a T) -> Vec<K>
where
    T: ?Sized,
    &'a T: IntoIterator<Item = &'a K>,
    K: Clone + 'a,
{
    list.into_iter().cloned().collect()
}

/// The ids of a list.
pub fn ids<T: IntoIterator>(list: T) -> Vec<T::Item> {
    list.into_iter().collect()
}

/// The ids of a batch with their keys.
#[derive(Debug)]
pub struct Keyed<K, V> {
    ids: Vec<K>,
    keys: Vec<AnyKey>,
    of: Option<(&'static ReadFunction, Coding<V>)>,
}

/// Ids whose keys know their cache.
pub fn keys_of<K, V, C: KnowsCache>(ids: Vec<K>, key: impl FnMut(&K) -> Key<V, C>) -> Keyed<K, V> {
    keyed(ids, key)
}

/// Ids of a batch that names a cache.
pub fn keys_in_cache<K, V, C>(ids: Vec<K>, key: impl FnMut(&K) -> Key<V, C>) -> Keyed<K, V> {
    keyed(ids, key)
}

fn keyed<K, V, C>(ids: Vec<K>, mut key: impl FnMut(&K) -> Key<V, C>) -> Keyed<K, V> {
    let mut of = None;
    let keys = ids.iter().map(|id| {
        let (text, function, coding) = key(id).into_parts();
        of.get_or_insert((function, coding));
        text
    });
    let keys = keys.collect();
    Keyed { ids, keys, of }
}

impl<K: Clone, V> Keyed<K, V> {
    /// The batch, whose answer is an `R`.
    pub fn answered_by<R: Answer<K, V>>(self, errors: BatchErrors<R>) -> Batch<R, K, V> {
        Batch::new(self.ids, self.keys, self.of, errors)
    }
}

impl<R: Answer<K, V>, K: Clone, V> Batch<R, K, V> {
    /// `cache = …`
    #[must_use]
    pub fn in_cache(self, cache: &Cache) -> Self {
        self.in_cache_of(&cache.inner)
    }
}

/// What a batch would need to be named where one key is meant. Nothing has it.
#[diagnostic::on_unimplemented(
    message = "`{Batch}` loads the entries of another function, and none is its own",
    label = "name that function and the list, such as `load_user(id) for id in ids`"
)]
pub trait OneKey<Batch: ?Sized> {}

/// Never called.
pub fn no_key() -> Key<()> {
    unreachable!("a batch has no key")
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
