//! What all calls of a cache share, and what one call is made of: below the read and the write path, above the store.

pub(crate) mod background;
pub(crate) mod budget;
pub(crate) mod copies;
pub(crate) mod deferred;
pub(crate) mod encoder;
pub(crate) mod events;
pub(crate) mod flight;
pub(crate) mod gate;
pub(crate) mod lease;
pub(crate) mod local;
pub(crate) mod nested;
#[cfg(feature = "redis")]
pub(crate) mod publishing;
pub(crate) mod recovery;
pub(crate) mod scope;
pub(crate) mod session;
pub(crate) mod shared;
pub(crate) mod switch;
pub(crate) mod verification;
