//! `load_user(id?)`: a key that there is only if there is an argument.

/// An argument behind which `?` stands: what is in an `Option`, as a copy where its type is `Copy`, else by reference.
#[derive(Debug)]
pub struct Given<'a, T: ?Sized>(pub &'a T);

impl<T> Clone for Given<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Given<'_, T> {}

impl<T: Copy> Given<'_, Option<T>> {
    /// What is there, as a copy.
    #[must_use]
    pub const fn given(&self) -> Option<T> {
        *self.0
    }
}

impl<T: Copy> Given<'_, &Option<T>> {
    /// What is there, as a copy.
    #[must_use]
    pub const fn given(&self) -> Option<T> {
        **self.0
    }
}

/// What is there, by reference.
pub trait GivenRef<'a> {
    /// What is there.
    type Of;

    /// What is there.
    fn given(&self) -> Option<&'a Self::Of>;
}

impl<'a, T> GivenRef<'a> for &Given<'a, Option<T>> {
    type Of = T;

    fn given(&self) -> Option<&'a T> {
        self.0.as_ref()
    }
}

impl<'a, T> GivenRef<'a> for &Given<'a, &'a Option<T>> {
    type Of = T;

    fn given(&self) -> Option<&'a T> {
        self.0.as_ref()
    }
}

/// What can be there or not.
#[diagnostic::on_unimplemented(
    message = "`?` in a key means \"if there is one\", and `{Self}` is no `Option`",
    label = "this is a `{Self}`",
    note = "remove the `?`"
)]
pub trait Optional {
    /// What can be there.
    type Of;
}

/// The method of everything that is no `Option`, for its message.
pub trait GivenNot<T> {
    /// Nothing is.
    fn given(self) -> Option<T::Of>
    where
        T: Optional;
}

impl<T> GivenNot<T> for Given<'_, T> {
    fn given(self) -> Option<T::Of>
    where
        T: Optional,
    {
        None
    }
}
