//! What a function returned: what of it is stored, and how it is made again from what was stored.
//!
//! The four shapes are told apart by the type, not by its spelling, so that aliases work: an inherent associated
//! constant wins over a trait's where its `impl` applies.

use std::{convert::Infallible, marker::PhantomData};

use crate::{Error, codec::coding::Coding};

pub(crate) mod gives;
pub(crate) mod returns;

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

/// What a function gave, whatever the shape of its return type: of values and errors, or of references to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded<V, E> {
    /// A value: stored.
    Value(V),
    /// `None`: stored only if the attribute has a `none_ttl`.
    None,
    /// `Err`: stored only with `error_ttl`, if `error_if` says so.
    Error(E),
}

impl<V, E> Loaded<V, E> {
    /// The same by reference.
    pub(crate) fn as_ref(&self) -> Loaded<&V, &E> {
        match self {
            Loaded::Value(value) => Loaded::Value(value),
            Loaded::None => Loaded::None,
            Loaded::Error(error) => Loaded::Error(error),
        }
    }

    /// What an entry holds: a value, or a stored `None`.
    pub(crate) fn of_entry(value: Option<V>) -> Loaded<V, E> {
        value.map_or(Loaded::None, Loaded::Value)
    }
}

/// Added to a shape that was not guessed: values may be `Option`s and `Result`s themselves.
pub(crate) const OPEN: u8 = 4;

/// Whether functions of a shape can give `None`.
pub(crate) const fn has_none(shape: u8) -> bool {
    shape & 1 == 1
}

/// A return type of shape 0 (`T`), 1 (`Option<T>`), 2 (`Result<T, E>`) or 3 (`Result<Option<T>, E>`).
pub trait Outcome<const SHAPE: u8>: Sized {
    /// What is stored.
    type Value;
    /// What is stored only where the attribute says so.
    type Error;

    /// What the function gave.
    fn into_loaded(self) -> Loaded<Self::Value, Self::Error>;

    /// The same by reference.
    fn as_loaded(&self) -> Loaded<&Self::Value, &Self::Error>;

    /// The return value that says so.
    ///
    /// # Panics
    ///
    /// For a `None` that the type does not have; a read of its function finds none.
    fn from_loaded(loaded: Loaded<Self::Value, Self::Error>) -> Self;
}

#[cold]
fn no_none() -> ! {
    unreachable!("a function without a `None` is given none")
}

impl<T> Outcome<0> for T {
    type Value = T;
    type Error = Infallible;

    fn into_loaded(self) -> Loaded<T, Infallible> {
        Loaded::Value(self)
    }

    fn as_loaded(&self) -> Loaded<&T, &Infallible> {
        Loaded::Value(self)
    }

    fn from_loaded(loaded: Loaded<T, Infallible>) -> Self {
        match loaded {
            Loaded::Value(value) => value,
            Loaded::None => no_none(),
            Loaded::Error(error) => match error {},
        }
    }
}

impl<T> Outcome<1> for Option<T> {
    type Value = T;
    type Error = Infallible;

    fn into_loaded(self) -> Loaded<T, Infallible> {
        self.map_or(Loaded::None, Loaded::Value)
    }

    fn as_loaded(&self) -> Loaded<&T, &Infallible> {
        self.as_ref().map_or(Loaded::None, Loaded::Value)
    }

    fn from_loaded(loaded: Loaded<T, Infallible>) -> Self {
        match loaded {
            Loaded::Value(value) => Some(value),
            Loaded::None => None,
            Loaded::Error(error) => match error {},
        }
    }
}

impl<T, E> Outcome<2> for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_loaded(self) -> Loaded<T, E> {
        self.map_or_else(Loaded::Error, Loaded::Value)
    }

    fn as_loaded(&self) -> Loaded<&T, &E> {
        self.as_ref().map_or_else(Loaded::Error, Loaded::Value)
    }

    fn from_loaded(loaded: Loaded<T, E>) -> Self {
        match loaded {
            Loaded::Value(value) => Ok(value),
            Loaded::None => no_none(),
            Loaded::Error(error) => Err(error),
        }
    }
}

impl<T, E> Outcome<3> for Result<Option<T>, E> {
    type Value = T;
    type Error = E;

    fn into_loaded(self) -> Loaded<T, E> {
        self.map_or_else(Loaded::Error, |value| value.map_or(Loaded::None, Loaded::Value))
    }

    fn as_loaded(&self) -> Loaded<&T, &E> {
        match self {
            Ok(Some(value)) => Loaded::Value(value),
            Ok(None) => Loaded::None,
            Err(error) => Loaded::Error(error),
        }
    }

    fn from_loaded(loaded: Loaded<T, E>) -> Self {
        match loaded {
            Loaded::Value(value) => Ok(Some(value)),
            Loaded::None => Ok(None),
            Loaded::Error(error) => Err(error),
        }
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
    /// The type of its errors.
    type Error;

    /// The error of a load that was given up.
    fn given_up(error: Error) -> Self::Error;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Error>> Interruptible for Result<T, E> {
    type Error = E;

    fn given_up(error: Error) -> E {
        E::from(error)
    }
}

/// The error of a load that was given up.
pub fn given_up<R: Interruptible>(error: Error) -> R::Error {
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
