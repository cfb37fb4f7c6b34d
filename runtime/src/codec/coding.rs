//! How the values of one function are encoded: functions of a type and a codec, without either in its own type.

use std::{any::Any, sync::Arc, time::Duration};

use typeid::ConstTypeId;

#[cfg(feature = "bincode")]
use super::bincode::Bincode;
#[cfg(all(feature = "postcard", not(feature = "bincode")))]
use super::postcard::Postcard;
use super::{
    Cacheable, CacheableError, CacheableParts, CacheablePointer, CacheableTime, Codec, CodecError, faithful,
};
use crate::fingerprint::{CodingKind, structure::FieldCounts, trace::trace};

/// The codec of functions that name none.
#[cfg(feature = "bincode")]
pub type DefaultCodec = Bincode;
/// The codec of functions that name none.
#[cfg(all(feature = "postcard", not(feature = "bincode")))]
pub type DefaultCodec = Postcard;
/// The codec of functions that name none: the crate was built without one.
#[cfg(not(any(feature = "bincode", feature = "postcard")))]
pub type DefaultCodec = NoDefaultCodec;

/// Stands where the default codec would, so that the compiler says what to do.
#[cfg(not(any(feature = "bincode", feature = "postcard")))]
#[derive(Debug)]
pub struct NoDefaultCodec;

/// One type with one codec, and which of its values are stored for how long: everything the paths need to know of it.
pub struct Coding<V> {
    pub(crate) store_if: Option<fn(&V) -> bool>,
    pub(crate) ttl_for: Option<fn(&V) -> Duration>,
    pub(crate) encode: fn(&V, &FieldCounts, &mut Vec<u8>) -> Result<(), CodecError>,
    pub(crate) decode: fn(&[u8]) -> Result<V, CodecError>,
    /// Where local copies of values may be kept.
    pub(crate) local: Option<fn() -> LocalCoding<V>>,
    pub(crate) kind: CodingKind,
}

/// How a value is kept as a local copy, and given.
pub(crate) struct LocalCoding<V> {
    pub(crate) keep: fn(&V) -> Arc<dyn Any + Send + Sync>,
    pub(crate) give: fn(&(dyn Any + Send + Sync)) -> Option<V>,
}

impl<V> Clone for Coding<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Coding<V> {}

impl<V> std::fmt::Debug for Coding<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coding").field("codec", &self.kind.codec).finish_non_exhaustive()
    }
}

impl<V> Coding<V> {
    /// `store_if = …`
    #[must_use]
    pub const fn store_if(mut self, store_if: fn(&V) -> bool) -> Self {
        self.store_if = Some(store_if);
        self
    }

    /// `version = only(…)`
    #[must_use]
    pub const fn by_version(mut self) -> Self {
        self.kind.by_version = true;
        self
    }

    /// `ttl_for = …`
    #[must_use]
    pub const fn ttl_for(mut self, ttl_for: fn(&V) -> Duration) -> Self {
        self.ttl_for = Some(ttl_for);
        self
    }
}

impl<V> Coding<V> {
    /// `local = …`: a copy is cloned for each call that is given it.
    #[must_use]
    pub const fn local(mut self) -> Self
    where
        V: Clone + Send + Sync + 'static,
    {
        self.local = Some(|| LocalCoding {
            keep: |value| Arc::new(value.clone()),
            give: |copy| copy.downcast_ref::<V>().cloned(),
        });
        self
    }
}

/// The coding of a function's errors.
#[must_use]
pub const fn error_coding<E: CacheableError, C: Codec>(version: u32) -> Coding<E> {
    coding::<E, C>(version)
}

/// The types that a tuple or a container is made of. Each is asked for what caching it needs before the whole is, and at the same place in
/// the source: what one of them lacks is then said once, in the words of [`Cacheable`].
#[derive(Clone, Copy, Debug)]
pub struct Parts;

impl Parts {
    /// One of them.
    #[must_use]
    pub const fn of<V: Cacheable>(self) -> Self {
        self
    }

    /// One of them, an `Arc` or `Rc`.
    #[must_use]
    pub const fn of_pointer<V: CacheablePointer>(self) -> Self {
        self
    }

    /// One of them, an `Instant`.
    #[must_use]
    pub const fn of_time<V: CacheableTime>(self) -> Self {
        self
    }

    /// The coding of the whole.
    #[must_use]
    pub const fn coding<V: CacheableParts, C: Codec>(self, version: u32) -> Coding<V> {
        coding::<V, C>(version)
    }
}

/// The coding of an `Arc` or `Rc`.
#[must_use]
pub const fn coding_of_pointer<V: CacheablePointer, C: Codec>(version: u32) -> Coding<V> {
    coding::<V, C>(version)
}

/// The coding of an `Instant`.
#[must_use]
pub const fn coding_of_time<V: CacheableTime, C: Codec>(version: u32) -> Coding<V> {
    coding::<V, C>(version)
}

/// The coding of one type with one codec.
#[must_use]
pub const fn coding<V: Cacheable, C: Codec>(version: u32) -> Coding<V> {
    Coding {
        store_if: None,
        ttl_for: None,
        local: None,
        encode: faithful::encode::<V, C>,
        decode: faithful::decode::<V, C>,
        kind: CodingKind {
            type_id: ConstTypeId::of::<V>(),
            type_name: std::any::type_name::<V>,
            structure: trace::<V, C>,
            codec: C::NAME,
            self_describing: C::SELF_DESCRIBING,
            version,
            by_version: false,
        },
    }
}
