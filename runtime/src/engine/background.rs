//! Loads that go on without their callers: bounded in number, and ended when the cache is shut down.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of loads in the background. Beyond it a stale value is returned without a reload, which a later call begins.
const MOST: usize = 64;

/// The loads in the background of one cache.
#[derive(Debug)]
pub(crate) struct Background {
    /// Closed when no more may begin.
    places: Arc<Semaphore>,
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
        Background { places: Arc::new(Semaphore::new(MOST)), stop: Arc::new(Semaphore::new(0)) }
    }
}

impl Background {
    /// Room for one more load, unless there are too many or the cache is being shut down.
    pub(crate) fn place(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place { permit, stop: self.stop.clone() })
    }

    /// Lets no load begin from now on.
    pub(crate) fn close(&self) {
        self.places.close();
    }

    /// Ends the loads that still run; returns how many.
    pub(crate) fn stop(&self) -> usize {
        self.stop.close();
        MOST - self.places.available_permits()
    }
}

impl Place {
    /// The load, to its end or until it is told to stop.
    pub(crate) async fn run(self, load: impl Future<Output = ()>) {
        let (mut load, mut stopped) = (pin!(load), pin!(self.stop.acquire()));
        poll_fn(|context| match load.as_mut().poll(context) {
            Poll::Pending => stopped.as_mut().poll(context).map(drop),
            Poll::Ready(()) => Poll::Ready(()),
        })
        .await;
        drop(self.permit);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_run_than_there_are_places() {
        let background = Background::default();
        let places: Vec<Place> = (0..MOST).map_while(|_| background.place()).collect();
        assert_eq!(places.len(), MOST);
        assert!(background.place().is_none());
        for place in places {
            tokio::spawn(place.run(sleep(Duration::from_secs(1))));
        }
        sleep(Duration::from_secs(2)).await;
        assert!(background.place().is_some());
        tokio::spawn(background.place().unwrap().run(async { panic!("the load panics") }));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(background.stop(), 0, "a load that panics leaves its place");
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_ends_when_it_is_told_to() {
        let background = Background::default();
        let begun = Instant::now();
        let load = tokio::spawn(background.place().unwrap().run(sleep(Duration::from_secs(60))));
        background.close();
        assert!(background.place().is_none(), "nothing begins any more");
        sleep(Duration::from_secs(1)).await;
        assert!(!load.is_finished(), "what runs goes on");
        assert_eq!(background.stop(), 1);
        load.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }
}
