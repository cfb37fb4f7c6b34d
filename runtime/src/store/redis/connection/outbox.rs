//! Sends steps of writes together.
//!
//! The library's thread drives the main connection and sends each command as soon as it gets it: the steps of many writers, which come
//! one by one from another thread, would be nearly as many packets. So while steps are under way, a further one is queued here until
//! every task that is ready on its caller's runtime has run, and all that are queued by then are sent in one turn of the library's
//! thread. A step that comes alone is sent at once.
//!
//! No caller depends on another: whichever runs first has the whole queue sent, the library's thread does so after [`MAX_WAIT`], and a
//! caller that goes away takes its own step with it.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{sync::oneshot, task::AbortHandle};

use super::super::{failure::Failure, poll::yield_once};
use crate::{lock::Mutex, thread};

/// Maximum time that a step is queued.
const MAX_WAIT: Duration = Duration::from_millis(5);

/// The steps of one connection.
#[derive(Default)]
pub(super) struct Outbox {
    under_way: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    steps: Vec<Arc<QueuedStep>>,
    /// The library's thread is about to take them.
    flushing: bool,
}

/// A queued step. Another thread runs it, unless its caller goes away before.
struct QueuedStep(Mutex<Progress>);

enum Progress {
    Queued(StepFuture),
    Running(StepFuture, AbortHandle),
    Done,
}

/// Runs a step, and returns what answers its caller.
type StepFuture = Pin<Box<dyn Future<Output = Box<dyn FnOnce() + Send>> + Send>>;

impl QueuedStep {
    /// Starts the step on the library's thread.
    fn begin(self: &Arc<Self>) {
        let mut step = self.0.lock();
        match std::mem::replace(&mut *step, Progress::Done) {
            Progress::Queued(future) => {
                let slot = self.clone();
                let task = thread::spawn(poll_fn(move |context| slot.poll(context)));
                *step = Progress::Running(future, task.abort_handle());
            }
            begun => *step = begun,
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let (reply, over) = {
            let mut step = self.0.lock();
            let Progress::Running(future, _) = &mut *step else { return Poll::Ready(()) };
            let reply = ready!(future.as_mut().poll(context));
            (reply, std::mem::replace(&mut *step, Progress::Done))
        };
        drop(over);
        // The caller's waker may drop the caller at once, which takes the lock.
        reply();
        Poll::Ready(())
    }
}

/// A caller that waits for its step. Dropped, it stops the step: nothing more of it runs when this returns.
struct Caller(Arc<QueuedStep>);

impl Drop for Caller {
    fn drop(&mut self) {
        let step = std::mem::replace(&mut *self.0.0.lock(), Progress::Done);
        if let Progress::Running(_, task) = step {
            task.abort();
        }
    }
}

/// Has the queue sent, at the latest when it is dropped.
struct FlushOnDrop<'a>(&'a Arc<Outbox>);

impl Drop for FlushOnDrop<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Counts a step while it is under way.
struct UnderWay<'a>(&'a Outbox);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

impl Outbox {
    /// Runs a step, together with others if there are any.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let others = self.under_way.fetch_add(1, Relaxed);
        let _under_way = UnderWay(self);
        if others == 0 {
            return step.await;
        }
        let (reply, answer) = oneshot::channel();
        let step = async move {
            let answer = step.await;
            Box::new(move || {
                // A caller that has gone away needs no answer.
                let _ = reply.send(answer);
            }) as Box<dyn FnOnce() + Send>
        };
        let slot = Arc::new(QueuedStep(Mutex::new(Progress::Queued(Box::pin(step)))));
        let first = {
            let mut queue = self.queue.lock();
            queue.steps.push(slot.clone());
            queue.steps.len() == 1
        };
        let flush = FlushOnDrop(self);
        let _caller = Caller(slot);
        if first {
            let outbox = self.clone();
            thread::spawn(async move {
                tokio::time::sleep(MAX_WAIT).await;
                outbox.flush();
            });
        }
        yield_once().await;
        drop(flush);
        answer.await.unwrap_or_else(|_| Err(Failure::Down("a step was not finished".to_owned())))
    }

    /// Has the library's thread start everything that is queued when it runs next.
    fn flush(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        if queue.steps.is_empty() || std::mem::replace(&mut queue.flushing, true) {
            return;
        }
        let outbox = self.clone();
        thread::spawn(async move {
            let steps = {
                let mut queue = outbox.queue.lock();
                queue.flushing = false;
                std::mem::take(&mut queue.steps)
            };
            steps.iter().for_each(QueuedStep::begin);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    /// A step that reports when it is first polled, and ends when every task that is ready has run.
    fn step(
        number: usize,
        taken: &mpsc::Sender<usize>,
    ) -> impl Future<Output = Result<usize, Failure>> + Send + 'static {
        let taken = taken.clone();
        async move {
            taken.send(number).unwrap();
            yield_once().await;
            Ok(number)
        }
    }

    #[test]
    fn steps_of_a_crowd_are_taken_in_their_order_and_each_is_answered() {
        let (taken, order) = mpsc::channel();
        let outbox = Arc::<Outbox>::default();
        let steps = (0..500).map(|number| outbox.run(step(number, &taken)));
        let answers = runtime().block_on(join_all(steps));
        assert!(answers.into_iter().enumerate().all(|(number, answer)| answer.unwrap() == number));
        assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
        assert_eq!((outbox.under_way.load(Relaxed), outbox.queue.lock().steps.len()), (0, 0));
    }

    /// What is sent in one turn of the thread is one packet.
    #[test]
    fn steps_of_a_crowd_of_tasks_are_taken_by_the_librarys_thread_in_few_turns() {
        const STEPS: usize = 64;
        let (events, seen) = mpsc::channel();
        let outbox = Arc::<Outbox>::default();
        runtime().block_on(async {
            let mut calls = tokio::task::JoinSet::new();
            for _ in 0..STEPS {
                let (outbox, events) = (outbox.clone(), events.clone());
                calls.spawn(async move {
                    let step = async move {
                        let here = std::thread::current().name().is_some_and(|name| name == "cached-aside");
                        events.send((here, "taken")).unwrap();
                        yield_once().await;
                        events.send((here, "sent")).unwrap();
                        Ok(())
                    };
                    outbox.run(step).await.unwrap();
                });
            }
            calls.join_all().await;
        });
        drop(events);
        let here: Vec<&str> = seen.iter().filter_map(|(here, what)| here.then_some(what)).collect();
        let turns = here.windows(2).filter(|pair| *pair == ["sent", "taken"]).count() + 1;
        assert_eq!(here.len(), 2 * (STEPS - 1), "all but the first");
        assert!(turns <= STEPS / 4, "{turns} turns");
    }

    #[test]
    fn a_step_that_comes_alone_is_taken_at_once() {
        let (taken, order) = mpsc::channel();
        let outbox = Arc::<Outbox>::default();
        let mut alone = Box::pin(outbox.run(step(1, &taken)));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(alone.as_mut().poll(&mut context).is_pending());
        assert_eq!(order.try_recv(), Ok(1), "by its caller");
    }

    /// A caller that is never polled again delays nobody, and its step is sent; the step of a dropped caller is not.
    #[test]
    fn no_caller_depends_on_another() {
        let (taken, order) = mpsc::channel();
        let outbox = Arc::<Outbox>::default();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut begun: Vec<_> = (0..4).map(|number| Box::pin(outbox.run(step(number, &taken)))).collect();
        for step in &mut begun {
            assert!(step.as_mut().poll(&mut context).is_pending());
        }
        drop(begun.remove(2));
        let next = || order.recv_timeout(Duration::from_secs(20));
        assert_eq!((next(), next(), next()), (Ok(0), Ok(1), Ok(3)));
        assert_eq!(order.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(begun);
        assert_eq!(outbox.under_way.load(Relaxed), 0);
    }

    /// A waker that drops what it wakes, as some executors do with a task that was cancelled meanwhile.
    #[test]
    fn a_caller_that_goes_away_when_it_is_told_holds_up_nobody() {
        type Caller = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
        struct Drops(Mutex<Option<Caller>>, mpsc::Sender<()>);
        impl std::task::Wake for Drops {
            fn wake(self: Arc<Self>) {
                drop(self.0.lock().take());
                let _ = self.1.send(());
            }
        }
        let outbox = Arc::<Outbox>::default();
        outbox.under_way.fetch_add(1, Relaxed);
        let (go, answer) = oneshot::channel::<()>();
        let (dropped, done) = mpsc::channel();
        let taken = outbox.clone();
        let mut caller: Caller = Box::pin(async move {
            let step = async move {
                let _ = answer.await;
                Ok(())
            };
            taken.run(step).await
        });
        let drops = Arc::new(Drops(Mutex::default(), dropped));
        let waker = std::task::Waker::from(drops.clone());
        // The first waker is for its own turn.
        assert!(caller.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        assert!(caller.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        *drops.0.lock() = Some(caller);
        go.send(()).unwrap();
        done.recv_timeout(Duration::from_secs(20)).expect("the library's thread stands still");
    }

    /// The drop must be the last action: a guard is not placed after its release.
    #[test]
    fn a_step_whose_caller_has_gone_away_is_taken_no_further() {
        for _ in 0..200 {
            let outbox = Arc::<Outbox>::default();
            let steps = Arc::new(AtomicUsize::new(0));
            let counted = steps.clone();
            let _other = outbox.under_way.fetch_add(1, Relaxed);
            let mut endless = Box::pin(outbox.run(async move {
                loop {
                    counted.fetch_add(1, Relaxed);
                    yield_once().await;
                    if counted.load(Relaxed) == usize::MAX {
                        return Ok(());
                    }
                }
            }));
            let mut context = Context::from_waker(std::task::Waker::noop());
            for _ in 0..2 {
                assert!(endless.as_mut().poll(&mut context).is_pending());
            }
            while steps.load(Relaxed) == 0 {
                std::thread::yield_now();
            }
            drop(endless);
            let at_the_end = steps.load(Relaxed);
            std::thread::yield_now();
            assert_eq!(steps.load(Relaxed), at_the_end);
            assert_eq!(Arc::strong_count(&steps), 1, "what it held is free");
        }
    }
}
