//! What a function says of its local copies.

use std::time::Duration;

use cached_aside_protocol::format::LONGEST_LOCAL;

use super::read::{LocalMode, ReadFunction, ReadSettings};

impl ReadSettings {
    /// Whether copies are registered on their entries, which have room for that, so that writes wait for them.
    pub(crate) fn registers_copies(&self) -> bool {
        self.local.is_some() && self.local_mode == LocalMode::Exact
    }
}

impl ReadFunction {
    /// `local = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than 10 ms, longer than a minute, or longer than the TTL.
    #[must_use]
    pub const fn local(mut self, local: Duration) -> Self {
        assert!(
            local.as_millis() >= 10,
            "`local` must be at least 10ms: a copy has to be asked for again within it"
        );
        assert!(
            local.as_millis() <= LONGEST_LOCAL.as_millis(),
            "`local` must be at most 1m: a write waits that long for the copies of what it changes"
        );
        assert!(
            local.as_millis() <= self.settings.ttl.as_millis(),
            "`local` must not be longer than `ttl`: a copy ends with its entry"
        );
        self.settings.local = Some(local);
        self
    }

    /// `local_mode = "bounded"`.
    #[must_use]
    pub const fn local_bounded(mut self) -> Self {
        self.settings.local_mode = LocalMode::Bounded;
        self
    }
}
