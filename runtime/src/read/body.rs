//! The body of a cached function, as one call has it: run at most once, by the caller or, where its arguments are its own,
//! without it.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use tokio::{runtime::Handle, sync::oneshot};
use tracing::{Instrument, Span};

use super::revalidation::Revalidation;
use crate::{
    Error,
    engine::background::{Background, Slot},
    engine::budget::Budget,
    engine::deferred::Deferred,
    engine::nested::{self, Loading},
    engine::{scope, shared::Shared},
    function::{name::FunctionName, read::ReadFunction},
    lock::Mutex,
    outcome::{Loaded, Outcome},
};

/// A body that has not begun, as the steps around it have it: of one type for all bodies that give values and errors of one type.
pub(crate) trait Body<V, E>: Sized {
    /// Room to run without the caller; nothing has it whose arguments are borrowed.
    type Slot;

    /// Room for this load in the background, if it can go there and there is some.
    fn slot(background: &Background) -> Option<Self::Slot>;

    /// It will run inside of this span.
    fn inside(&self, span: &Span);

    /// Runs it as this load.
    fn begin(self, loading: Option<Arc<Loading>>) -> impl Future<Output = Loaded<V, E>> + Unpin;

    /// Runs it as this load, whose end changes nothing: `None` if it panics.
    fn try_run(self, loading: Arc<Loading>) -> impl Future<Output = Option<Loaded<V, E>>> + Unpin;

    /// Lets a refresh run in the background; what it gives will be there when it is over.
    fn detach(self, slot: Self::Slot, revalidation: Revalidation<V, E>) -> oneshot::Receiver<Loaded<V, E>>;
}

/// A body with borrowed arguments. It runs where the caller has it.
pub(crate) struct BorrowedBody<'a, V, E> {
    pub(super) deferred: &'a Deferred<Loaded<V, E>>,
}

impl<V, E> Body<V, E> for BorrowedBody<'_, V, E> {
    type Slot = Infallible;

    fn slot(_: &Background) -> Option<Infallible> {
        None
    }

    fn inside(&self, span: &Span) {
        self.deferred.inside(span);
    }

    fn begin(self, loading: Option<Arc<Loading>>) -> impl Future<Output = Loaded<V, E>> + Unpin {
        self.deferred.run_as(loading)
    }

    fn try_run(self, loading: Arc<Loading>) -> impl Future<Output = Option<Loaded<V, E>>> + Unpin {
        self.deferred.try_run(loading)
    }

    fn detach(self, slot: Infallible, _: Revalidation<V, E>) -> oneshot::Receiver<Loaded<V, E>> {
        match slot {}
    }
}

/// A body that has its arguments.
pub type BoxedBody<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// A body whose arguments become its own when it begins: on the heap then, and nowhere before.
pub(crate) struct OwnedBody<'a, V, E> {
    /// What makes it.
    ///
    /// Not generic: of a type that mentions both the body and what makes it, the compiler can't always tell that it is `Send`.
    pub(super) maker: &'a mut (dyn MakeBody<V, E> + Send + 'a),
    pub(super) deferred: &'a Deferred<Loaded<V, E>>,
}

/// Makes a body, once.
pub(super) trait MakeBody<V, E> {
    /// Puts it where the caller runs it.
    fn hand_over(&mut self);

    /// Gives it away.
    fn make(&mut self) -> BoxedBody<Loaded<V, E>>;
}

/// A body that is made of the function's arguments.
pub(super) struct Maker<'a, R, M, const SHAPE: u8> {
    /// Until it has been made.
    pub(super) make: &'a mut Option<M>,
    /// Where it is put that the caller is to run.
    pub(super) handed: &'a Handed<R>,
}

impl<R, M, const SHAPE: u8> Maker<'_, R, M, SHAPE>
where
    M: FnOnce() -> BoxedBody<R>,
{
    fn body(&mut self) -> BoxedBody<R> {
        match self.make.take() {
            Some(make) => make(),
            None => unreachable!("a body begins once: who begins it gives it away"),
        }
    }
}

impl<R, M, const SHAPE: u8> MakeBody<R::Value, R::Error> for Maker<'_, R, M, SHAPE>
where
    R: Outcome<SHAPE> + Send + 'static,
    M: FnOnce() -> BoxedBody<R>,
{
    fn hand_over(&mut self) {
        let body = self.body();
        self.handed.put(body);
    }

    fn make(&mut self) -> BoxedBody<Loaded<R::Value, R::Error>> {
        let body = self.body();
        Box::pin(async { body.await.into_loaded() })
    }
}

impl<V: Send + 'static, E: Send + 'static> Body<V, E> for OwnedBody<'_, V, E> {
    type Slot = Slot;

    fn slot(background: &Background) -> Option<Slot> {
        background.slot()
    }

    fn inside(&self, span: &Span) {
        self.deferred.inside(span);
    }

    fn begin(self, loading: Option<Arc<Loading>>) -> impl Future<Output = Loaded<V, E>> + Unpin {
        self.maker.hand_over();
        self.deferred.run_as(loading)
    }

    fn try_run(self, loading: Arc<Loading>) -> impl Future<Output = Option<Loaded<V, E>>> + Unpin {
        self.maker.hand_over();
        self.deferred.try_run(loading)
    }

    fn detach(self, slot: Slot, revalidation: Revalidation<V, E>) -> oneshot::Receiver<Loaded<V, E>> {
        let (sender, result) = oneshot::channel();
        let body = self.maker.make();
        let cache = revalidation.cache.clone();
        // Nobody waits for the store any more.
        let budget = Budget::new(cache.timeout);
        let load = async move {
            let Revalidation { ref cache, function, given_up, ref held, .. } = revalidation;
            let (cache, key) = (cache.clone(), held.key().to_owned());
            let body =
                nested::within(&cache, &key, within_limit(&cache, function, as_loaded(given_up), body));
            // Nobody may be waiting any more.
            let _ = sender.send(revalidation.run(body, budget).await);
        };
        let load = scope::inherit_cache(load).instrument(tracing::Span::current());
        drop(cache.spawn_body(&Handle::current(), slot.run(load)));
        result
    }
}

/// A body on its way from the steps that made it to the caller that runs it.
pub(crate) struct Handed<R>(Mutex<Option<BoxedBody<R>>>);

impl<R> Handed<R> {
    pub(super) fn new() -> Handed<R> {
        Handed(Mutex::new(None))
    }

    fn put(&self, body: BoxedBody<R>) {
        *self.0.lock() = Some(body);
    }

    /// The body as the caller runs it. It is polled only once it has been put here.
    pub(super) fn body(&self) -> impl Future<Output = R> {
        poll_fn(|context| match &mut *self.0.lock() {
            Some(body) => body.as_mut().poll(context),
            None => Poll::Pending,
        })
    }
}

/// Runs a body for no longer than its function's limit.
pub(super) async fn within_limit<T>(
    cache: &Shared,
    function: &'static ReadFunction,
    given_up: Option<impl FnOnce(Error) -> T>,
    mut body: impl Future<Output = T> + Unpin,
) -> T {
    let Some((limit, given_up)) = function.settings.staleness.hard_limit.zip(given_up) else {
        return (&mut body).await;
    };
    match cache.clock.timeout(limit, &mut body).await {
        Ok(result) => result,
        Err(_) => {
            cache.table.of(function).timed_out.increment();
            let FunctionName { module, name: function } = function.settings.function();
            tracing::warn!(module, function, ?limit, "the load took too long and was given up");
            given_up(Error::LoadTimeout { function, limit })
        }
    }
}

/// What a load that takes too long gives.
pub(super) fn as_loaded<V, E>(
    given_up: Option<fn(Error) -> E>,
) -> Option<impl FnOnce(Error) -> Loaded<V, E>> {
    given_up.map(|given_up| move |error| Loaded::Error(given_up(error)))
}
