//! A write whose body is over.

use std::sync::Arc;

use cached_aside_protocol::Token;

use super::{guarded::Guards, places::Places};
use crate::{AnyKey, engine::shared::Shared};

/// The caches and guards of a write whose body is over.
pub(crate) struct Inside<'a> {
    pub(super) places: &'a Places,
    pub(super) guards: &'a Guards,
}

impl Inside<'_> {
    /// The cache of a key that was named before the body, and the write's token there.
    pub(crate) fn of<'a>(&'a self, key: &'a AnyKey) -> Option<(&'a Arc<Shared>, Token)> {
        let cache = self.places.of(key)?;
        Some((cache, self.guards.token(cache)?))
    }
}
