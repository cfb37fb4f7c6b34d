// The links of a page are others inside this documentation. Of two definitions the first counts.
#![doc = include_str!("docs/links.md")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// So that expansions work inside this crate too: in its tests and documentation.
extern crate self as cached_aside;

#[doc(hidden)]
pub mod __private;
mod backoff;
mod cache;
pub mod catalog;
mod codec;
pub mod docs;
mod engine;
mod error;
mod few;
mod fingerprint;
mod function;
#[cfg(feature = "redis")]
#[doc(hidden)]
pub mod inspect;
#[cfg(test)]
mod interleavings;
mod key;
mod list_arg;
mod lock;
mod optional_arg;
mod options;
mod outcome;
mod overrides;
mod owed;
mod owned_arg;
mod patience;
mod read;
mod store;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod thread;
mod write;

/// The version of the `redis` crate that [`CacheBuilder::client`] takes.
#[cfg(feature = "redis")]
pub use ::redis;
#[doc = include_str!("../docs/attributes/cached_aside.md")]
pub use cached_aside_macros::cached_aside;
#[doc = include_str!("../docs/attributes/invalidates.md")]
pub use cached_aside_macros::invalidates;
#[doc = include_str!("../docs/attributes/tags.md")]
pub use cached_aside_macros::tags;
#[doc = include_str!("../docs/attributes/updates.md")]
pub use cached_aside_macros::updates;
#[cfg(feature = "bincode")]
pub use codec::bincode::Bincode;
#[cfg(feature = "json")]
pub use codec::json::Json;
#[cfg(feature = "messagepack")]
pub use codec::messagepack::MessagePack;
#[cfg(feature = "postcard")]
pub use codec::postcard::Postcard;
pub use {
    cache::{
        Cache,
        builder::CacheBuilder,
        cached::{Cached, KeyParts},
        guard::WriteGuard,
        key::{Key, Placed, Unplaced},
    },
    catalog::catalog,
    codec::{Codec, CodecError},
    error::Error,
    function::linked::{Uncached, check},
    key::{AnyKey, KeyPart, Tag, into_keys::IntoKeys},
    options::{Observed, ObservedCall, Source},
    outcome::gives::Gives,
    overrides::{bypass, inherit, observe, only_cached, refresh},
    telemetry::{Counts, Node, NodeState, Stats},
    write::{around::invalidating, by_hand::invalidate, transaction::transaction},
};
