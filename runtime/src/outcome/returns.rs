//! What the read path does with the errors of a return type.

use std::{any::Any, fmt, sync::Arc};

use super::{Outcome, StoredErrors};
use crate::Error;

/// An error on its way from the one who loaded to those who waited.
pub(crate) type SharedError = Arc<dyn Any + Send + Sync>;

/// How an error reaches others (those who waited for the load that failed, as a clone, where the type allows it; those who come
/// later, through the store, where the attribute says so), and what the cache's own errors are made to.
pub(crate) struct ErrorPolicy<E> {
    pub(crate) share: Option<fn(&E) -> SharedError>,
    pub(crate) receive: fn(&SharedError) -> Option<E>,
    /// What gives it. A hit needs it only where an error was stored, and no call carries it.
    pub(crate) stored: Option<fn() -> StoredErrors<E>>,
    /// The error of a load that takes too long.
    pub(crate) given_up: Option<fn(Error) -> E>,
    /// The error that says that there is nothing in the cache.
    pub(crate) absent: Option<fn(Error) -> E>,
}

impl<E> fmt::Debug for ErrorPolicy<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPolicy")
            .field("shared", &self.share.is_some())
            .field("stored", &self.stored.is_some())
            .finish_non_exhaustive()
    }
}

impl<E> Clone for ErrorPolicy<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ErrorPolicy<E> {}

impl<E> ErrorPolicy<E> {
    /// The error is not shared: everybody who waited runs the body.
    pub(crate) const UNSHARED: Self =
        ErrorPolicy { share: None, receive: |_| None, stored: None, given_up: None, absent: None };
}

impl<E: Clone + Send + Sync + 'static> ErrorPolicy<E> {
    /// The error is shared as a clone.
    pub(crate) const SHARED: Self = ErrorPolicy {
        share: Some(|error| Arc::new(error.clone())),
        receive: |shared| shared.downcast_ref::<E>().cloned(),
        ..ErrorPolicy::UNSHARED
    };
}

/// A return type and its shape, with what becomes of its errors.
#[derive(Debug)]
pub struct ReturnAdapter<R: Outcome<SHAPE>, const SHAPE: u8> {
    pub(crate) errors: ErrorPolicy<R::Error>,
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Clone for ReturnAdapter<R, SHAPE> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Copy for ReturnAdapter<R, SHAPE> {}

impl<R: Outcome<SHAPE>, const SHAPE: u8> ReturnAdapter<R, SHAPE> {
    /// Errors are not shared.
    #[must_use]
    pub const fn unshared() -> Self {
        ReturnAdapter { errors: ErrorPolicy::UNSHARED }
    }

    /// A load that takes too long is given up.
    #[must_use]
    pub const fn or_given_up(self, given_up: fn(Error) -> R::Error) -> Self {
        ReturnAdapter { errors: ErrorPolicy { given_up: Some(given_up), ..self.errors } }
    }

    /// Some errors are stored.
    #[must_use]
    pub const fn storing(self, errors: fn() -> StoredErrors<R::Error>) -> Self {
        ReturnAdapter { errors: ErrorPolicy { stored: Some(errors), ..self.errors } }
    }
}

impl<T, E: Clone + Send + Sync + 'static> ReturnAdapter<Result<T, E>, 2> {
    /// Errors are shared as clones.
    pub const SHARED: Self = ReturnAdapter { errors: ErrorPolicy::SHARED };
}

impl<T, E: Clone + Send + Sync + 'static> ReturnAdapter<Result<Option<T>, E>, 3> {
    /// Errors are shared as clones.
    pub const SHARED: Self = ReturnAdapter { errors: ErrorPolicy::SHARED };
}

/// The constant of return types whose errors can't be cloned or sent, or that have none.
pub trait NotShared: Sized {
    /// Errors are not shared.
    const SHARED: Self;
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> NotShared for ReturnAdapter<R, SHAPE> {
    const SHARED: Self = ReturnAdapter::unshared();
}

impl<T, E: From<Error>> ReturnAdapter<Result<T, E>, 2> {
    /// With an error it can say that there is nothing.
    #[must_use]
    pub fn or_absent(self) -> Self {
        ReturnAdapter { errors: ErrorPolicy { absent: Some(E::from), ..self.errors } }
    }
}

/// The method of return types whose error can't be made from the cache's, or that have none.
pub trait NoAbsent: Sized {
    /// No error can say that there is nothing.
    #[must_use]
    fn or_absent(self) -> Self {
        self
    }
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> NoAbsent for ReturnAdapter<R, SHAPE> {}
