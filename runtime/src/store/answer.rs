//! What a store answers, and why it does not.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::steps::Foreign;

use super::watches::Watch;
use crate::Error;

/// Length from which on a value is large: it may be on its way for longer than a lease, and holds up what is behind it (bytes).
pub(crate) const LARGE: usize = 256 << 10;

/// A step that the store did not take, or may have taken without saying so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// No answer in this time.
    Timeout(Duration),
    /// No connection.
    #[cfg(any(feature = "redis", test))]
    Unreachable(String),
    /// The server's own words.
    #[cfg(feature = "redis")]
    Server(String),
    /// Too many commands are on their way already.
    #[cfg(feature = "redis")]
    Full,
    /// The key holds somebody else's data.
    Foreign,
}

impl StoreError {
    /// Whether the step may have been taken all the same.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            StoreError::Timeout(_) => true,
            #[cfg(any(feature = "redis", test))]
            StoreError::Unreachable(_) => true,
            #[cfg(feature = "redis")]
            StoreError::Server(_) | StoreError::Full => false,
            StoreError::Foreign => false,
        }
    }

    /// The error of the public face.
    pub(crate) fn into_error(self, doing: &'static str, key: &str) -> Error {
        match self {
            StoreError::Timeout(within) => Error::Timeout { doing, within },
            #[cfg(any(feature = "redis", test))]
            StoreError::Unreachable(reason) => Error::Unreachable { doing, reason },
            #[cfg(feature = "redis")]
            StoreError::Server(reason) => Error::Server { doing, reason },
            #[cfg(feature = "redis")]
            StoreError::Full => Error::Overloaded { doing },
            StoreError::Foreign => Error::Foreign { key: key.to_owned() },
        }
    }
}

/// A key that is being watched.
#[derive(Debug)]
pub(crate) struct Watched {
    /// What tells of its next change.
    pub(crate) watch: Watch,
    /// What stands there.
    pub(crate) there: Option<Bytes>,
    /// How long it will, if nobody touches it.
    pub(crate) left: Duration,
    /// The store's time.
    pub(crate) now: Duration,
}

pub(crate) type Answer<T> = Result<T, StoreError>;

impl From<Foreign> for StoreError {
    fn from(Foreign: Foreign) -> StoreError {
        StoreError::Foreign
    }
}

/// A call on the heap and without its type, for all but the read of a hit: so that the futures of annotated functions stay small,
/// and the compiler does not follow them into the sockets when it asks whether they are `Send`.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(super) fn boxed<'a, T>(step: impl Future<Output = T> + Send + 'a) -> Boxed<'a, T> {
    Box::pin(step)
}
