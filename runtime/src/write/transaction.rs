//! One write made of all that a future writes: a database transaction, of whatever driver.

use std::{
    any::type_name,
    future::Future,
    hash::{Hash, Hasher},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tracing::Span;

use super::{
    guarded::Releasing,
    open::{self, Outermost, Stage, release_all},
};
use crate::engine::{
    scope::{self, Change, InWrite, Scope, Scoped, scoped},
    session::Session,
    shared::Shared,
};

/// How long the guards of a transaction that gave `Err` stay: a commit whose answer was lost may still be carried out.
const DOUBT: Duration = Duration::from_secs(1);

/// Makes one write of all that a future writes: put it around a database transaction of any driver, from before its beginning
/// until after its commit. It opens none itself.
///
/// ```
/// # use cached_aside::{Cache, cached_aside, invalidates, transaction};
/// # use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
/// # static ROWS: [AtomicU64; 2] = [AtomicU64::new(100), AtomicU64::new(0)];
/// # struct Db;
/// # struct Tx;
/// # impl Db { async fn begin(&self) -> Result<Tx, Error> { Ok(Tx) } }
/// # impl Tx { async fn commit(self) -> Result<(), Error> { Ok(()) } }
/// # type Error = cached_aside::Error;
/// #[cached_aside(ttl = "5m", key = "balance:{account}")]
/// async fn balance(account: usize) -> u64 {
///     ROWS[account].load(SeqCst)
/// }
///
/// #[invalidates(balance(account))]
/// async fn change(tx: &mut Tx, account: usize, by: u64) -> Result<(), Error> {
///     // UPDATE …
/// #   ROWS[account].fetch_add(by, SeqCst);
///     Ok(())
/// }
///
/// # async fn transfer(db: &Db) -> Result<(), Error> {
/// transaction(async {
///     let mut tx = db.begin().await?;
///     change(&mut tx, 0, 10).await?;
///     change(&mut tx, 1, 20).await?;
///     tx.commit().await
/// })
/// .await
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
/// # balance(0).await;
/// # transfer(&Db).await?;
/// # assert_eq!((balance(0).await, balance(1).await), (110, 20));
/// # Ok(())
/// # }
/// ```
///
/// # What happens
///
/// Annotated writes inside of the future, [`Key::invalidate`](crate::Key::invalidate), [`invalidate`](crate::invalidate()) and
/// [`Cache::guard`](crate::Cache::guard) guard their keys before they return, whatever their `guard` says, and release nothing.
/// The guards are renewed while the future runs, and released together once it is over:
///
/// | the future | its guards |
/// | --- | --- |
/// | gives `Ok`, or anything that is no `Result` | are released at once, or after the `settle` of the functions inside |
/// | gives `Err` | stay for a second, or for `settle` if that is longer: a commit whose answer was lost may have happened, or may still happen |
/// | is dropped, or panics | stay for another `guard_for`, the longest that a function inside names |
///
/// Whoever has seen the new value of one of its keys is never given the old value of another, and once `transaction` has returned
/// nobody is given an old value of any. That holds where every guard was placed before the commit. With the default policy a
/// write inside goes on where the cache does not answer, and its keys are on the recovery list until they have been invalidated
/// after the end. With `guard = "required"` it gives `Err`: before its body, or after it where only its result names the key. Then
/// roll back.
///
/// - **Keys that only a result names** are guarded before the function returns that gives the result.
/// - **[`#[updates]`](macro@crate::updates)** deletes.
/// - **Reads inside** run their bodies: what they see may be rolled back, and their snapshot may be older than what others have
///   committed. They store nothing and share nothing. [`only_cached`](crate::only_cached()) and
///   [`Key::peek`](crate::Key::peek) find nothing; [`bypass`](crate::bypass()) and [`refresh`](crate::refresh()) change nothing.
/// - **Inside of another transaction, or of an annotated write,** it ends nothing: the outermost does. Its `Ok` is no commit then.
/// - **Tasks that it spawns** are outside, unless they are wrapped in [`inherit`](crate::inherit()).
/// - **Several caches** each have their own guards, which are released at the same time.
///
/// # Limits
///
/// A commit that the database carries out more than a second after the future has given `Err` can leave an old value in the cache,
/// until its TTL; a longer `settle` on a function inside covers what is longer. The same holds for one that is carried out later
/// than `guard_for` after the future was dropped.
pub fn transaction<F: Future>(future: F) -> impl Future<Output = F::Output> {
    Transaction { future: scoped(Within { state: State::New }, future), output: None, end: None, span: None }
}

pin_project! {
    /// The future is carried once, which an `async fn` would not do.
    struct Transaction<F: Future> {
        // First: what is inside of it is dropped before the write is.
        #[pin]
        future: Scoped<F, Within>,
        output: Option<F::Output>,
        end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        span: Option<Span>,
    }
}

impl<F: Future> Future for Transaction<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if this.end.is_none() {
            let span = this.span.get_or_insert_with(|| tracing::debug_span!("transaction"));
            let output = ready!(span.in_scope(|| this.future.as_mut().poll(context)));
            let failed = is_err(&output);
            *this.output = Some(output);
            let state = mem::replace(&mut this.future.as_mut().change().state, State::Over);
            *this.end = Some(state.end(failed));
        }
        if let Some((end, span)) = this.end.as_mut().zip(this.span.as_ref()) {
            ready!(span.in_scope(|| end.as_mut().poll(context)));
        }
        match this.output.take() {
            Some(output) => Poll::Ready(output),
            None => panic!("a transaction is polled that is over"),
        }
    }
}

/// Makes the calls of a future part of one write.
struct Within {
    state: State,
}

enum State {
    /// It has not begun.
    New,
    /// It is the outermost write.
    Outermost {
        write: Outermost,
        begun: Instant,
        /// The cache in scope.
        cache: Option<Arc<Shared>>,
    },
    /// It is inside of another write.
    Inner(Nested),
    Over,
}

impl Change for Within {
    fn apply(&mut self, scope: &mut Scope) {
        if let State::New = self.state {
            self.state = match scope.write.take().filter(|around| !around.session.is_over()) {
                Some(around) => State::Inner(Nested { session: around.session, is_over: false }),
                None => {
                    let mut write = Outermost::new(module_path!(), "transaction");
                    write.stage = Stage::Running;
                    State::Outermost { write, begun: Instant::now(), cache: scope.cache.clone() }
                }
            };
        }
        let session = match &self.state {
            State::Outermost { write, .. } => &write.session,
            State::Inner(nested) => &nested.session,
            State::New | State::Over => return,
        };
        scope.write = Some(InWrite { session: session.clone(), in_transaction: true });
    }
}

impl State {
    /// The future is over.
    fn end(self, failed: bool) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self {
            State::Outermost { write, begun, cache } => {
                let settle = if failed { DOUBT } else { Duration::ZERO };
                Box::pin(end(open::end(&write, settle), failed, begun, cache))
            }
            State::Inner(mut nested) => {
                nested.is_over = true;
                if failed {
                    nested.session.settle(DOUBT);
                }
                Box::pin(std::future::ready(()))
            }
            State::New | State::Over => Box::pin(std::future::ready(())),
        }
    }
}

/// Releases the guards of a transaction that began in this scope.
async fn end(releases: Vec<Releasing>, failed: bool, begun: Instant, cache: Option<Arc<Shared>>) {
    let took = begun.elapsed();
    let keys: usize = releases.iter().map(Releasing::len).sum();
    let in_scope = cache.or_else(scope::installed).filter(|_| releases.is_empty());
    for cache in releases.iter().map(Releasing::cache).chain(in_scope.as_ref()) {
        cache.table.writes.transactions.one();
        if failed {
            cache.table.writes.transactions_failed.one();
        }
    }
    let undelivered = release_all(releases, Vec::new()).await.len();
    tracing::debug!(keys, failed, ?took, undelivered, "transaction over");
}

/// A transaction inside of another write. Dropped in its body it leaves doubt about all that the write has named.
struct Nested {
    session: Arc<Session>,
    is_over: bool,
}

impl Drop for Nested {
    fn drop(&mut self) {
        if !self.is_over {
            self.session.settle_as_held();
        }
    }
}

/// Whether this is the `Err` of a `Result`. Of no other type is anything known, and no transaction's result is held to a bound that
/// would say it: so a `Result` is recognised by its name, and its variant by its number.
fn is_err<T>(value: &T) -> bool {
    /// Takes the one number that a discriminant hashes.
    #[derive(Default)]
    struct Number(u64);

    impl Hasher for Number {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            self.0 |= bytes.iter().fold(0, |any, byte| any | u64::from(*byte));
        }
    }

    if !type_name::<T>().starts_with("core::result::Result<") {
        return false;
    }
    let mut number = Number::default();
    // `Ok` is the first one, 0.
    mem::discriminant(value).hash(&mut number);
    number.finish() != 0
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, num::NonZero};

    use super::*;

    #[test]
    fn an_error_is_told_from_everything_else() {
        type Alias<T> = std::io::Result<T>;

        assert!(is_err(&Err::<(), ()>(())) && !is_err(&Ok::<(), ()>(())));
        assert!(
            is_err(&Err::<NonZero<u64>, ()>(())) && !is_err(&Ok::<NonZero<u64>, ()>(NonZero::<u64>::MIN))
        );
        assert!(is_err(&Err::<(), Box<u8>>(Box::new(0))) && !is_err(&Ok::<(), Box<u8>>(())));
        assert!(is_err(&Err::<Infallible, u8>(0)) && !is_err(&Ok::<u8, Infallible>(0)));
        assert!(is_err(&Alias::<u8>::Err(std::io::Error::other("no"))) && !is_err(&Alias::Ok(1_u8)));
        assert!(is_err(&Err::<Result<u8, u8>, u8>(0)) && !is_err(&Ok::<Result<u8, u8>, u8>(Err(0))));
        assert!(is_err(&Err::<u64, u64>(0)) && !is_err(&Ok::<u64, u64>(u64::MAX)));
        assert!(!is_err(&Some(1)) && !is_err(&None::<u8>) && !is_err(&()) && !is_err(&7_u64));
    }
}
