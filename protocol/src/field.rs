//! The numbers of an entry: big-endian.

use std::time::Duration;

use crate::format::TIME_LEN;

/// Maximum number of milliseconds that six bytes hold.
const LARGEST: u64 = (1 << 48) - 1;

/// A number of any length up to eight bytes.
#[inline]
pub(crate) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Milliseconds, rounded down, at most what six bytes hold.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(LARGEST)
}

/// The bytes of a point in time.
pub(crate) fn time(time: Duration) -> [u8; TIME_LEN] {
    let [_, _, bytes @ ..] = millis(time).to_be_bytes();
    bytes
}
