//! Answers and errors of stores.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::steps::Foreign;

use super::changes::ChangeListener;
use crate::{Error, few::Few};

/// Maximum length of a value that is not large: a large one may be in transfer for longer than a lease, and delays what is sent after
/// it (bytes).
pub(crate) const LARGE: usize = 256 << 10;

/// Why a step failed. It may have been executed all the same: see [`StoreError::is_ambiguous`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// No answer in this time.
    Timeout(Duration),
    /// The connection is down.
    #[cfg(any(feature = "redis", test, feature = "testing"))]
    Unreachable(String),
    /// An error of the server's.
    #[cfg(feature = "redis")]
    Server(String),
    /// Too many commands are in flight.
    #[cfg(feature = "redis")]
    Full,
    /// The key holds data of another program.
    Foreign,
    /// Not sent: the key is on the recovery list.
    Listed,
}

impl StoreError {
    /// Whether the step may have been executed all the same.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            StoreError::Timeout(_) => true,
            #[cfg(any(feature = "redis", test, feature = "testing"))]
            StoreError::Unreachable(_) => true,
            #[cfg(feature = "redis")]
            StoreError::Server(_) | StoreError::Full => false,
            StoreError::Foreign | StoreError::Listed => false,
        }
    }

    /// The public error.
    pub(crate) fn into_error(self, doing: &'static str, key: &str) -> Error {
        match self {
            StoreError::Timeout(within) => Error::Timeout { doing, within },
            #[cfg(any(feature = "redis", test, feature = "testing"))]
            StoreError::Unreachable(reason) => Error::Unreachable { doing, reason },
            #[cfg(feature = "redis")]
            StoreError::Server(reason) => Error::Server { doing, reason },
            #[cfg(feature = "redis")]
            StoreError::Full => Error::Overloaded { doing },
            StoreError::Foreign => Error::Foreign { key: key.to_owned() },
            StoreError::Listed => Error::Undelivered { keys: 1 },
        }
    }
}

/// The entry of a key, and the listener for its next change.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Resolves at the next change.
    pub(crate) watch: ChangeListener,
    /// The current entry.
    pub(crate) there: Option<Bytes>,
    /// How long until it expires.
    pub(crate) left: Duration,
    /// The time of the store.
    pub(crate) now: Duration,
}

/// What stands under several keys.
#[derive(Debug)]
pub(crate) struct Together {
    pub(crate) first: Option<Bytes>,
    /// What stands under the others, in their order.
    pub(crate) others: Few<Option<Bytes>>,
    /// The time of the store right after the first was read, where it was asked for.
    pub(crate) now: Option<Duration>,
}

impl Together {
    /// What stands under all of them.
    pub(crate) fn of(all: impl IntoIterator<Item = Option<Bytes>>, now: Option<Duration>) -> Together {
        let mut all = all.into_iter();
        Together { first: all.next().flatten(), others: all.collect(), now }
    }
}

/// The entry of a key, and the time of the store right after it was read where that was asked for.
pub(crate) type Read = (Option<Bytes>, Option<Duration>);

pub(crate) type Answer<T> = Result<T, StoreError>;

impl From<Foreign> for StoreError {
    fn from(Foreign: Foreign) -> StoreError {
        StoreError::Foreign
    }
}

/// A boxed call, for everything but the read of a hit: it keeps the futures of annotated functions small, and spares the compiler the
/// search through the sockets for `Send`.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(super) fn boxed<'a, T>(step: impl Future<Output = T> + Send + 'a) -> Boxed<'a, T> {
    Box::pin(step)
}
