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
    slots: Arc<Semaphore>,
    /// Never has a permit; closed when those that still run are to end.
    stop: Arc<Semaphore>,
}

/// Room for one load.
#[derive(Debug)]
pub(crate) struct Slot {
    permit: OwnedSemaphorePermit,
    stop: Arc<Semaphore>,
}

impl Default for Background {
    fn default() -> Self {
        Background { slots: Arc::new(Semaphore::new(MOST)), stop: Arc::new(Semaphore::new(0)) }
    }
}

impl Background {
    /// Room for one more load, unless there are too many or the cache is being shut down.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let permit = self.slots.clone().try_acquire_owned().ok()?;
        Some(Slot { permit, stop: self.stop.clone() })
    }

    /// Lets no load begin from now on.
    pub(crate) fn close(&self) {
        self.slots.close();
    }

    /// Ends the loads that still run; returns how many.
    pub(crate) fn stop(&self) -> usize {
        self.stop.close();
        MOST - self.slots.available_permits()
    }
}

impl Slot {
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
        let slots: Vec<Slot> = (0..MOST).map_while(|_| background.slot()).collect();
        assert_eq!(slots.len(), MOST);
        assert!(background.slot().is_none());
        for slot in slots {
            tokio::spawn(slot.run(sleep(Duration::from_secs(1))));
        }
        sleep(Duration::from_secs(2)).await;
        assert!(background.slot().is_some());
        tokio::spawn(background.slot().unwrap().run(async { panic!("the load panics") }));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(background.stop(), 0, "a load that panics leaves its place");
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_ends_when_it_is_told_to() {
        let background = Background::default();
        let begun = Instant::now();
        let load = tokio::spawn(background.slot().unwrap().run(sleep(Duration::from_secs(60))));
        background.close();
        assert!(background.slot().is_none(), "nothing begins any more");
        sleep(Duration::from_secs(1)).await;
        assert!(!load.is_finished(), "what runs goes on");
        assert_eq!(background.stop(), 1);
        load.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }
}
