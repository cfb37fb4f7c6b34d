//! The write path around any future, without an attribute.

use std::{
    fmt::{self, Debug},
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tracing::Span;

use super::{open::Open, places::Places};
use crate::{
    AnyKey, IntoKeys,
    engine::{
        scope::{AnyFuture, Change},
        session::Member,
    },
    function::write::WriteFunction,
};

/// How its keys are guarded: best effort, as by an attribute that says nothing else.
const INVALIDATING: WriteFunction = WriteFunction::declare("cached_aside", "invalidating");

/// Runs a future that writes, as [`#[invalidates]`](macro@crate::invalidates) runs a function: the keys are guarded before it begins,
/// and released when it is over. For call sites that begin with one line, closures, and keys in a list or an `Option`.
///
/// ```
/// # use cached_aside::{Cache, cached_aside, invalidating};
/// # use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
/// # static ROW: AtomicU64 = AtomicU64::new(1);
/// #[cached_aside(ttl = "5m", key = "version:{id}")]
/// async fn version(id: u64) -> u64 {
///     ROW.load(SeqCst) + id
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
/// assert_eq!(version(7).await, 8);
/// let ids = [6, 7];
/// invalidating(ids.map(version::key), async {
///     ROW.store(2, SeqCst); // UPDATE …
/// })
/// .await;
/// assert_eq!(version(7).await, 9);
/// # Ok(())
/// # }
/// ```
///
/// The policy is best effort: where the cache does not answer the future runs all the same, and the deletion is owed. Each key lies in
/// the cache that it names, else in the one in scope, or in the installed one. Inside of an annotated write or of a
/// [`transaction`](crate::transaction()) the keys are part of that, and released with it. What the future writes itself joins it.
///
/// Around a database transaction write [`transaction`](crate::transaction()) instead: inside of this one cached reads are cached as
/// usual, also those through an executor whose rows are not committed.
///
/// Dropped or panicked, its guards stay for another ten seconds: the database may still be carrying out what it was told.
///
/// Without any keys the future runs all the same. An empty list needs a type: `Vec::<AnyKey>::new()`. Of `[]` alone nobody knows what it is a
/// list of, and the compiler asks.
pub fn invalidating<K: IntoKeys, F: AnyFuture<Output = O>, O>(keys: K, future: F) -> Invalidating<F, O> {
    Invalidating {
        future: Some(future),
        poll: F::poll,
        state: State::New { keys: keys.into_keys() },
        output: None,
        span: None,
    }
}

pin_project! {
    /// The future of [`invalidating`]. It carries the one inside once, which an `async fn` would not do.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Invalidating<F, O> {
        // First: what is inside of it is dropped before the write is.
        #[pin]
        future: Option<F>,
        // Known where the future is known to be one: see `AnyFuture`.
        poll: fn(Pin<&mut F>, &mut Context<'_>) -> Poll<O>,
        state: State,
        output: Option<O>,
        span: Option<Span>,
    }

    impl<F, O> PinnedDrop for Invalidating<F, O> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let Some(span) = this.span else { return };
            let _inside = span.enter();
            match this.state {
                State::Runs(_, write) => write.within(|| this.future.set(None)),
                _ => this.future.set(None),
            }
            *this.state = State::Over;
        }
    }
}

enum State {
    New {
        keys: Vec<AnyKey>,
    },
    Begins(Pin<Box<dyn Future<Output = Open> + Send>>),
    /// With what the future is the body of.
    Runs(Open, Arc<Member>),
    Ends(Pin<Box<dyn Future<Output = ()> + Send>>),
    Over,
}

async fn begin(keys: Vec<AnyKey>) -> Open {
    let settings = &INVALIDATING.settings;
    let places = Places::new(settings.function(), None);
    let parts = places.sort(keys);
    places.count(&parts);
    Open::begin(parts, settings).await.0
}

async fn end(open: Open) {
    open.end(Vec::new(), &INVALIDATING.settings, Vec::new()).await;
}

impl<F, O> Debug for Invalidating<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidating").finish_non_exhaustive()
    }
}

impl<F, O> Future for Invalidating<F, O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let mut this = self.project();
        let span = this
            .span
            .get_or_insert_with(|| {
                tracing::debug_span!(
                    "invalidates",
                    function = INVALIDATING.settings.name,
                    module = INVALIDATING.settings.module
                )
            })
            .clone();
        let _inside = span.enter();
        loop {
            match this.state {
                State::New { keys } => {
                    let keys = mem::take(keys);
                    *this.state = State::Begins(Box::pin(begin(keys)));
                }
                State::Begins(begins) => {
                    let mut open = ready!(begins.as_mut().poll(context));
                    let write = open.enter();
                    *this.state = State::Runs(open, write);
                }
                State::Runs(_, write) => {
                    if let Some(future) = this.future.as_mut().as_pin_mut() {
                        *this.output = Some(ready!(write.within(|| (this.poll)(future, context))));
                    }
                    write.within(|| this.future.set(None));
                    if let State::Runs(mut open, _) = mem::replace(this.state, State::Over) {
                        open.leave();
                        *this.state = State::Ends(Box::pin(end(open)));
                    }
                }
                State::Ends(ends) => {
                    ready!(ends.as_mut().poll(context));
                    *this.state = State::Over;
                }
                State::Over => match this.output.take() {
                    Some(output) => return Poll::Ready(output),
                    None => panic!("a future is polled that is over"),
                },
            }
        }
    }
}
