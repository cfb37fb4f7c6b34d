//! Cache-aside over Redis as an attribute that can be trusted.
#![cfg_attr(docsrs, feature(doc_cfg))]

// So that expansions work inside this crate too: in its tests and documentation.
extern crate self as cached_aside;

#[doc(hidden)]
pub mod __private;
mod cache;
mod codec;
mod entry;
mod error;
mod fingerprint;
mod flight;
mod health;
mod key;
mod outcome;
mod read;
mod settings;
mod store;
mod telemetry;
mod write;

#[cfg(feature = "bincode")]
pub use codec::Bincode;
#[cfg(feature = "json")]
pub use codec::Json;
#[cfg(feature = "messagepack")]
pub use codec::MessagePack;
#[cfg(feature = "postcard")]
pub use codec::Postcard;
pub use cached_aside_macros::{cached_aside, invalidates};
pub use {
    cache::{Cache, CacheBuilder, bypass},
    codec::{Codec, CodecError},
    error::Error,
    key::{AnyKey, Key},
    telemetry::{Counts, Stats},
    write::WriteGuard,
};
