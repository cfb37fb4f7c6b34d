//! Which hits are verified: see [`docs::verification`](crate::docs::verification).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::function::read::ReadFunction;

/// Shares up to this one are also bounded in time: at most one hit each [`PAUSE`], and at least one each [`WHILE`].
const BOUNDED: f64 = 0.01;
/// Minimum time between two samples of one function (ms).
const PAUSE: u64 = 1_000;
/// Maximum time without a sample of a function that has hits (ms).
const WHILE: u64 = 10 * 60 * 1_000;
/// Maximum number of hits between two samples, as far as shares say: more than any program has.
const LONGEST_GAP: f64 = 1e15;

impl ReadFunction {
    /// `verify = …`: the share of hits, from 0 (none) to 1 (all).
    ///
    /// # Panics
    ///
    /// When compiling, if it is below 0 or above 1.
    #[must_use]
    pub const fn verify(mut self, share: f64) -> Self {
        assert!(share >= 0.0 && share <= 1.0, "`verify` must be from 0.0 (none) to 1.0 (all)");
        self.settings.verify = Some(share);
        self
    }
}

/// Which hits of one function are verified in one cache.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    hits: AtomicU64,
    /// The number of the hit that is sampled next; zero before the first hit.
    next: AtomicU64,
    /// When the last sample was taken.
    last: AtomicU64,
    /// Whether the log says that the function can't be verified.
    said: AtomicBool,
}

impl Sampling {
    /// Whether nothing has said yet that the function can't be verified.
    pub(crate) fn is_first_unverifiable(&self) -> bool {
        !self.said.swap(true, Relaxed)
    }

    /// Whether this hit is a sample, at this time (ms).
    pub(crate) fn is_due(&self, share: f64, now: u64) -> bool {
        if share >= 1.0 {
            return true;
        }
        let hit = self.hits.fetch_add(1, Relaxed) + 1;
        let next = self.next.load(Relaxed);
        let drawn = hit >= next && {
            let after = hit.saturating_add(gap(share));
            // One of several callers at a time is the sample.
            self.next.compare_exchange(next, after, Relaxed, Relaxed).is_ok() && next != 0
        };
        if share > BOUNDED {
            return drawn;
        }
        let last = self.last.load(Relaxed);
        let since = now.saturating_sub(last);
        since >= if drawn { PAUSE } else { WHILE }
            && self.last.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

/// The number of hits until the next sample: random, so that no pattern of calls is missed, and `1 / share` on average.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 1 and the longest gap"
)]
fn gap(share: f64) -> u64 {
    // Without randomness each gap is the average.
    let random = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    (1.0 + random * (2.0 / share - 2.0)).round().min(LONGEST_GAP) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(sampling: &Sampling, share: f64, hits: u64, at: impl Fn(u64) -> u64) -> u64 {
        (0..hits).filter(|hit| sampling.is_due(share, at(*hit))).count() as u64
    }

    #[test]
    fn a_share_of_the_hits_is_sampled_and_all_of_them_at_one() {
        assert_eq!(samples(&Sampling::default(), 1.0, 1_000, |_| 0), 1_000);
        for (share, least, most) in [(0.5, 45_000, 55_000), (0.1, 9_000, 11_000), (0.02, 1_700, 2_300)] {
            let taken = samples(&Sampling::default(), share, 100_000, |_| 0);
            assert!((least..=most).contains(&taken), "{share}: {taken}");
        }
        // A hit each two seconds: no pause is in the way.
        let taken = samples(&Sampling::default(), 0.01, 100_000, |hit| hit * 2_000);
        assert!((850..=1_500).contains(&taken), "{taken}");
    }

    #[test]
    fn a_busy_function_has_at_most_one_sample_a_second() {
        // 10,000 hits a second, for a minute.
        let taken = samples(&Sampling::default(), 0.01, 600_000, |hit| hit / 10);
        assert!((50..=60).contains(&taken), "{taken}");
    }

    #[test]
    fn a_quiet_function_has_a_sample_every_ten_minutes() {
        // A hit each ten seconds, for a day.
        let taken = samples(&Sampling::default(), 1e-9, 8_640, |hit| hit * 10_000);
        assert!((143..=145).contains(&taken), "{taken}");
        // More than one in a hundred: what was asked for, and nothing else.
        let quiet = Sampling::default();
        assert!((0..).take(50).filter(|hit| quiet.is_due(0.02, hit * WHILE)).count() < 10);
    }

    #[test]
    fn the_first_hits_after_a_start_are_no_samples() {
        assert!(!Sampling::default().is_due(0.001, 5_000));
    }

    #[test]
    fn a_share_is_from_none_to_all() {
        use std::time::Duration;
        let function = || ReadFunction::declare("module", "load", "key", Duration::from_secs(1));
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let refused = std::panic::catch_unwind(|| function().verify(share).settings.verify);
            assert!(refused.is_err(), "{share}");
        }
        for share in [0.0, 0.001, 1.0] {
            assert_eq!(function().verify(share).settings.verify, Some(share));
        }
    }
}
