//! Loads that go on without their callers: bounded in number, and drained when the cache is shut down.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// So many run at once. A value that would need one more is given as it is, and another call reloads it.
pub(crate) const MOST: u32 = 64;

/// The loads in the background of one cache.
#[derive(Debug)]
pub(crate) struct Background {
    places: Arc<Semaphore>,
    draining: AtomicBool,
    /// Never has a permit; closed when those that still run are to end.
    stop: Arc<Semaphore>,
}

/// Room for one load.
#[derive(Debug)]
pub(crate) struct Place {
    permit: OwnedSemaphorePermit,
    stop: Arc<Semaphore>,
}

impl Default for Background {
    fn default() -> Self {
        Background {
            places: Arc::new(Semaphore::new(MOST as usize)),
            draining: AtomicBool::new(false),
            stop: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Background {
    /// Room for one more load, unless there are too many or the cache is being shut down.
    pub(crate) fn place(&self) -> Option<Place> {
        if self.draining.load(Relaxed) {
            return None;
        }
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place { permit, stop: self.stop.clone() })
    }

    /// Lets no load begin from now on, and waits for those that run, so long and no longer. Returns how many were ended.
    #[cfg_attr(not(test), expect(dead_code, reason = "called when a cache is shut down"))]
    pub(crate) async fn drain(&self, within: Duration) -> usize {
        self.draining.store(true, Relaxed);
        let all = timeout(within, self.places.acquire_many(MOST)).await;
        let ended = if all.is_ok() { 0 } else { self.running() };
        self.stop.close();
        ended
    }

    /// How many run now.
    pub(crate) fn running(&self) -> usize {
        MOST as usize - self.places.available_permits()
    }
}

impl Place {
    /// Runs a load to its end, or until it is told to stop.
    pub(crate) fn run(self, load: impl Future<Output = ()> + Send + 'static) {
        Handle::current().spawn(async move {
            let (mut load, mut stopped) = (pin!(load), pin!(self.stop.acquire()));
            poll_fn(|context| match load.as_mut().poll(context) {
                Poll::Pending => stopped.as_mut().poll(context).map(drop),
                ready => ready,
            })
            .await;
            drop(self.permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_run_than_there_are_places() {
        let background = Background::default();
        let places: Vec<Place> = (0..MOST).map_while(|_| background.place()).collect();
        assert_eq!((places.len(), background.running()), (MOST as usize, MOST as usize));
        assert!(background.place().is_none());
        for place in places {
            place.run(sleep(Duration::from_secs(1)));
        }
        sleep(Duration::from_secs(2)).await;
        assert_eq!(background.running(), 0);
        assert!(background.place().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_those_that_run_and_ends_those_that_take_too_long() {
        for (takes, limit, ended) in [(1, 5, 0), (9, 5, 1)] {
            let background = Background::default();
            let (told, mut over) = tokio::sync::oneshot::channel::<()>();
            background.place().unwrap().run(async move {
                sleep(Duration::from_secs(takes)).await;
                told.send(()).unwrap();
            });
            let begun = Instant::now();
            assert_eq!(background.drain(Duration::from_secs(limit)).await, ended);
            assert_eq!(begun.elapsed(), Duration::from_secs(takes.min(limit)));
            assert!(background.place().is_none(), "nothing begins after the drain");
            if ended == 0 {
                over.try_recv().unwrap();
            } else {
                over.await.unwrap_err();
                assert!(begun.elapsed() < Duration::from_secs(takes), "it was ended");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_that_panics_leaves_its_place() {
        let background = Background::default();
        background.place().unwrap().run(async { panic!("the load panics") });
        assert_eq!(background.drain(Duration::from_secs(1)).await, 0);
    }
}
