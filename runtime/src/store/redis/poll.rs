//! How a task lets others go first.

use std::{future::poll_fn, mem, task::Poll};

/// Lets everything else that is ready to run now go first. (`yield_now` of tokio asks the system for news before, too.)
pub(super) async fn next_turn() {
    let mut waited = false;
    poll_fn(|context| {
        if mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
