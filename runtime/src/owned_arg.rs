//! Arguments of a load that may outlive its caller.

use std::{borrow::Borrow, fmt, marker::PhantomData};

/// An owned copy of a borrowed argument.
pub struct OwnedArg<T: ?Sized, O: ?Sized>(PhantomData<fn() -> Box<T>>, O);

impl<T: ?Sized, O: Borrow<T> + ?Sized> OwnedArg<T, O> {
    /// The argument, borrowed from the copy.
    #[must_use]
    pub fn as_arg(&self) -> &T {
        self.1.borrow()
    }
}

impl<T: ?Sized, O: ?Sized> fmt::Debug for OwnedArg<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedArg")
    }
}

/// The referent of a borrowed argument, which can be copied for a load in the background.
#[diagnostic::on_unimplemented(
    message = "what goes on without its caller can't keep this argument: `{Self}` can't be cloned, or not be sent to another task",
    label = "needs `{Self}: Clone + Send + Sync + 'static`",
    note = "take an owned value or an `Arc`, or leave out `refresh = \"background\"`, `load_timeout(soft = …)` or `detach`"
)]
pub trait CopyArg {
    /// The copy. Named here, so that of a type without one the compiler says no more than that.
    type Copied;

    /// Copies it.
    fn copied(&self) -> Self::Copied;
}

#[diagnostic::do_not_recommend]
impl<T: ToOwned<Owned: Send + Sync + 'static> + Sync + ?Sized> CopyArg for T {
    type Copied = T::Owned;

    fn copied(&self) -> T::Owned {
        self.to_owned()
    }
}

/// A copy of the argument's referent.
pub fn copy_arg<T: CopyArg + ?Sized>(borrowed: &T) -> OwnedArg<T, T::Copied> {
    OwnedArg(PhantomData, borrowed.copied())
}

/// An owned argument that can be moved into a load in the background.
#[diagnostic::on_unimplemented(
    message = "what goes on without its caller can't keep this argument: `{Self}` can't be sent to another task",
    label = "needs `{Self}: Send + 'static`",
    note = "take a type that is `Send`, or leave out `refresh = \"background\"`, `load_timeout(soft = …)` or `detach`"
)]
pub trait MoveArg: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> MoveArg for T {}

/// Moves the argument into a load in the background.
pub fn move_arg<T: MoveArg>(argument: T) -> T {
    argument
}
