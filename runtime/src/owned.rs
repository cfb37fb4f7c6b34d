//! Arguments that a load keeps when its caller has gone.

use std::{borrow::Borrow, fmt, marker::PhantomData};

/// What a borrowed argument refers to, made the load's own.
pub struct Owned<T: ?Sized, O: ?Sized>(PhantomData<fn() -> Box<T>>, O);

impl<T: ?Sized, O: Borrow<T> + ?Sized> Owned<T, O> {
    /// The argument, borrowed from the copy.
    #[must_use]
    pub fn lend(&self) -> &T {
        self.1.borrow()
    }
}

impl<T: ?Sized, O: ?Sized> fmt::Debug for Owned<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owned")
    }
}

/// What a reference to can be made owned.
#[diagnostic::on_unimplemented(
    message = "a load in the background can't keep this argument: `{Self}` can't be cloned, or not be sent to another task",
    label = "needs `{Self}: Clone + Send + Sync + 'static`",
    note = "take an owned value or an `Arc`, or leave out `refresh = \"background\"` and `load_timeout(soft = …)`"
)]
pub trait MadeOwned {
    /// The copy. Named here, so that of a type without one the compiler says no more than that.
    type Copied;

    /// Copies it.
    fn copied(&self) -> Self::Copied;
}

#[diagnostic::do_not_recommend]
impl<T: ToOwned<Owned: Send + Sync + 'static> + Sync + ?Sized> MadeOwned for T {
    type Copied = T::Owned;

    fn copied(&self) -> T::Owned {
        self.to_owned()
    }
}

/// A copy of what the argument refers to.
pub fn owned<T: MadeOwned + ?Sized>(borrowed: &T) -> Owned<T, T::Copied> {
    Owned(PhantomData, borrowed.copied())
}

/// What can be moved into a load in the background.
#[diagnostic::on_unimplemented(
    message = "a load in the background can't keep this argument: `{Self}` can't be sent to another task",
    label = "needs `{Self}: Send + 'static`",
    note = "take a type that is `Send`, or leave out `refresh = \"background\"` and `load_timeout(soft = …)`"
)]
pub trait Movable: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Movable for T {}

/// The argument as it is, on its way into a load in the background.
pub fn moved<T: Movable>(argument: T) -> T {
    argument
}
