//! What a function returned: what of it is stored, and how it is made again from what was stored.
//!
//! The four shapes are told apart by the type, not by its spelling, so that aliases work: an inherent associated
//! constant wins over a trait's where its `impl` applies.

use std::{any::Any, convert::Infallible, marker::PhantomData, sync::Arc};

use crate::{Error, codec::coding::Coding};

/// Finds the shape of a return type: the sum of its three constants.
#[derive(Debug)]
pub struct Shape<R>(PhantomData<R>);

/// The constants of types that are not of the shape in question.
pub trait NoShape {
    /// Not an `Option`.
    const OPTION: u8 = 0;
    /// Not a `Result`.
    const RESULT: u8 = 0;
    /// Not a `Result` of an `Option`.
    const RESULT_OPTION: u8 = 0;
}

impl<R> NoShape for Shape<R> {}

impl<T> Shape<Option<T>> {
    /// An `Option`.
    pub const OPTION: u8 = 1;
}

impl<T, E> Shape<Result<T, E>> {
    /// A `Result`.
    pub const RESULT: u8 = 2;
}

impl<T, E> Shape<Result<Option<T>, E>> {
    /// A `Result` of an `Option`.
    pub const RESULT_OPTION: u8 = 1;
}

/// What a function gave, by reference.
#[derive(Debug)]
pub enum Gave<'a, V, E> {
    /// A value: stored.
    Value(&'a V),
    /// `None`: stored only if the attribute has a `none_ttl`.
    None,
    /// `Err`: stored only with `error_ttl`, if `error_if` says so.
    Error(&'a E),
}

/// A return type of shape 0 (`T`), 1 (`Option<T>`), 2 (`Result<T, E>`) or 3 (`Result<Option<T>, E>`).
pub trait Outcome<const SHAPE: u8>: Sized {
    /// What is stored.
    type Value;
    /// What is stored only where the attribute says so.
    type Error;

    /// What the function gave.
    fn gave(&self) -> Gave<'_, Self::Value, Self::Error>;
    /// The return value made of a stored value.
    fn from_value(value: Self::Value) -> Self;
    /// The return value of a stored `None`; `None` for types that have none.
    fn from_none() -> Option<Self>;
    /// The return value made of somebody else's error; `None` for types that have none.
    fn from_error(error: Self::Error) -> Option<Self>;
}

impl<T> Outcome<0> for T {
    type Value = T;
    type Error = Infallible;

    fn gave(&self) -> Gave<'_, T, Infallible> {
        Gave::Value(self)
    }

    fn from_value(value: T) -> Self {
        value
    }

    fn from_none() -> Option<Self> {
        None
    }

    fn from_error(error: Infallible) -> Option<Self> {
        match error {}
    }
}

impl<T> Outcome<1> for Option<T> {
    type Value = T;
    type Error = Infallible;

    fn gave(&self) -> Gave<'_, T, Infallible> {
        self.as_ref().map_or(Gave::None, Gave::Value)
    }

    fn from_value(value: T) -> Self {
        Some(value)
    }

    fn from_none() -> Option<Self> {
        Some(None)
    }

    fn from_error(error: Infallible) -> Option<Self> {
        match error {}
    }
}

impl<T, E> Outcome<2> for Result<T, E> {
    type Value = T;
    type Error = E;

    fn gave(&self) -> Gave<'_, T, E> {
        self.as_ref().map_or_else(Gave::Error, Gave::Value)
    }

    fn from_value(value: T) -> Self {
        Ok(value)
    }

    fn from_none() -> Option<Self> {
        None
    }

    fn from_error(error: E) -> Option<Self> {
        Some(Err(error))
    }
}

impl<T, E> Outcome<3> for Result<Option<T>, E> {
    type Value = T;
    type Error = E;

    fn gave(&self) -> Gave<'_, T, E> {
        match self {
            Ok(Some(value)) => Gave::Value(value),
            Ok(None) => Gave::None,
            Err(error) => Gave::Error(error),
        }
    }

    fn from_value(value: T) -> Self {
        Ok(Some(value))
    }

    fn from_none() -> Option<Self> {
        Some(Ok(None))
    }

    fn from_error(error: E) -> Option<Self> {
        Some(Err(error))
    }
}

/// The return type of a write: what `result` names in `#[invalidates]`.
pub trait Success<const SHAPE: u8> {
    /// The `Ok` value, or the whole value where there is no `Result`.
    type Value;

    /// The success value, unless the write failed.
    fn success(&self) -> Option<&Self::Value>;
}

impl<T> Success<0> for T {
    type Value = T;

    fn success(&self) -> Option<&T> {
        Some(self)
    }
}

impl<T> Success<1> for Option<T> {
    type Value = Option<T>;

    fn success(&self) -> Option<&Option<T>> {
        Some(self)
    }
}

impl<T, E> Success<2> for Result<T, E> {
    type Value = T;

    fn success(&self) -> Option<&T> {
        self.as_ref().ok()
    }
}

impl<T, E> Success<3> for Result<Option<T>, E> {
    type Value = Option<T>;

    fn success(&self) -> Option<&Option<T>> {
        self.as_ref().ok()
    }
}

/// A shape that has a `None`.
#[diagnostic::on_unimplemented(
    message = "`none_ttl` needs a function that can return `None`",
    label = "this function returns neither `Option<_>` nor `Result<Option<_>, _>`",
    note = "remove `none_ttl`"
)]
pub trait HasNone {}

/// Compiles only if a return type has the shape that it was taken for.
///
/// # Panics
///
/// When compiling, if it has another.
pub const fn assert_shape(real: u8, taken_for: u8) {
    assert!(
        real == taken_for,
        "this return type is an alias of a `Result` or an `Option`, and hides it behind generic parameters; write the `Result` \
         or the `Option` out"
    );
}

/// A shape as a type.
#[derive(Debug)]
pub struct ShapeNumber<const SHAPE: u8>;

#[diagnostic::do_not_recommend]
impl HasNone for ShapeNumber<1> {}
#[diagnostic::do_not_recommend]
impl HasNone for ShapeNumber<3> {}

/// Compiles only for shapes that have a `None`.
pub const fn assert_none<const SHAPE: u8>()
where
    ShapeNumber<SHAPE>: HasNone,
{
}

/// A return type that can say that a write was refused.
#[diagnostic::on_unimplemented(
    message = "`guard = \"required\"` needs a function that can return the cache's error",
    label = "`{Self}` can't be made from a `cached_aside::Error`",
    note = "return `Result<_, E>` with `E: From<cached_aside::Error>`, or leave `guard` at \"best_effort\""
)]
pub trait Refusable {
    /// The return value of a write that was not begun.
    fn refused(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Error>> Refusable for Result<T, E> {
    fn refused(error: Error) -> Self {
        Err(E::from(error))
    }
}

/// The return value of a write that was not begun.
pub fn refuse<R: Refusable>(error: Error) -> R {
    R::refused(error)
}

/// A return type that can say that a load was given up.
#[diagnostic::on_unimplemented(
    message = "`load_timeout(hard = …)` needs a function that can return the cache's error",
    label = "`{Self}` can't be made from a `cached_aside::Error`",
    note = "return `Result<_, E>` with `E: From<cached_aside::Error>`, or leave `hard` out"
)]
pub trait Interruptible {
    /// The return value of a load that was given up.
    fn given_up(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Error>> Interruptible for Result<T, E> {
    fn given_up(error: Error) -> Self {
        Err(E::from(error))
    }
}

/// The return value of a load that was given up.
pub fn given_up<R: Interruptible>(error: Error) -> R {
    R::given_up(error)
}

/// A shape that has an `Err`.
#[diagnostic::on_unimplemented(
    message = "`stale_if_error` needs a function that can fail",
    label = "this function returns no `Result`",
    note = "remove `stale_if_error`"
)]
pub trait HasError {}

#[diagnostic::do_not_recommend]
impl HasError for ShapeNumber<2> {}
#[diagnostic::do_not_recommend]
impl HasError for ShapeNumber<3> {}

/// Compiles only for shapes that have an `Err`.
pub const fn assert_error<const SHAPE: u8>()
where
    ShapeNumber<SHAPE>: HasError,
{
}

/// A shape that can fail.
#[diagnostic::on_unimplemented(
    message = "`error_ttl` needs a function that can fail",
    label = "this function returns no `Result`",
    note = "remove `error_ttl` and `error_if`"
)]
pub trait Fails {}

#[diagnostic::do_not_recommend]
impl Fails for ShapeNumber<2> {}
#[diagnostic::do_not_recommend]
impl Fails for ShapeNumber<3> {}

/// Compiles only for shapes that have an `Err`.
pub const fn assert_fails<const SHAPE: u8>()
where
    ShapeNumber<SHAPE>: Fails,
{
}

/// An error on its way from the one who loaded to those who waited.
pub(crate) type SharedError = Arc<dyn Any + Send + Sync>;

/// How an error reaches others: those who waited for the load that failed, as a clone, where the type allows it; and those
/// who come later, through the store, where the attribute says so.
pub(crate) struct Sharing<E> {
    pub(crate) share: Option<fn(&E) -> SharedError>,
    pub(crate) receive: fn(&SharedError) -> Option<E>,
    /// What gives it. A hit needs it only where an error was stored, and no call carries it.
    pub(crate) stored: Option<fn() -> StoredErrors<E>>,
}

/// Which errors are stored, and how.
#[derive(Debug)]
pub struct StoredErrors<E> {
    pub(crate) coding: Coding<E>,
    pub(crate) error_if: fn(&E) -> bool,
}

/// Errors for which `error_if` says so, with this coding.
#[must_use]
pub fn stored_errors<E>(coding: Coding<E>, error_if: fn(&E) -> bool) -> StoredErrors<E> {
    StoredErrors { coding, error_if }
}

impl<E> std::fmt::Debug for Sharing<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sharing")
            .field("shared", &self.share.is_some())
            .field("stored", &self.stored.is_some())
            .finish_non_exhaustive()
    }
}

impl<E> Clone for Sharing<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Sharing<E> {}

impl<E> Sharing<E> {
    /// The error is not shared: everybody who waited runs the body.
    pub(crate) const fn none() -> Self {
        Sharing { share: None, receive: |_| None, stored: None }
    }
}

impl<E: Clone + Send + Sync + 'static> Sharing<E> {
    /// The error is shared as a clone.
    pub(crate) const SHARED: Self = Sharing {
        share: Some(|error| Arc::new(error.clone())),
        receive: |shared| shared.downcast_ref::<E>().cloned(),
        stored: None,
    };
}

/// A return type and its shape: how its errors reach others, and what it gives where there is nothing.
#[derive(Debug)]
pub struct Returns<R: Outcome<SHAPE>, const SHAPE: u8> {
    pub(crate) sharing: Sharing<R::Error>,
    pub(crate) given_up: Option<fn(Error) -> R>,
    pub(crate) absent: Option<fn(Error) -> R>,
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Clone for Returns<R, SHAPE> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Copy for Returns<R, SHAPE> {}

impl<R: Outcome<SHAPE>, const SHAPE: u8> Returns<R, SHAPE> {
    const fn new(sharing: Sharing<R::Error>) -> Self {
        Returns { sharing, given_up: None, absent: None }
    }

    /// Errors are not shared.
    #[must_use]
    pub const fn unshared() -> Self {
        Self::new(Sharing::none())
    }

    /// A load that takes too long is given up.
    #[must_use]
    pub const fn or_given_up(self, given_up: fn(Error) -> R) -> Self {
        Returns { given_up: Some(given_up), ..self }
    }

    /// Some errors are stored.
    #[must_use]
    pub const fn storing(self, errors: fn() -> StoredErrors<R::Error>) -> Self {
        let sharing = Sharing { stored: Some(errors), ..self.sharing };
        Returns { sharing, ..self }
    }
}

impl<T, E: Clone + Send + Sync + 'static> Returns<Result<T, E>, 2> {
    /// Errors are shared as clones.
    pub const SHARED: Self = Self::new(Sharing::SHARED);
}

impl<T, E: Clone + Send + Sync + 'static> Returns<Result<Option<T>, E>, 3> {
    /// Errors are shared as clones.
    pub const SHARED: Self = Self::new(Sharing::SHARED);
}

/// The constant of return types whose errors can't be cloned or sent, or that have none.
pub trait NotShared: Sized {
    /// Errors are not shared.
    const SHARED: Self;
}

impl<R: Outcome<SHAPE>, const SHAPE: u8> NotShared for Returns<R, SHAPE> {
    const SHARED: Self = Returns::unshared();
}

impl<T, E: From<Error>> Returns<Result<T, E>, 2> {
    /// With an error it can say that there is nothing.
    #[must_use]
    pub fn or_absent(self) -> Self {
        Returns { absent: Some(|error| Err(E::from(error))), ..self }
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

impl<R: Outcome<SHAPE>, const SHAPE: u8> NoAbsent for Returns<R, SHAPE> {}
