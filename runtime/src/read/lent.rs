//! A body that is lent to the steps around it: they say when it is to begin and are given what it gives, and know nothing else
//! of it. So they are compiled once for all bodies that give the same, and not once for each.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
};

use tokio::sync::oneshot;

use super::{Loader, refresh::Refreshing};
use crate::{background::Background, outcome::Outcome};

/// Parts a body into what the steps around it are given and what runs it [`beside`] them.
pub(super) fn lend<R>(body: impl Future<Output = R>) -> (Lent<R>, impl Future<Output = ()>) {
    let course = Arc::new(Course { begun: AtomicBool::new(false), result: Mutex::new(None) });
    let lent = Lent(course.clone());
    let body = async move {
        // No waker: it is polled after the steps, and nothing else can begin it.
        poll_fn(|_| if course.begun.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }).await;
        let result = body.await;
        *course.result() = Some(result);
    };
    (lent, body)
}

/// Takes the steps around a body to their end. Whenever they have been polled the body is, from when they have asked for it.
pub(super) async fn beside<T: Future + Unpin>(mut steps: T, body: impl Future<Output = ()>) -> T::Output {
    let (mut body, mut over) = (pin!(body), false);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut steps).poll(context) {
                return Poll::Ready(result);
            }
            if over || body.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            over = true;
        }
    })
    .await
}

/// A body as the steps around it know it, while it runs [`beside`] them.
pub(crate) struct Lent<R>(Arc<Course<R>>);

/// How far such a body is. Only the task knows it that polls them both.
struct Course<R> {
    begun: AtomicBool,
    result: Mutex<Option<R>>,
}

impl<R> Course<R> {
    fn result(&self) -> MutexGuard<'_, Option<R>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Loader for Lent<R> {
    type Output = R;
    type Place = Infallible;

    fn place(_: &Background) -> Option<Infallible> {
        None
    }

    async fn begin(self) -> R {
        self.0.begun.store(true, Relaxed);
        // No waker: the body is polled after this, and then this again if that is over.
        poll_fn(|_| self.0.result().take().map_or(Poll::Pending, Poll::Ready)).await
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_body_begins_when_the_steps_around_it_ask_for_it_and_they_go_on_meanwhile() {
        let seen = RefCell::new(Vec::new());
        let note = |what| seen.borrow_mut().push(what);
        let (lent, body) = lend(async {
            note("body begins");
            yield_now().await;
            note("body ends");
            7
        });
        let steps = async {
            note("steps begin");
            yield_now().await;
            note("steps ask");
            let (mut asked, mut polls) = (pin!(lent.begin()), 0);
            let gave = poll_fn(|context| {
                polls += 1;
                asked.as_mut().poll(context)
            });
            let gave = gave.await;
            (gave, polls)
        };
        // Once before the body begins, once before it ends, and right after that.
        assert_eq!(beside(Box::pin(steps), body).await, (7, 3));
        assert_eq!(*seen.borrow(), ["steps begin", "steps ask", "body begins", "body ends"]);
    }

    #[tokio::test]
    async fn a_body_that_nobody_asks_for_is_never_polled() {
        let (lent, body): (Lent<()>, _) = lend(async { panic!("it is polled") });
        let steps = async {
            yield_now().await;
            drop(lent);
            yield_now().await;
        };
        beside(Box::pin(steps), body).await;
    }
}
