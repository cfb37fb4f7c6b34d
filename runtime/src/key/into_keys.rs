//! Keys that are named by hand, in whatever holds them.

use super::{AnyKey, Tag};

/// Keys that are named by hand: what [`keys!`](crate::keys!) gives, a list, an `Option` or an iterator of [`Key`](crate::Key)s,
/// [`AnyKey`]s or [`Tag`]s, or one of these alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no keys",
    label = "this is a `{Self}`",
    note = "write `keys![load_user(id)]`, the key of a call, such as `load_user::key(id)`, or a list of keys",
    note = "a `Key<_, Unplaced>` does not know its cache, which depends on more than its key: write `key.in_cache(&cache)`"
)]
pub trait IntoKeys {
    /// The keys, without their types.
    #[doc(hidden)]
    fn into_keys(self) -> Vec<AnyKey>;
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator<Item: Into<AnyKey>>> IntoKeys for I {
    fn into_keys(self) -> Vec<AnyKey> {
        self.into_iter().map(Into::into).collect()
    }
}

/// One alone.
macro_rules! alone {
    ($($key:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoKeys for $key {
            fn into_keys(self) -> Vec<AnyKey> {
                vec![self.into()]
            }
        }
    )*};
}

alone! { AnyKey &AnyKey Tag &Tag }
