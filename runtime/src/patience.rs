//! Waiting for an answer, without taking a pause of this process for the other side's silence.
//!
//! A process can stand still: it is stopped and continued, its virtual machine is moved, its container is throttled, or tasks
//! that block occupy the threads of its runtime. When it goes on, its timers are due at once, while the answers that arrived
//! meanwhile still lie in the sockets, unread. A plain `timeout` then gives up a step that was answered long ago, and whoever
//! counts timeouts takes a healthy server for dead.
//!
//! So a limit counts only the time in which this process was awake. It is waited for in slices. A slice whose timer is noticed
//! late proves a pause, or a runtime with more to do than it can: it does not count, and by the end of the next one the answers
//! have been read.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Poll, ready},
    time::Duration,
};

use crate::thread::Clock;

/// Number of slices of a limit, as long as they are neither too short nor too long.
const SLICES: u32 = 8;
/// Minimum length of a slice: timers have a resolution of a millisecond.
const SHORTEST: Duration = Duration::from_millis(5);
/// Maximum length of a slice.
const LONGEST: Duration = Duration::from_millis(50);
/// Maximum lateness of a slice that is no pause: a busy machine is late by that much all the time. A quarter of a shorter limit.
const BUSY: Duration = Duration::from_millis(60);
/// Maximum number of late slices of one step that do not count, so that a step ends on a machine that is always late as well.
const MAX_LATE: u32 = 3;
/// The same for slices that are late by the whole limit or more: a runtime with that much to do needs a long time for anything.
const MAX_STILL: u32 = 64;

/// What is left of a limit.
#[derive(Debug)]
struct Awake {
    limit: Duration,
    left: Duration,
    slice: Duration,
    late: u32,
    still: u32,
}

impl Awake {
    fn new(limit: Duration) -> Awake {
        let slice = (limit / SLICES).clamp(SHORTEST, LONGEST);
        Awake { limit, left: limit, slice, late: 0, still: 0 }
    }

    /// The length of the next slice; zero when the limit is over.
    fn next(&self) -> Duration {
        self.slice.min(self.left)
    }

    /// A slice is over, and was noticed so much later than it should have been.
    fn passed(&mut self, late_by: Duration) {
        let is_late = late_by > (self.limit / 4).clamp(SHORTEST, BUSY);
        let (slices, most) =
            if late_by < self.limit { (&mut self.late, MAX_LATE) } else { (&mut self.still, MAX_STILL) };
        if is_late && *slices < most {
            *slices += 1;
        } else {
            let took = if is_late { self.next() } else { self.next() + late_by };
            self.left = self.left.saturating_sub(took);
        }
    }
}

/// Waits for an answer, at most for so long in which this process was awake. `None` if there was no answer.
pub(crate) async fn answer<T>(
    clock: Clock,
    limit: Duration,
    mut step: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut awake = Awake::new(limit);
    let mut timer = pin!(clock.sleep(awake.next()));
    poll_fn(|context| {
        // Answers first, then the clock.
        if let Poll::Ready(answer) = step.as_mut().poll(context) {
            return Poll::Ready(Some(answer));
        }
        loop {
            ready!(timer.as_mut().poll(context));
            let now = clock.now();
            awake.passed(now.saturating_duration_since(timer.deadline()));
            if awake.left.is_zero() {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(now + awake.next());
        }
    })
    .await
}

/// Waits for an answer in the same way. A function would carry the step twice.
macro_rules! in_awake_time {
    ($clock:expr, $limit:expr, $step:expr) => {
        $crate::patience::answer($clock, $limit, ::std::pin::pin!($step)).await
    };
}
pub(crate) use in_awake_time;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{
        sync::oneshot,
        task::yield_now,
        time::{Instant, advance, pause},
    };

    use super::*;

    const LIMIT: Duration = Duration::from_millis(250);

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_waited_for_as_long_as_the_limit_says() {
        for limit in [1, 7, 30, 250, 10_000].map(Duration::from_millis) {
            let begun = Instant::now();
            assert_eq!(in_awake_time!(Clock::Callers, limit, pending::<()>()), None);
            let took = begun.elapsed();
            assert!(took >= limit && took <= limit + Duration::from_millis(1), "{limit:?}: {took:?}");
        }
        let begun = Instant::now();
        assert_eq!(in_awake_time!(Clock::Callers, Duration::ZERO, pending::<()>()), None);
        assert!(begun.elapsed() <= Duration::from_millis(1));
        assert_eq!(
            in_awake_time!(Clock::Callers, Duration::ZERO, async { 1 }),
            Some(1),
            "what is there needs no time"
        );
    }

    /// A step that is waited for in the background, and what gives it its answer.
    fn waiting() -> (oneshot::Sender<u8>, tokio::task::JoinHandle<Option<u8>>) {
        let (answers, answer) = oneshot::channel();
        (
            answers,
            tokio::spawn(async move { in_awake_time!(Clock::Callers, LIMIT, answer).and_then(Result::ok) }),
        )
    }

    /// The clock goes on, and nothing of this process does.
    async fn stands_still(time: Duration) {
        advance(time).await;
        for _ in 0..10 {
            yield_now().await;
        }
    }

    /// Timers are due when a process goes on, and the answers have not been read yet.
    #[tokio::test]
    async fn an_answer_that_is_read_right_after_a_pause_counts() {
        pause();
        for awake in [0, 100, 240].map(Duration::from_millis) {
            for still in [200, 250, 1_000, 60_000].map(Duration::from_millis) {
                let (answers, waiting) = waiting();
                yield_now().await;
                // In steps that are shorter than a slice.
                for _ in 0..awake.as_millis() / 10 {
                    stands_still(Duration::from_millis(10)).await;
                }
                stands_still(still).await;
                assert!(!waiting.is_finished(), "{awake:?} awake, then {still:?} still");
                answers.send(1).unwrap();
                assert_eq!(waiting.await.unwrap(), Some(1));
            }
        }
    }

    #[tokio::test]
    async fn a_pause_does_not_prolong_the_time_awake() {
        pause();
        let (_answers, waiting) = waiting();
        yield_now().await;
        stands_still(Duration::from_secs(10)).await;
        let awake = Instant::now();
        assert_eq!(waiting.await.unwrap(), None);
        assert!(awake.elapsed() <= LIMIT + Duration::from_millis(1), "{:?}", awake.elapsed());
    }

    /// A machine on which every timer is late.
    #[tokio::test]
    async fn a_step_ends_where_every_timer_is_late() {
        pause();
        for (late_by, most) in [(150, MAX_LATE), (1_000, MAX_STILL)] {
            let (_answers, waiting) = waiting();
            yield_now().await;
            let mut turns = 0;
            while !waiting.is_finished() {
                stands_still(Duration::from_millis(late_by)).await;
                turns += 1;
            }
            assert!(turns > most && turns <= SLICES + most + 1, "{late_by} ms: {turns}");
        }
    }
}
