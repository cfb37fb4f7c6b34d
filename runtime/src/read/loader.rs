//! The body of a cached function, as one call has it: run at most once, by the caller or, where its arguments are its own,
//! without it.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use tokio::{runtime::Handle, sync::oneshot};
use tracing::{Instrument, Span};

use super::refreshing::Refreshing;
use crate::{
    Error,
    engine::background::{Background, Place},
    engine::budget::Budget,
    engine::course::Course,
    engine::nested::{self, Loading},
    engine::{scope, shared::Shared},
    function::read::ReadFunction,
    outcome::Outcome,
};

/// A body that has not begun, as the steps around it have it: of one type for all bodies that give the same.
pub(crate) trait Loader: Sized {
    /// What it gives.
    type Output;

    /// Room to run without the caller; nothing has it whose arguments are borrowed.
    type Place;

    /// Room for this load in the background, if it can go there and there is some.
    fn place(background: &Background) -> Option<Self::Place>;

    /// What it gives in the place of a result that takes too long.
    fn given_up(&self) -> Option<fn(Error) -> Self::Output>;

    /// It will run inside of this span.
    fn inside(&self, span: &Span);

    /// Runs it as this load.
    fn begin(self, loading: Option<Arc<Loading>>) -> impl Future<Output = Self::Output> + Unpin;

    /// Lets a refresh run in the background; what it gives will be there when it is over.
    fn detach<const SHAPE: u8>(
        self,
        place: Self::Place,
        refreshing: Refreshing<<Self::Output as Outcome<SHAPE>>::Value>,
    ) -> oneshot::Receiver<Self::Output>
    where
        Self::Output: Outcome<SHAPE>;
}

/// A body with borrowed arguments. It runs where the caller has it.
pub(crate) struct Lent<'a, R> {
    pub(super) course: &'a Course<R>,
}

impl<R> Loader for Lent<'_, R> {
    type Output = R;
    type Place = Infallible;

    fn place(_: &Background) -> Option<Infallible> {
        None
    }

    fn given_up(&self) -> Option<fn(Error) -> R> {
        self.course.given_up
    }

    fn inside(&self, span: &Span) {
        self.course.inside(span);
    }

    fn begin(self, loading: Option<Arc<Loading>>) -> impl Future<Output = R> + Unpin {
        self.course.run_as(loading)
    }

    fn detach<const SHAPE: u8>(
        self,
        place: Infallible,
        _: Refreshing<<R as Outcome<SHAPE>>::Value>,
    ) -> oneshot::Receiver<R>
    where
        R: Outcome<SHAPE>,
    {
        match place {}
    }
}

/// A body that has its arguments.
pub type Begun<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// A body whose arguments become its own when it begins: on the heap then, and nowhere before.
pub(crate) struct Owned<'a, 'b, R>(pub(super) &'a mut Parts<'b, R>);

/// What such a body is made of.
pub(super) struct Parts<'a, R> {
    /// What gives the body, the first time.
    ///
    /// Not generic: of a type that mentions both the body and what makes it, the compiler can't always tell that it is `Send`.
    pub(super) make: &'a mut (dyn FnMut() -> Option<Begun<R>> + Send),
    /// Where the body is put that the caller is to run.
    pub(super) handed: &'a Handed<R>,
    pub(super) course: &'a Course<R>,
}

impl<R> Owned<'_, '_, R> {
    fn body(&mut self) -> Begun<R> {
        match (self.0.make)() {
            Some(body) => body,
            None => unreachable!("a body begins once: who begins it gives its loader away"),
        }
    }
}

impl<R: Send + 'static> Loader for Owned<'_, '_, R> {
    type Output = R;
    type Place = Place;

    fn place(background: &Background) -> Option<Place> {
        background.place()
    }

    fn given_up(&self) -> Option<fn(Error) -> R> {
        self.0.course.given_up
    }

    fn inside(&self, span: &Span) {
        self.0.course.inside(span);
    }

    fn begin(mut self, loading: Option<Arc<Loading>>) -> impl Future<Output = R> + Unpin {
        let body = self.body();
        self.0.handed.put(body);
        self.0.course.run_as(loading)
    }

    fn detach<const SHAPE: u8>(
        mut self,
        place: Place,
        refreshing: Refreshing<<R as Outcome<SHAPE>>::Value>,
    ) -> oneshot::Receiver<R>
    where
        R: Outcome<SHAPE>,
    {
        let (told, result) = oneshot::channel();
        let (body, given_up) = (self.body(), self.0.course.given_up);
        let (cache, function) = (refreshing.cache.clone(), refreshing.function);
        // Nobody waits for the store any more.
        let budget = Budget::new(cache.timeout);
        let load = async move {
            let (inner, key) = (refreshing.cache.clone(), refreshing.key().to_owned());
            let body = nested::within(&inner, &key, within_limit(&inner, function, given_up, body));
            let result = refreshing.run::<R, SHAPE>(body, budget).await;
            // Nobody may be waiting any more.
            let _ = told.send(result);
        };
        let load = scope::inherit_cache(load).instrument(tracing::Span::current());
        drop(cache.spawn_body(&Handle::current(), place.run(load)));
        result
    }
}

/// A body on its way from the steps that made it to the caller that runs it.
pub(crate) struct Handed<R>(Mutex<Option<Begun<R>>>);

impl<R> Handed<R> {
    pub(super) fn new() -> Handed<R> {
        Handed(Mutex::new(None))
    }

    fn put(&self, body: Begun<R>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    /// The body as the caller runs it. It is polled only once it has been put here.
    pub(super) fn body(&self) -> impl Future<Output = R> {
        poll_fn(|context| match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(body) => body.as_mut().poll(context),
            None => Poll::Pending,
        })
    }
}

/// Runs a body for no longer than its function's limit.
pub(super) async fn within_limit<R>(
    cache: &Shared,
    function: &'static ReadFunction,
    given_up: Option<fn(Error) -> R>,
    mut body: impl Future<Output = R> + Unpin,
) -> R {
    let Some((limit, given_up)) = function.settings.staleness.hard_limit.zip(given_up) else {
        return (&mut body).await;
    };
    match cache.clock.timeout(limit, &mut body).await {
        Ok(result) => result,
        Err(_) => {
            cache.table.of(function).timed_out.one();
            let function = function.settings.name;
            tracing::warn!(function, ?limit, "the load took too long and was given up");
            given_up(Error::LoadTimeout { function, limit })
        }
    }
}
