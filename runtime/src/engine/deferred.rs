//! A body that is polled alongside the steps of the cache.
//!
//! A call is two futures: the body, which stays where the caller pinned it, and the steps, which know neither its type nor its
//! size. The steps start it and receive its result through a slot. So the body is stored once, its stack does not lie on theirs,
//! and they are compiled once for all bodies whose results have one type.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, MutexGuard, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tracing::Span;

use crate::{
    engine::{
        nested::{self, Loading},
        scope::Change,
        session::Member,
    },
    lock::Mutex,
};

/// What the steps of a call and its body share. Only the task that polls them both uses it.
#[derive(Debug)]
pub(crate) struct Deferred<R> {
    /// Whether the body is to be polled.
    runs: AtomicBool,
    /// What the body runs inside of. On the heap, since a hit needs none.
    around: OnceLock<Box<Around>>,
    result: Mutex<Option<R>>,
}

#[derive(Debug)]
struct Around {
    span: Span,
    part: OnceLock<PartOf>,
    /// Of a sample: it has panicked, and is not polled again.
    panicked: AtomicBool,
}

/// What a body is part of.
#[derive(Debug)]
enum PartOf {
    /// A load.
    Load(Arc<Loading>),
    /// The load of a sample, which the caller does not need: a panic ends here.
    Sample(Arc<Loading>),
    /// A write.
    Write(Arc<Member>),
}

impl<R> Deferred<R> {
    pub(crate) fn new() -> Deferred<R> {
        Deferred { runs: AtomicBool::new(false), around: OnceLock::new(), result: Mutex::new(None) }
    }

    /// The body will run inside of this span.
    pub(crate) fn inside(&self, span: &Span) {
        self.around.get_or_init(|| {
            Box::new(Around { span: span.clone(), part: OnceLock::new(), panicked: AtomicBool::new(false) })
        });
    }

    /// The same of a body that runs as this load.
    pub(crate) fn run_as(&self, loading: Option<Arc<Loading>>) -> DeferredHandle<'_, R> {
        self.run_inside(loading.map(PartOf::Load))
    }

    /// The same of the body of a sample. It has to be [`inside`](Deferred::inside) of a span.
    pub(crate) fn try_run(&self, loading: Arc<Loading>) -> Sampled<'_, R> {
        Sampled(self.run_inside(Some(PartOf::Sample(loading))))
    }

    /// The same of the body of a write.
    pub(crate) fn run_in(&self, write: Arc<Member>) -> DeferredHandle<'_, R> {
        self.run_inside(Some(PartOf::Write(write)))
    }

    fn run_inside(&self, part: Option<PartOf>) -> DeferredHandle<'_, R> {
        if let Some((around, part)) = self.around.get().zip(part) {
            around.part.get_or_init(|| part);
        }
        self.run()
    }

    /// Has the body run, and waits for its result. Once this is dropped, the body is polled no more.
    pub(crate) fn run(&self) -> DeferredHandle<'_, R> {
        self.runs.store(true, Relaxed);
        DeferredHandle(self)
    }

    /// Polls both futures of a call to the end of its steps, which know what the body gives as what `convert` makes of it.
    pub(crate) fn drive_alongside<'a, S, B, C>(
        &'a self,
        steps: Pin<&'a mut S>,
        body: Pin<&'a mut B>,
        convert: C,
    ) -> Alongside<'a, R, S, B, C>
    where
        S: Future<Output = R>,
        B: Future,
        C: Fn(B::Output) -> R + Unpin,
    {
        Alongside { deferred: self, steps, body, convert }
    }

    fn result(&self) -> MutexGuard<'_, Option<R>> {
        self.result.lock()
    }
}

/// A body that runs, as the steps around it wait for it.
#[derive(Debug)]
pub(crate) struct DeferredHandle<'a, R>(&'a Deferred<R>);

impl<R> Future for DeferredHandle<'_, R> {
    type Output = R;

    /// Takes no waker: whoever polls this has polled the body right before, with the same one.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        self.0.result().take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<R> Drop for DeferredHandle<'_, R> {
    fn drop(&mut self) {
        self.0.runs.store(false, Relaxed);
    }
}

/// The same of a sample: `None` if it panics.
#[derive(Debug)]
pub(crate) struct Sampled<'a, R>(DeferredHandle<'a, R>);

impl<R> Future for Sampled<'_, R> {
    type Output = Option<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R>> {
        let around = self.0.0.around.get();
        if around.is_some_and(|around| around.panicked.load(Relaxed)) {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.0).poll(context).map(Some)
    }
}

/// A call: see [`Deferred::drive_alongside`].
#[derive(Debug)]
pub(crate) struct Alongside<'a, R, S, B, C> {
    deferred: &'a Deferred<R>,
    steps: Pin<&'a mut S>,
    body: Pin<&'a mut B>,
    convert: C,
}

impl<R, S, B, C> Future for Alongside<'_, R, S, B, C>
where
    S: Future<Output = R>,
    B: Future,
    C: Fn(B::Output) -> R + Unpin,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let call = &mut *self;
        loop {
            // The body first: a result that is there counts, though its time is over as well.
            let waits = call.deferred.runs.load(Relaxed) && call.poll_body(context);
            if let Poll::Ready(result) = call.steps.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            if waits || !call.deferred.runs.load(Relaxed) {
                return Poll::Pending;
            }
        }
    }
}

impl<R, S, B: Future, C: Fn(B::Output) -> R> Alongside<'_, R, S, B, C> {
    /// Polls the body; `true` if it is not over.
    fn poll_body(&mut self, context: &mut Context<'_>) -> bool {
        let mut step = || self.body.as_mut().poll(context);
        let polled = match self.deferred.around.get() {
            None => step(),
            Some(around) => around.span.in_scope(|| match around.part.get() {
                None => step(),
                Some(PartOf::Load(loading)) => nested::step(loading, step),
                Some(PartOf::Sample(loading)) => {
                    // It is polled no more after that.
                    catch_unwind(AssertUnwindSafe(|| nested::step(loading, step))).unwrap_or_else(|_| {
                        around.panicked.store(true, Relaxed);
                        self.deferred.runs.store(false, Relaxed);
                        Poll::Pending
                    })
                }
                Some(PartOf::Write(write)) => write.clone().within(step),
            }),
        };
        match polled {
            Poll::Pending => true,
            Poll::Ready(result) => {
                *self.deferred.result() = Some((self.convert)(result));
                self.deferred.runs.store(false, Relaxed);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, convert::identity, pin::pin, time::Duration};

    use tokio::{
        task::yield_now,
        time::{Instant, sleep, timeout},
    };

    use super::*;

    #[tokio::test]
    async fn a_body_begins_when_the_steps_around_it_ask_for_it_and_they_go_on_meanwhile() {
        let seen = RefCell::new(Vec::new());
        let note = |what| seen.borrow_mut().push(what);
        let deferred = Deferred::new();
        let body = pin!(async {
            note("body begins");
            yield_now().await;
            note("body ends");
            7
        });
        let steps = pin!(async {
            note("steps begin");
            yield_now().await;
            note("steps ask");
            let running = pin!(deferred.run());
            let beside = pin!(async {
                yield_now().await;
                note("steps go on");
            });
            futures_util::join!(running, beside).0
        });
        assert_eq!(deferred.drive_alongside(steps, body, identity).await, 7);
        let expected =
            ["steps begin", "steps ask", "body begins", "steps go on", "body ends"].map(str::to_owned);
        assert_eq!(*seen.borrow(), expected);
    }

    #[tokio::test]
    async fn a_body_that_nobody_asks_for_is_never_polled() {
        let deferred = Deferred::new();
        let body = pin!(async { panic!("it is polled") });
        let steps = pin!(async {
            yield_now().await;
            drop(deferred.run());
            yield_now().await;
        });
        deferred.drive_alongside(steps, body, identity).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_was_given_up_is_not_polled_again() {
        let deferred = Deferred::new();
        let body = pin!(async {
            sleep(Duration::from_secs(2)).await;
            panic!("it is polled");
        });
        let steps = pin!(async {
            assert!(timeout(Duration::from_secs(1), deferred.run()).await.is_err());
            sleep(Duration::from_secs(2)).await;
        });
        deferred.drive_alongside(steps, body, identity).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_that_is_there_counts_though_its_time_is_over() {
        let (deferred, begun) = (Deferred::new(), Instant::now());
        let body = pin!(async {
            sleep(Duration::from_secs(1)).await;
            Ok(())
        });
        let limit = Duration::from_secs(1);
        let steps = pin!(async { timeout(limit, deferred.run()).await.unwrap_or(Err(())) });
        assert_eq!(deferred.drive_alongside(steps, body, identity).await, Ok(()));
        assert_eq!(begun.elapsed(), limit);
    }
}
