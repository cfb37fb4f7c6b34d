//! `load_user(id?)`: a key that exists only if its argument does.

/// An argument with a `?`: the value in an `Option`, as a copy if its type is `Copy`, else by reference.
#[derive(Debug)]
pub struct OptionalArg<'a, T: ?Sized>(pub &'a T);

impl<T> Clone for OptionalArg<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for OptionalArg<'_, T> {}

impl<T: Copy> OptionalArg<'_, Option<T>> {
    /// The value, as a copy.
    #[must_use]
    pub const fn value(&self) -> Option<T> {
        *self.0
    }
}

impl<T: Copy> OptionalArg<'_, &Option<T>> {
    /// The value, as a copy.
    #[must_use]
    pub const fn value(&self) -> Option<T> {
        **self.0
    }
}

/// The value, by reference.
pub trait OptionalArgRef<'a> {
    /// The value's type.
    type Of;

    /// The value.
    fn value(&self) -> Option<&'a Self::Of>;
}

impl<'a, T> OptionalArgRef<'a> for &OptionalArg<'a, Option<T>> {
    type Of = T;

    fn value(&self) -> Option<&'a T> {
        self.0.as_ref()
    }
}

impl<'a, T> OptionalArgRef<'a> for &OptionalArg<'a, &'a Option<T>> {
    type Of = T;

    fn value(&self) -> Option<&'a T> {
        self.0.as_ref()
    }
}

/// A type with `?`: an `Option`.
#[diagnostic::on_unimplemented(
    message = "`?` in a key means \"if there is one\", and `{Self}` is no `Option`",
    label = "this is a `{Self}`",
    note = "remove the `?`"
)]
pub trait Optional {
    /// The value's type.
    type Of;
}

/// The method of every other type, whose bound has the message.
pub trait NotOptional<T> {
    /// Never called.
    fn value(self) -> Option<T::Of>
    where
        T: Optional;
}

impl<T> NotOptional<T> for OptionalArg<'_, T> {
    fn value(self) -> Option<T::Of>
    where
        T: Optional,
    {
        None
    }
}
