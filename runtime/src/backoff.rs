//! Pauses between attempts, and times that are not all alike.

use std::time::Duration;

/// Pauses that double, each shortened by a random part, so that many who wait do not all come back at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Backoff {
        Backoff { first, most }
    }

    /// No pause is longer.
    #[cfg(any(feature = "redis", test))]
    pub(crate) const fn longest(self) -> Duration {
        self.most
    }

    /// The pause after so many failures in a row.
    pub(crate) fn pause_after(self, failures: u8) -> Duration {
        let doublings = u32::from(failures.saturating_sub(1)).min(20);
        shorten((self.first * 2_u32.pow(doublings)).min(self.most), 500)
    }

    pub(crate) fn pauses(self) -> Pauses {
        Pauses { next: self.first, most: self.most }
    }
}

/// The pauses between attempts to deliver an invalidation. After an outage everybody waits for the longest of them.
pub(crate) const DELIVERY: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(250));

/// The pauses of one wait.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        shorten(pause, 500)
    }
}

/// Shortens a time by a random part of it, up to so many thousandths.
pub(crate) fn shorten(time: Duration, per_mille: u16) -> Duration {
    // Without randomness nothing is shortened.
    let random = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
    time.mul_f64(1.0 - random * f64::from(per_mille) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shortened_by_a_random_part_and_no_more() {
        let ttl = Duration::from_secs(100);
        assert_eq!(shorten(ttl, 0), ttl);
        let times: Vec<Duration> = (0..1_000).map(|_| shorten(ttl, 100)).collect();
        let (least, most) = (times.iter().min().copied(), times.iter().max().copied());
        assert!(least >= Some(Duration::from_secs(90)) && most <= Some(ttl), "{least:?} to {most:?}");
        assert!(
            least < Some(Duration::from_secs(91)) && most > Some(Duration::from_secs(99)),
            "{least:?} to {most:?}"
        );
        let mut pauses = Backoff::new(Duration::from_millis(10), Duration::from_millis(40)).pauses();
        for most in [10, 20, 40, 40] {
            let (pause, most) = (pauses.next_pause(), Duration::from_millis(most));
            assert!(pause <= most && pause >= most / 2, "{pause:?} of {most:?}");
        }
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(40));
        for (failures, most) in [(0, 10), (1, 10), (2, 20), (3, 40), (4, 40), (255, 40)] {
            let (pause, most) = (backoff.pause_after(failures), Duration::from_millis(most));
            assert!(pause <= most && pause >= most / 2, "{pause:?} of {most:?}");
        }
    }
}
