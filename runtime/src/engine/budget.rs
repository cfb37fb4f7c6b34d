//! The time that one call may still spend on the store.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use crate::store::{Answer, StoreError};

/// The time that one call may still spend on the store.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    spent: Duration,
    /// When the step began that is being taken.
    begun: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(left: Duration) -> Budget {
        Budget { left, spent: Duration::ZERO, begun: None }
    }

    /// Takes a step within what is left, and counts the time it took.
    pub(crate) async fn spend<T, F>(&mut self, step: impl FnOnce(Duration) -> F) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let within = self.begin()?;
        let answer = step(within).await;
        self.end(matches!(answer, Err(StoreError::Timeout(_))));
        answer
    }

    /// Begins a step, and tells what is left for it.
    pub(crate) fn begin(&mut self) -> Answer<Duration> {
        if self.left.is_zero() {
            return Err(StoreError::Timeout(Duration::ZERO));
        }
        self.begun = Some(Instant::now());
        Ok(self.left)
    }

    /// Ends the step, and counts the time it took. A step that was answered although it took longer than it had was one during
    /// which this process stood still: then nobody knows how long the store took, and it is not counted.
    pub(crate) fn end(&mut self, silent: bool) {
        if let Some(begun) = self.begun.take() {
            let took = begun.elapsed();
            if silent || took <= self.left {
                self.left = self.left.saturating_sub(took);
            }
            self.spent += took;
        }
    }

    /// What is left.
    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// What the steps have taken so far.
    pub(crate) fn spent(&self) -> Duration {
        self.spent + self.begun.map(|begun| begun.elapsed()).unwrap_or_default()
    }
}
