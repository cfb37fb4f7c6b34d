//! The body of a cached function, as one call has it: run at most once, by the caller or, where its arguments are its own,
//! without it.

use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};
use tracing::Instrument;

use super::{
    lent::{Lent, lend},
    nested,
    refresh::Refreshing,
};
use crate::{
    Cache, Error,
    background::{Background, Place},
    cache::{Inner, in_this_scope},
    health::Budget,
    outcome::Outcome,
    settings::ReadFunction,
};

/// A body that has not begun, as a call has it.
pub(crate) trait Lend {
    /// What it gives.
    type Output;

    /// What the steps around it are given: of one type for all bodies that give the same.
    type Lent: Loader<Output = Self::Output>;

    /// Parts it into that and what runs it [beside](super::lent::beside) the steps.
    fn lend(self) -> (Self::Lent, impl Future<Output = ()>);
}

/// A body that has not begun, as the steps around it have it.
pub(crate) trait Loader: Sized {
    /// What it gives.
    type Output;

    /// Room to run without the caller; nothing has it whose arguments are borrowed.
    type Place;

    /// Room for this load in the background, if it can go there and there is some.
    fn place(background: &Background) -> Option<Self::Place>;

    /// Runs it.
    fn begin(self) -> impl Future<Output = Self::Output>;

    /// Lets a refresh run in the background; what it gives will be there when it is over.
    fn detach<const SHAPE: u8>(
        self,
        place: Self::Place,
        refreshing: Refreshing<<Self::Output as Outcome<SHAPE>>::Value>,
    ) -> oneshot::Receiver<Self::Output>
    where
        Self::Output: Outcome<SHAPE>;
}

/// A body with borrowed arguments.
pub(crate) struct Here<'a, B: Future> {
    pub(super) body: Pin<&'a mut B>,
    pub(super) limit: Option<Limit<B::Output>>,
    pub(super) cache: &'a Arc<Inner>,
    pub(super) key: &'a str,
}

impl<B: Future> Here<'_, B> {
    async fn begin(self) -> B::Output {
        let Here { body, limit, cache, key } = self;
        let body = async {
            match limit {
                None => body.await,
                Some(limit) => limit.keep(body).await,
            }
        };
        nested::within(cache, key, body).await
    }
}

impl<B: Future> Lend for Here<'_, B> {
    type Output = B::Output;
    type Lent = Lent<B::Output>;

    fn lend(self) -> (Self::Lent, impl Future<Output = ()>) {
        lend(self.begin())
    }
}

pub(crate) use crate::__private::Begun;

/// A body whose arguments become its own when it begins: on the heap then, and nowhere before.
pub(crate) struct Owned<'a, R> {
    /// What gives the body, the first time.
    ///
    /// Not generic: of a type that mentions both the body and what makes it, the compiler can't always tell that it is `Send`.
    pub(super) make: &'a mut (dyn FnMut() -> Option<Begun<R>> + Send),
    pub(super) limit: Option<Limit<R>>,
    pub(super) cache: &'a Arc<Inner>,
    pub(super) key: &'a str,
}

impl<R> Owned<'_, R> {
    fn body(&mut self) -> Begun<R> {
        match (self.make)() {
            Some(body) => body,
            None => unreachable!("a body begins once: who begins it gives its loader away"),
        }
    }
}

/// It needs no lending: it does not name its body's type.
impl<R: Send + 'static> Lend for Owned<'_, R> {
    type Output = R;
    type Lent = Self;

    fn lend(self) -> (Self, impl Future<Output = ()>) {
        (self, pending())
    }
}

impl<R: Send + 'static> Loader for Owned<'_, R> {
    type Output = R;
    type Place = Place;

    fn place(background: &Background) -> Option<Place> {
        background.place()
    }

    async fn begin(mut self) -> R {
        let body = pin!(self.body());
        Here { body, limit: self.limit, cache: self.cache, key: self.key }.begin().await
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
        let (body, limit, cache) = (self.body(), self.limit, refreshing.cache.clone());
        let (inner, key) = (cache.clone(), self.key.to_owned());
        // Nobody waits for the store any more.
        let budget = Budget::new(cache.timeout);
        let load = async move {
            let body = Here { body: pin!(body), limit, cache: &inner, key: &key };
            let result = refreshing.run::<R, SHAPE>(body.begin(), budget).await;
            // Nobody may be waiting any more.
            let _ = told.send(result);
        };
        let load = in_this_scope(load).instrument(tracing::Span::current());
        drop(cache.spawn_body(&Handle::current(), place.run(load)));
        result
    }
}

/// The time that a load may take.
pub(crate) struct Limit<R> {
    cache: Arc<Inner>,
    function: &'static ReadFunction,
    after: Duration,
    given_up: fn(Error) -> R,
}

impl<R> Limit<R> {
    /// The limit of a function that has one.
    pub(super) fn of(
        cache: &Cache,
        function: &'static ReadFunction,
        given_up: Option<fn(Error) -> R>,
    ) -> Option<Limit<R>> {
        let (after, given_up) = function.settings.staleness.hard_limit.zip(given_up)?;
        Some(Limit { cache: cache.inner.clone(), function, after, given_up })
    }

    /// Runs a body for no longer than this.
    async fn keep(self, body: Pin<&mut impl Future<Output = R>>) -> R {
        match self.cache.clock.timeout(self.after, body).await {
            Ok(result) => result,
            Err(_) => {
                let function = self.function.settings.name;
                self.cache.table.of(self.function).timed_out.one();
                tracing::warn!(function, limit = ?self.after, "the load took too long and was given up");
                (self.given_up)(Error::LoadTimeout { function, limit: self.after })
            }
        }
    }
}
