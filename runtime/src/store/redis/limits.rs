//! Time limits and sizes of connections.

use std::time::Duration;

use crate::backoff::Backoff;

/// How long to wait between attempts to connect. The closed window after an outage is at least as long as the longest of them.
pub(super) const RECONNECT: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(250));

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Maximum duration of an attempt to connect.
    pub(crate) connect: Duration,
    /// Maximum duration of a call.
    pub(crate) call: Duration,
    /// Maximum length of a value (bytes).
    pub(crate) value: usize,
    /// Maximum number of reads in flight, and of steps of writes.
    pub(crate) in_flight: usize,
}
