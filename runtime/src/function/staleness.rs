//! How old a value may be: what an attribute says of it, and what that means for an entry of a certain age.

use std::time::Duration;

use cached_aside_protocol::entry::Value;

/// What an attribute says of old values. Zero stands for what it does not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Staleness {
    /// How long past its TTL a value may be returned while one caller reloads it.
    pub(crate) while_revalidate: Duration,
    /// How long past its TTL a value may be returned if its reload fails.
    pub(crate) if_error: Duration,
    /// The caller that reloads does not wait either.
    pub(crate) in_background: bool,
    /// How long a caller with a value at hand waits for a load.
    pub(crate) soft_limit: Option<Duration>,
    /// How long a load may take.
    pub(crate) hard_limit: Option<Duration>,
    /// How early values are reloaded, in their own load times.
    pub(crate) early: f64,
}

/// How old an entry is, by what the attribute says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Within its TTL.
    Fresh,
    /// Within its TTL, and one caller reloads it before that ends.
    EarlyRefresh,
    /// Past its TTL: it is given while one caller reloads it.
    Stale,
    /// Past its TTL: it is given if its reload fails.
    StaleIfError,
    /// Too old for anything.
    Expired,
}

/// How far in the future of the server's clock a value may seem to have been stored. Beyond that the clock went back, or another
/// server took over, and nobody knows how old the value is.
const AHEAD: Duration = Duration::from_secs(10);

/// The largest `-ln` of a number between 0 and 1 that is drawn from 32 bits.
const LARGEST_LOGARITHM: f64 = 22.2;

impl Staleness {
    /// No value is given past its TTL.
    pub(crate) const NONE: Staleness = Staleness {
        while_revalidate: Duration::ZERO,
        if_error: Duration::ZERO,
        in_background: false,
        soft_limit: None,
        hard_limit: None,
        early: 0.0,
    };

    /// How long entries stand past their TTL: the larger window and nothing else.
    pub(crate) fn window(&self) -> Duration {
        self.while_revalidate.max(self.if_error)
    }

    /// Whether the age of every entry counts, so that the store's time is asked for with it.
    pub(crate) fn asks_for_time(&self) -> bool {
        !self.window().is_zero() || self.early > 0.0
    }

    /// How old an entry is at this time of the store; `None` if that depends on the time and there is none.
    pub(crate) fn freshness(
        &self,
        value: &Value,
        now: Option<Duration>,
        draw: impl FnOnce() -> f64,
    ) -> Option<Freshness> {
        if !value.outlives_freshness && self.early <= 0.0 {
            // It ends with its freshness.
            return Some(Freshness::Fresh);
        }
        let now = now?;
        if value.stored_at > now + AHEAD {
            return Some(Freshness::Expired);
        }
        let age = now.saturating_sub(value.stored_at);
        let Some(past) = age.checked_sub(value.fresh_for) else {
            let left = value.fresh_for.saturating_sub(age);
            let early = self.early > 0.0 && is_early(value.load_time, self.early, left, draw);
            return Some(if early { Freshness::EarlyRefresh } else { Freshness::Fresh });
        };
        Some(if past < self.while_revalidate {
            Freshness::Stale
        } else if past < self.if_error {
            Freshness::StaleIfError
        } else {
            Freshness::Expired
        })
    }
}

/// Whether a value that is fresh for `left` is reloaded now. The time before its end at which a caller does so is its load
/// time, times `beta`, times an exponentially distributed random number (`draw` is uniform, above 0 and up to 1).
///
/// A. Vattani, F. Chierichetti, K. Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015.
pub(crate) fn is_early(load_time: Duration, beta: f64, left: Duration, draw: impl FnOnce() -> f64) -> bool {
    let scale = load_time.as_secs_f64() * beta;
    let left = left.as_secs_f64();
    // Most hits are far from the end, and need no random number to know.
    left <= scale * LARGEST_LOGARITHM && left <= scale * -draw().ln()
}

#[cfg(test)]
mod tests;
