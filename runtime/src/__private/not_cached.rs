//! What a call in `#[invalidates]` or `#[updates]` finds when it names no cached function: nothing of it is ever run, its
//! bounds say what to write.

use crate::{
    Key,
    function::read::{Companion, ReadFunction},
};

/// A cached function, in the place of one that isn't.
#[diagnostic::on_unimplemented(
    message = "only the call of a cached function names a key",
    label = "this function has no `#[cached_aside(…)]`",
    note = "put `#[cached_aside(ttl = …, key = …)]` above the function, or give `#[invalidates]` the key as text, such as \
            `\"user:{{id}}\"`",
    note = "a tag is named inside of `tags(…)`, such as `tags(catalog(tenant))`"
)]
pub trait Cached {
    /// Its key.
    type Value;
}

/// A cached method, in the place of one that isn't. No type implements it.
#[diagnostic::on_unimplemented(
    message = "only the call of a cached method or associated function names a key",
    label = "no `#[cached_aside(…)]` is on a method of this name, or it stands in a trait",
    note = "put `#[cached_aside(ttl = …, key = …)]` above it in the `impl` of its type; what stands in a trait, in an `impl` of \
            one or under `#[async_trait]` has no companions: give `#[invalidates]` its key as text, such as `\"user:{{id}}\"`",
    note = "a call in the attribute names one key; for those of a list write `self.load_user(id) for id in ids`"
)]
pub trait CachedMethod {}

/// A method that is no trait's, in the place of one that is. No type implements it.
#[diagnostic::on_unimplemented(
    message = "what stands in a trait has no key to name",
    label = "this is a function of a trait",
    note = "give `#[invalidates]` the key as text, as the cached implementation has it, such as `\"user:{{id}}\"`",
    note = "or let the implementation call an inherent method that is cached, and name that one, such as `Repo::load_user(id)`"
)]
pub trait OutsideOfTraits {
    /// Its key.
    type Value;
}

macro_rules! functions {
    ($($name:ident($($argument:ident)*),)*) => {$(
        /// Stands for the companions in a call with so many arguments.
        #[derive(Debug)]
        pub struct $name<T = ()>(T);

        impl<T> $name<T> {
            /// Stands for the companion that makes the key.
            #[allow(clippy::too_many_arguments, reason = "as many as a companion may have")]
            pub fn key<$($argument),*>($(_: $argument),*) -> Key<T::Value>
            where
                T: Cached,
            {
                unreachable!("`Cached` is implemented by nothing")
            }

            /// Stands for the companion that a batch mentions.
            pub fn __in_batch() {}
        }

        impl<T> Companion for $name<T> {
            const SHAPE: u8 = 0;

            fn function() -> &'static ReadFunction {
                unreachable!("what names no cached function does not compile")
            }
        }
    )*};
}

functions! {
    Of0(), Of1(A), Of2(A B), Of3(A B C), Of4(A B C D), Of5(A B C D E), Of6(A B C D E F), Of7(A B C D E F G),
    Of8(A B C D E F G H), Of9(A B C D E F G H I), Of10(A B C D E F G H I J), Of11(A B C D E F G H I J K),
    Of12(A B C D E F G H I J K L),
}
