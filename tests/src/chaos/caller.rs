//! How a call is made: from the process's own runtime or from one that comes and goes with it, and whether it is dropped
//! before it has ended.

use super::random::Random;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    thread,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::timeout,
};

/// How one call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// By which runtime.
    pub from: Home,
    /// When it is dropped, if it has not ended by then.
    pub dropped: Option<Dropped>,
}

/// The runtime of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// That of the process.
    Here,
    /// A current-thread runtime on another thread, dropped right after.
    CurrentThread,
    /// The same, and after the first time nothing drives it for the second one, whatever the call is doing.
    StandingStill(Duration, Duration),
    /// A multi-thread runtime with so many workers, dropped right after.
    MultiThread(usize),
}

/// When a call is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// After this time; if it has a runtime of its own, then together with that.
    After(Duration),
    /// After this many polls, most of which lie within the first milliseconds: before its question to the cache has been
    /// sent, before it has been answered, while it acquires.
    AfterPolls(u64),
}

/// What became of a call: `None` if it was dropped.
pub type Outcome<T> = Result<Option<T>, JoinError>;

impl Caller {
    /// The process's runtime, to the end.
    pub const QUIET: Self = Self { from: Home::Here, dropped: None };

    /// Some way to make a call; so many of a thousand are dropped.
    pub fn some(random: &mut Random, drops: u64) -> Self {
        let mut millis = |most| random.between(Duration::ZERO, Duration::from_millis(most));
        let (first, still, late) = (millis(5), millis(300), millis(30));
        let from = match random.below(1_000) {
            0..40 => Home::CurrentThread,
            40..60 => Home::StandingStill(first, still),
            60..80 => Home::MultiThread(1),
            80..100 => Home::MultiThread(2),
            _ => Home::Here,
        };
        // Who has a runtime for one call often has it for less.
        let drops = if from == Home::Here { drops } else { drops.max(200) };
        let dropped = random.per_mille(drops).then(|| match random.below(2) {
            0 => Dropped::AfterPolls(1 + random.below(6)),
            _ => Dropped::After(late),
        });
        Self { from, dropped }
    }

    /// Makes the call.
    ///
    /// # Errors
    /// The call panicked.
    ///
    /// # Panics
    /// No thread can be started.
    pub async fn call<T: Send + 'static>(self, call: impl Future<Output = T> + Send + 'static) -> Outcome<T> {
        let (polls, after) = match self.dropped {
            Some(Dropped::AfterPolls(polls)) => (polls, None),
            Some(Dropped::After(time)) => (u64::MAX, Some(time)),
            None => (u64::MAX, None),
        };
        let call = polled(call, polls);
        if self.from == Home::Here {
            let mut task = tokio::spawn(call);
            return match ended(&mut task, after).await {
                Some(outcome) => outcome,
                None => {
                    task.abort();
                    has_ended(task).await
                }
            };
        }
        let on_its_own = spawn_blocking(move || {
            let runtime = self.from.runtime();
            let mut task = runtime.spawn(call);
            if let Home::StandingStill(first, still) = self.from {
                if let Some(outcome) = runtime.block_on(ended(&mut task, Some(first))) {
                    return Ok(outcome);
                }
                thread::sleep(still);
            }
            let outcome = runtime.block_on(ended(&mut task, after));
            // With everything that still runs on it.
            drop(runtime);
            outcome.ok_or(task)
        });
        match on_its_own.await.expect("a runtime can be started") {
            Ok(outcome) => outcome,
            Err(task) => has_ended(task).await,
        }
    }
}

impl Home {
    fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::MultiThread(workers) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
            _ => Builder::new_current_thread(),
        };
        builder.enable_all().build().expect("a runtime can be started")
    }
}

/// A call that is dropped after so many polls.
async fn polled<T>(call: impl Future<Output = T>, polls: u64) -> Option<T> {
    let (mut call, mut left) = (pin!(call), polls);
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// What becomes of a task within this time, if it ends.
async fn ended<T>(task: &mut JoinHandle<Option<T>>, within: Option<Duration>) -> Option<Outcome<T>> {
    match within {
        Some(time) => timeout(time, task).await.ok(),
        None => Some(task.await),
    }
}

/// What became of a task that was told to end, or whose runtime is gone.
async fn has_ended<T>(task: JoinHandle<Option<T>>) -> Outcome<T> {
    match task.await {
        Err(error) if error.is_cancelled() => Ok(None),
        outcome => outcome,
    }
}
