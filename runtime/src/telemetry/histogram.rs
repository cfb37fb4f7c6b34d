//! A histogram of times that costs one addition to record: log-linear buckets, as in `HdrHistogram`, with atomic counts.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::lock::Mutex;

/// Number of buckets for each power of two, as a power of two.
const PRECISION: u32 = 2;
/// Number of buckets for each power of two: a time is off by an eighth at the most.
const STEPS: usize = 1 << PRECISION;
/// Number of buckets: up to 2^26 microseconds (67 s); longer times count in the last one.
const BUCKETS: usize = STEPS * (26 - PRECISION as usize + 1);

/// Times in microseconds, counted by bucket.
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    /// What was published of each bucket so far.
    published: Mutex<[u64; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: array::from_fn(|_| AtomicU64::new(0)), published: Mutex::new([0; BUCKETS]) }
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        self.counts[bucket(time)].fetch_add(1, Relaxed);
    }

    /// Calls `record` with the middle of each bucket and how many times it was recorded since the last call.
    pub(crate) fn publish(&self, mut record: impl FnMut(f64, usize)) {
        let mut published = self.published.lock();
        for (number, (count, published)) in self.counts.iter().zip(published.iter_mut()).enumerate() {
            let count = count.load(Relaxed);
            let new = usize::try_from(count - *published).unwrap_or(usize::MAX);
            if new > 0 {
                record(middle(number).as_secs_f64(), new);
                *published = count;
            }
        }
    }
}

fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let Some(exponent) = micros.checked_ilog2().filter(|exponent| *exponent >= PRECISION) else {
        return usize::try_from(micros).unwrap_or_default();
    };
    let shift = exponent - PRECISION;
    // The highest bit is set, so that this is between `STEPS` and twice that.
    let step = usize::try_from(micros >> shift).unwrap_or_default();
    (shift as usize * STEPS + step).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Duration {
    if bucket < STEPS {
        return Duration::from_micros(bucket as u64);
    }
    let (shift, step) = (bucket / STEPS - 1, STEPS + bucket % STEPS);
    let (from, width) = ((step as u64) << shift, 1_u64 << shift);
    Duration::from_micros(from) + Duration::from_micros(width - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_middle_of_a_bucket_is_off_by_an_eighth_at_the_most(micros in 0..(1_u64 << 26)) {
            let time = Duration::from_micros(micros);
            let off = middle(bucket(time)).abs_diff(time);
            prop_assert!(off * 8 <= time, "{:?} counts as {:?}", time, middle(bucket(time)));
        }

        #[test]
        fn longer_times_count_in_no_earlier_bucket(one in any::<u64>(), other in any::<u64>()) {
            let (one, other) = (one.min(other), one.max(other));
            prop_assert!(bucket(Duration::from_micros(one)) <= bucket(Duration::from_micros(other)));
        }
    }

    #[test]
    fn each_time_is_published_once() {
        let histogram = Histogram::default();
        let published = |histogram: &Histogram| {
            let mut times = Vec::new();
            histogram.publish(|seconds, count| times.push((seconds, count)));
            times
        };
        histogram.record(Duration::from_micros(3));
        histogram.record(Duration::from_micros(3));
        histogram.record(Duration::MAX);
        let times = published(&histogram);
        assert_eq!(times[0], (0.000_003, 2));
        assert!(times[1].0 > 60.0 && times[1].1 == 1, "{times:?}");
        assert_eq!(published(&histogram), []);
        histogram.record(Duration::ZERO);
        assert_eq!(published(&histogram), [(0.0, 1)]);
    }
}
