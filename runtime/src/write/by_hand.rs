//! What is invalidated by hand: deleted, or guarded as part of the write in progress.

use std::{
    fmt::{self, Debug},
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    open::{delete, join},
    places::Places,
};
use crate::{
    AnyKey, Error, IntoKeys,
    engine::shared::Shared,
    function::{
        name::FunctionName,
        write::{WriteFunction, WriteSettings},
    },
};

/// Keys as a `Vec` of [`AnyKey`], named as in [`#[invalidates]`](macro@crate::invalidates#what-it-names): calls of cached functions, which
/// the compiler checks, templates, those of lists (`for`), those that there may be (`?`), and what ends in `.key(…)`. For
/// [`invalidate`](crate::invalidate()), [`invalidating`](crate::invalidating()), [`Cache::invalidate_keys`](crate::Cache::invalidate_keys)
/// and [`Cache::guard`](crate::Cache::guard).
///
/// ```
/// # use cached_aside::{Cache, cached_aside, invalidate, keys};
/// # struct Line { product: u64 }
/// # #[cached_aside(ttl = "5m", key = "cart:{user}")]
/// # async fn cart(user: u64) -> u64 { user }
/// # #[cached_aside(ttl = "5m", key = "stock:{product}")]
/// # async fn stock(product: u64) -> u64 { product }
/// # async fn example(user: u64, referrer: Option<u64>, lines: &[Line]) {
/// invalidate(keys![
///     cart(user),
///     cart(referrer?),
///     stock(line.product) for line in lines,
///     "orders:{user}",
/// ])
/// .await;
/// # }
/// ```
///
/// A placeholder of a template names a variable. There are no options; those are of `#[invalidates]`.
#[macro_export]
macro_rules! keys {
    ($($keys:tt)*) => {
        $crate::__private::keys_of! { $crate; $($keys)* }
    };
}

/// How it is guarded.
const BY_HAND: WriteFunction = WriteFunction::declare("cached_aside", "invalidate");

/// Deletes entries: each in the cache that its key names, else in the one in scope, or in the installed one. Inside of an
/// annotated write or a [`transaction`](crate::transaction()) it guards them instead, until that is over.
///
/// It never fails: what can't be delivered now is on the recovery list, and this process does not use those entries until it has
/// been. With [`Cache::invalidate_keys`](crate::Cache::invalidate_keys) the caller is told.
///
/// ```
/// # use cached_aside::{Cache, cached_aside, invalidate};
/// #[cached_aside(ttl = "5m", key = "square:{n}")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
/// square(12).await;
/// invalidate([square::key(12), square::key(13)]).await;
/// assert_eq!(square::key(12).peek().await?, None);
/// # Ok(())
/// # }
/// ```
pub fn invalidate<K: IntoKeys>(keys: K) -> Invalidate {
    let keys = keys.into_keys();
    Invalidate(Box::pin(async move {
        // What could not be delivered is on the recovery list.
        let _ = invalidate_in(BY_HAND.settings.function(), None, keys).await;
    }))
}

/// The future of [`invalidate`].
// A type, which unlike an `impl Future` is not bound as the function is: what names no keys is reported once.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Invalidate(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Debug for Invalidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidate").finish_non_exhaustive()
    }
}

impl Future for Invalidate {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

/// Deletes entries: each in the cache that its key names, else in this one, else in the one in scope or installed. They are
/// deleted although the caller goes away meanwhile. Inside of a write they are guarded until that is over.
///
/// # Errors
///
/// The first key for which the cache did not answer; all of those are on the recovery list.
pub(crate) async fn invalidate_in(
    function: FunctionName,
    cache: Option<&Arc<Shared>>,
    keys: Vec<AnyKey>,
) -> Result<(), Error> {
    let parts = Places::new(function, cache).sort(keys);
    let FunctionName { module, name } = function;
    let parts = match join(parts, &WriteSettings { module, name, ..BY_HAND.settings }).await {
        Ok(None) => return Ok(()),
        Ok(Some((key, error))) => return Err(error.into_error("guard", key.as_str())),
        Err(parts) => parts,
    };
    match delete(function, parts).await.into_iter().next() {
        Some((key, error)) => Err(error.into_error("invalidate", key.as_str())),
        None => Ok(()),
    }
}
