//! Yielding to other tasks.

use std::{future::poll_fn, mem, task::Poll};

/// Lets every other task that is ready now run first. (`yield_now` of tokio also polls the I/O driver before.)
pub(super) async fn yield_once() {
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
