//! The library's own thread, `cached-aside`: one a process, with a current-thread tokio runtime that is always driven.
//!
//! A tokio runtime can be idle, busy, dropped, or driven only now and then, and what was spawned on it stands still or ends with
//! it. So whatever must outlast the call that began it runs here: connecting and reconnecting, renewing leases and guards, fills
//! and releases whose callers went away, delivery of the recovery list, and timers. Bodies of annotated functions never do: they
//! may block, and may need the runtime that they were called on.
//!
//! The thread starts with the first cache in Redis, or when a cache in this process has something to wait for. It ends with the
//! process. What runs for long on it holds weak references to caches only, so that a cache that is dropped closes its
//! connections.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::Poll,
    thread,
    time::Duration,
};

use crate::lock::Mutex;

use tokio::{
    runtime::{Builder, EnterGuard, Handle},
    task::AbortHandle,
    time::{Sleep, Timeout},
};

/// The name of the thread.
const NAME: &str = "cached-aside";

static ENGINE: OnceLock<Result<Handle, String>> = OnceLock::new();

/// Starts the thread, unless it runs.
///
/// # Errors
///
/// When the system gives no thread, or no file descriptor to drive it with.
pub(crate) fn start() -> Result<&'static Handle, &'static str> {
    let begin = || -> io::Result<Handle> {
        let runtime = Builder::new_current_thread().enable_all().thread_name(NAME).build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(handle)
    };
    let started = ENGINE.get_or_init(|| {
        begin().map_err(|error| format!("the thread `{NAME}` could not be started: {error}"))
    });
    started.as_ref().map_err(String::as_str)
}

/// The runtime of the thread. Without a thread, which is an error of every cache in Redis, the caller's.
pub(crate) fn handle() -> Handle {
    start().cloned().unwrap_or_else(|_| Handle::current())
}

/// Runs a future on the thread.
#[cfg(feature = "redis")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    handle().spawn(future)
}

/// Makes the thread's runtime the one that timers belong to.
fn enter() -> Option<EnterGuard<'static>> {
    start().ok().map(Handle::enter)
}

/// A timer of the thread: it fires whatever becomes of the runtime that it is awaited on, and may be awaited outside of any.
pub(crate) fn sleep(time: Duration) -> Sleep {
    let _engine = enter();
    tokio::time::sleep(time)
}

/// Bounds a future by a timer of the thread.
pub(crate) fn timeout<F: Future>(within: Duration, future: F) -> Timeout<F> {
    let _engine = enter();
    tokio::time::timeout(within, future)
}

/// Something that goes on on the thread until this is dropped. After that it takes no further step.
#[derive(Debug)]
#[must_use = "it ends when this is dropped"]
pub(crate) struct Beside {
    shared: Arc<Mutex<Going>>,
    task: AbortHandle,
}

/// `None` once it is over.
struct Going(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl std::fmt::Debug for Going {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Going").field(&self.0.is_some()).finish()
    }
}

impl Beside {
    /// Begins it. Where time is paused it goes on on the caller's runtime, whose time it is.
    pub(crate) fn begin(clock: Clock, future: impl Future<Output = ()> + Send + 'static) -> Beside {
        let shared = Arc::new(Mutex::new(Going(Some(Box::pin(future)))));
        let going = shared.clone();
        let runtime = if clock.is_paused() { Handle::current() } else { handle() };
        let task = runtime.spawn(poll_fn(move |context| {
            let mut going = going.lock();
            let Some(future) = &mut going.0 else { return Poll::Ready(()) };
            let polled = future.as_mut().poll(context);
            if polled.is_ready() {
                going.0 = None;
            }
            polled
        }));
        Beside { shared, task: task.abort_handle() }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // The lock is what an abort lacks: no step is being taken any more when this returns, and none follows what is done next.
        let going = self.shared.lock().0.take();
        drop(going);
        self.task.abort();
    }
}

/// Which time bounds the calls of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Always the real one: there is a server, whose time goes on.
    Real,
    /// The caller's, which a test may have paused; the real one otherwise.
    Callers,
}

impl Clock {
    /// Whether time stands still here until tokio sets it forward (`tokio::time::pause`). Timers are the caller's runtime's then,
    /// and nothing can go on elsewhere.
    pub(crate) fn is_paused(self) -> bool {
        if self == Clock::Real {
            return false;
        }
        // One that runs has moved on when the system's has, which is always the later of two.
        let here = tokio::time::Instant::now();
        let begun = std::time::Instant::now();
        while std::time::Instant::now() == begun {}
        tokio::time::Instant::now() == here
    }

    /// What time it is.
    pub(crate) fn now(self) -> tokio::time::Instant {
        match self {
            Clock::Real => std::time::Instant::now().into(),
            Clock::Callers => tokio::time::Instant::now(),
        }
    }

    pub(crate) fn sleep(self, time: Duration) -> Sleep {
        if self.is_paused() { tokio::time::sleep(time) } else { sleep(time) }
    }

    pub(crate) fn timeout<F: Future>(self, within: Duration, future: F) -> Timeout<F> {
        if self.is_paused() { tokio::time::timeout(within, future) } else { timeout(within, future) }
    }

    pub(crate) fn timeout_at<F: Future>(self, at: tokio::time::Instant, future: F) -> Timeout<F> {
        self.timeout(at.saturating_duration_since(tokio::time::Instant::now()), future)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use futures_util::FutureExt;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn timers_fire_outside_of_a_runtime_and_in_one_without_timers() {
        let wait = async {
            sleep(Duration::from_millis(5)).await;
            let late = timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
            assert!(late.is_err());
            Clock::Callers.sleep(Duration::from_millis(5)).await;
        };
        runtime().block_on(wait);
        let (told, end) = std::sync::mpsc::channel();
        // Nothing drives it but its own wakers.
        let waker = futures_util::task::waker(Arc::new(Told(told)));
        let mut sleeping = pin!(sleep(Duration::from_millis(5)));
        assert!(sleeping.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        end.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(sleeping.now_or_never(), Some(()));
    }

    struct Told(std::sync::mpsc::Sender<()>);

    impl futures_util::task::ArcWake for Told {
        fn wake_by_ref(told: &Arc<Self>) {
            let _ = told.0.send(());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_is_recognised() {
        assert!(Clock::Callers.is_paused() && !Clock::Real.is_paused());
        let begun = std::time::Instant::now();
        Clock::Callers.sleep(Duration::from_secs(3_600)).await;
        assert!(Clock::Callers.is_paused(), "also after it was set forward");
        tokio::time::resume();
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_clock_that_runs_is_not_taken_for_a_paused_one() {
        for _ in 0..10_000 {
            assert!(!Clock::Callers.is_paused());
        }
    }

    /// What is done after the drop must be the last: a guard is not renewed after its release.
    #[test]
    fn what_goes_on_beside_takes_no_step_after_its_end() {
        for _ in 0..200 {
            let steps = Arc::new(AtomicUsize::new(0));
            let counted = steps.clone();
            let beside = Beside::begin(Clock::Real, async move {
                loop {
                    counted.fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                }
            });
            while steps.load(SeqCst) == 0 {
                thread::yield_now();
            }
            drop(beside);
            let at_the_end = steps.load(SeqCst);
            thread::yield_now();
            assert_eq!(steps.load(SeqCst), at_the_end);
            assert_eq!(Arc::strong_count(&steps), 1, "what it held is free");
        }
    }
}
