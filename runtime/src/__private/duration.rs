//! Durations from constants, whose type is checked where they are written.

use core::time::Duration;

/// The type of a constant for an option that takes a duration.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a duration",
    label = "this option takes a constant of type `Duration`, or a string",
    note = "write a string with a unit, such as `\"5m\"`, or make a `Duration` of it, such as `Duration::from_secs(…)`"
)]
pub trait DurationConst {
    /// What makes a `Duration` of it.
    type Converter;
    /// Its value.
    const CONVERTER: Self::Converter;
}

impl DurationConst for Duration {
    type Converter = Unchanged;
    const CONVERTER: Unchanged = Unchanged;
}

/// Makes a `Duration` of a `Duration`.
#[derive(Debug, Clone, Copy)]
pub struct Unchanged;

impl Unchanged {
    /// The same duration.
    #[must_use]
    pub const fn of(self, duration: Duration) -> Duration {
        duration
    }
}

/// What makes a `Duration` of a constant of this type; does not compile for another type.
pub const fn duration<T: DurationConst>(_: &T) -> T::Converter {
    T::CONVERTER
}
