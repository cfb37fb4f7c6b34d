//! What a loader gives of a type that is known beforehand.

use std::convert::Infallible;

use super::{Loaded, OPEN, Outcome};

/// What the loader of a [`Cached`](crate::Cached) may give: `T`, `Option<T>`, `Result<T, E>` or `Result<Option<T>, E>`.
#[diagnostic::on_unimplemented(
    message = "this gives `{Self}`, and the entries are `{T}`",
    label = "give `{T}`, `Option<{T}>`, `Result<{T}, E>` or `Result<Option<{T}>, E>`"
)]
pub trait Gives<T>: GivesParts<T> {}

/// What a loader gives, in parts. Hidden: the page of every type of every program would show what is implemented for all types.
#[doc(hidden)]
pub trait GivesParts<T>: Sized {
    /// The type of its errors.
    type Error;
    /// Which of them it is.
    const SHAPE: u8;

    /// What was given.
    fn into_loaded(self) -> Loaded<T, Self::Error>;

    /// The same from what was given.
    fn from_loaded(loaded: Loaded<T, Self::Error>) -> Self;
}

macro_rules! gives {
    ($($shape:literal: ($($error:ident)?) $of:ty, $error_type:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<T $(, $error)?> Gives<T> for $of {}

        #[diagnostic::do_not_recommend]
        impl<T $(, $error)?> GivesParts<T> for $of {
            type Error = $error_type;
            // Which it is was not guessed: a `T` may be an `Option` itself.
            const SHAPE: u8 = $shape | OPEN;

            fn into_loaded(self) -> Loaded<T, Self::Error> {
                <Self as Outcome<$shape>>::into_loaded(self)
            }

            fn from_loaded(loaded: Loaded<T, Self::Error>) -> Self {
                <Self as Outcome<$shape>>::from_loaded(loaded)
            }
        }
    )*};
}

gives! {
    0: () T, Infallible;
    1: () Option<T>, Infallible;
    2: (E) Result<T, E>, E;
    3: (E) Result<Option<T>, E>, E;
}
