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
    /// With a value at hand a caller waits no longer than this for a load.
    pub(crate) soft_limit: Option<Duration>,
    /// No load takes longer.
    pub(crate) hard_limit: Option<Duration>,
    /// How early values are reloaded, in their own load times.
    pub(crate) early: f64,
}

/// What is to be done about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing: it is fresh.
    Nothing,
    /// It is fresh, and one caller reloads it before it is not.
    Early,
    /// It is given while one caller reloads it.
    Revalidation,
    /// It is given if its reload fails.
    Reload,
    /// It is too old for anything.
    Replacement,
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

    /// What is to be done about an entry at this time of the store; `None` if that depends on the time and there is none.
    pub(crate) fn due(
        &self,
        value: &Value,
        now: Option<Duration>,
        draw: impl FnOnce() -> f64,
    ) -> Option<Due> {
        if !value.outlives_freshness && self.early <= 0.0 {
            // It ends with its freshness.
            return Some(Due::Nothing);
        }
        let now = now?;
        if value.stored_at > now + AHEAD {
            return Some(Due::Replacement);
        }
        let age = now.saturating_sub(value.stored_at);
        let Some(past) = age.checked_sub(value.fresh_for) else {
            let left = value.fresh_for.saturating_sub(age);
            let early = self.early > 0.0 && is_early(value.load_time, self.early, left, draw);
            return Some(if early { Due::Early } else { Due::Nothing });
        };
        Some(if past < self.while_revalidate {
            Due::Revalidation
        } else if past < self.if_error {
            Due::Reload
        } else {
            Due::Replacement
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
