//! A write whose body is over.

use std::sync::Arc;

use cached_aside_protocol::Token;

use super::places::Places;
use crate::{
    AnyKey,
    engine::{session::Session, shared::Shared},
};

/// The caches and guards of an outermost write whose body is over.
pub(crate) struct Inside<'a> {
    pub(super) places: &'a Places,
    pub(super) session: &'a Session,
}

impl Inside<'_> {
    /// The cache of a key that was named before the body, and the write's token there.
    pub(crate) fn of<'a>(&'a self, key: &'a AnyKey) -> Option<(&'a Arc<Shared>, Token)> {
        let cache = self.places.of(key)?;
        Some((cache, self.session.token(cache)?))
    }
}
