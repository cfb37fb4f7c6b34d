//! One write made of all that a future writes: a database transaction, of whatever driver.

use std::{
    any::type_name,
    fmt::{self, Debug},
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
use tracing::{Instrument, Span};

use super::{
    guarded::Releasing,
    open::{Share, release_all},
};
use crate::{
    engine::{
        scope::{self, AnyFuture, Change, Scope, Scoped, scoped},
        session::{Member, Session},
        shared::Shared,
    },
    function::name::FunctionName,
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
///   Functions with `in_transaction = "cached"` are given hits as elsewhere, and store nothing.
/// - **Inside of another transaction, or of an annotated write,** it ends nothing: the outermost does. Its `Ok` is no commit then.
/// - **Tasks that it spawns** are outside, unless they are wrapped in [`inherit`](crate::inherit()).
/// - **Several caches** each have their own guards, which are released at the same time.
///
/// # Limits
///
/// An `Err` is known by the type of what the future gives: it is a `Result`. What lies deeper, as in `Ok(Err(…))`, is not looked into.
///
/// A commit that the database carries out more than a second after the future has given `Err` can leave an old value in the cache,
/// until its TTL; a longer `settle` on a function inside covers what is longer. The same holds for one that is carried out later
/// than `guard_for` after the future was dropped.
pub fn transaction<F: AnyFuture<Output = O>, O>(future: F) -> Transaction<F, O> {
    Transaction {
        future: scoped(Within { state: State::New, span: None }, future),
        poll: Future::poll,
        output: None,
        end: None,
    }
}

pin_project! {
    /// The future of [`transaction`]. It carries the one inside once, which an `async fn` would not do.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Transaction<F, O> {
        // First: what is inside of it is dropped before the write is.
        #[pin]
        future: Scoped<F, Within>,
        // Known where the future is known to be one: see `AnyFuture`.
        poll: fn(Pin<&mut Scoped<F, Within>>, &mut Context<'_>) -> Poll<O>,
        output: Option<O>,
        end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    }
}

impl<F, O> Debug for Transaction<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl<F, O> Future for Transaction<F, O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let mut this = self.project();
        if this.end.is_none() {
            let span = this.future.as_mut().change().begin();
            let output = ready!(span.in_scope(|| (this.poll)(this.future.as_mut(), context)));
            let failed = is_err(&output);
            *this.output = Some(output);
            if let State::Begun(write) = mem::replace(&mut this.future.as_mut().change().state, State::Over) {
                *this.end = Some(Box::pin(write.end(failed).instrument(span)));
            }
        }
        if let Some(end) = this.end {
            ready!(end.as_mut().poll(context));
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
    /// That of the transaction, from its first poll on: one that is dropped before has done nothing.
    span: Option<Span>,
}

impl Within {
    /// It is polled. Gives its span.
    fn begin(&mut self) -> Span {
        self.span.get_or_insert_with(|| tracing::debug_span!("transaction")).clone()
    }
}

enum State {
    New,
    Begun(Begun),
    Over,
}

impl Change for Within {
    fn apply(&mut self, scope: &mut Scope) {
        if let State::New = self.state
            && let Some(span) = &self.span
        {
            self.state = State::Begun(Begun::in_scope(scope, span.clone()));
        }
        if let State::Begun(write) = &self.state {
            scope.write = Some(write.share.0.clone());
        }
    }
}

/// A transaction that is not over. Dropped in its future it leaves doubt about all that its write has named so far.
struct Begun {
    share: Share,
    /// In which it is over, however that comes.
    span: Span,
    /// What it is part of the statistics of: the cache in scope. Of one inside of another write, nothing.
    counted: Option<Counted>,
    is_over: bool,
}

struct Counted {
    since: Instant,
    in_scope: Option<Arc<Shared>>,
}

impl Begun {
    /// The outermost write, or a part of the one in this scope.
    fn in_scope(scope: &Scope, span: Span) -> Begun {
        let (write, counted) = match scope.write.as_ref().and_then(|around| around.join(true)) {
            Some(inside) => (inside, None),
            None => {
                let counted = Counted { since: Instant::now(), in_scope: scope.cache.clone() };
                (Member::outermost(FunctionName::of_library("transaction"), true), Some(counted))
            }
        };
        Begun { share: Share(write), span, counted, is_over: false }
    }

    /// Its future is over. Releases the guards, unless another write of the same session is not over.
    async fn end(mut self, failed: bool) {
        self.is_over = true;
        let took = self.counted.as_ref().map(|counted| counted.since.elapsed());
        if failed {
            self.share.session().settle(DOUBT);
        }
        self.count(failed);
        let releases = self.share.leave();
        let keys: usize = releases.iter().map(Releasing::len).sum();
        let undelivered = release_all(releases, Vec::new()).await.len();
        if let Some(took) = took {
            tracing::debug!(keys, failed, ?took, undelivered, "transaction over");
        }
    }

    fn count(&self, failed: bool) {
        let Some(Counted { in_scope, .. }) = &self.counted else { return };
        let mut caches = self.share.session().caches();
        if caches.is_empty() {
            caches.extend(in_scope.clone().or_else(scope::installed));
        }
        for cache in caches {
            cache.table.writes.transactions.increment();
            if failed {
                cache.table.writes.transactions_failed.increment();
            }
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_over {
            let _inside = self.span.enter();
            self.share.session().doubt();
            self.count(true);
            if let Some(Counted { since, .. }) = &self.counted {
                tracing::debug!(took = ?since.elapsed(), "transaction dropped; its guards stay for as long as they hold");
            }
            // Not with the field, which is dropped outside of the span.
            drop(self.share.leave());
        }
    }
}

/// What commits a transaction has given this: if it is an `Err`, the guards of the session stay for a while.
pub(super) fn doubt_of_commit<T>(session: &Session, output: &T) {
    if is_err(output) {
        session.settle(DOUBT);
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
