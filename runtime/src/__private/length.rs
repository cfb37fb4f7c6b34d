//! Lengths of time from constants, checked by type where they are written.

use core::time::Duration;

/// A constant that an option can have which takes a length of time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a length of time",
    label = "this option takes a constant of type `Duration`, or a string",
    note = "write a string with a unit, such as `\"5m\"`, or make a `Duration` of it, such as `Duration::from_secs(…)`"
)]
pub trait IsLength {
    /// What takes it as it is.
    type AsItIs;
    /// The same.
    const AS_IT_IS: Self::AsItIs;
}

impl IsLength for Duration {
    type AsItIs = AsItIs;
    const AS_IT_IS: AsItIs = AsItIs;
}

/// Takes a `Duration` as it is.
#[derive(Debug, Clone, Copy)]
pub struct AsItIs;

impl AsItIs {
    /// The same.
    #[must_use]
    pub const fn of(self, length: Duration) -> Duration {
        length
    }
}

/// What takes a constant of this type; nothing, after an error, where it is not a length.
pub const fn length<T: IsLength>(_: &T) -> T::AsItIs {
    T::AS_IT_IS
}
