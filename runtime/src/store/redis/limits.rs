//! How long connections are waited for, and how many commands they take.

use std::time::Duration;

use crate::backoff::Backoff;

/// The pauses between attempts to connect. After an outage everybody waits for the longest of them.
pub(super) const RECONNECT: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(250));

/// How long a link waits, and for how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// An attempt to connect takes no longer.
    pub(crate) connect: Duration,
    /// A call waits no longer for the store.
    pub(crate) call: Duration,
    /// Maximum length of a value (bytes).
    pub(crate) value: usize,
    /// Maximum number of commands of reads on their way at once, and of steps of writes.
    pub(crate) in_flight: usize,
}
