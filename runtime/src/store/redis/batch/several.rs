//! The reads of a caller that has several.

use std::sync::atomic::Ordering::Relaxed;

use tokio::{runtime, sync::oneshot};

use super::{MAX_BYTES, MAX_CALLERS, Permit, ReadBatcher};

impl<A> ReadBatcher<A> {
    /// Whether a batch is being filled that could be joined.
    pub(in super::super) fn is_any_open(&self) -> bool {
        !self.0.queue.lock().open.is_empty()
    }

    /// Adds the reads of one caller to the batch that others on its runtime are filling, if there is one with room for all of them.
    pub(in super::super) fn join_open<'k>(
        &self,
        keys: impl ExactSizeIterator<Item = [&'k [u8]; 3]>,
        timed: bool,
        runtime: impl FnOnce() -> runtime::Id,
    ) -> Option<Vec<oneshot::Receiver<A>>> {
        let mut queue = self.0.queue.lock();
        if queue.open.is_empty() || keys.len() >= MAX_CALLERS {
            return None;
        }
        let waiting: usize = queue.open.iter().map(|open| open.batch.waiting()).sum();
        let sent = queue.in_flight - queue.open.len();
        let (runtime, length) = (runtime(), self.0.length.load(Relaxed));
        let open = queue.open.iter_mut().find(|open| open.runtime == runtime)?;
        let (batch, new) = (&mut open.batch, keys.len());
        let room = batch.waiting() + new < MAX_CALLERS
            && batch.keys.len() + new < MAX_BYTES / length.max(1)
            && sent + waiting + new <= self.0.limit;
        room.then(|| keys.map(|key| batch.add(key, timed)).collect())
    }

    /// The right to send the reads of one caller as they are. `None` if too many commands are in flight already.
    pub(in super::super) fn begin(&self) -> Option<Permit<A>> {
        let mut queue = self.0.queue.lock();
        if queue.in_flight >= self.0.limit {
            return None;
        }
        queue.in_flight += 1;
        Some(Permit(self.0.clone()))
    }

    /// Maximum number of keys whose values fit in this many bytes, as far as that can be estimated; `None` while nothing is known.
    pub(in super::super) fn keys_in(&self, bytes: usize) -> Option<usize> {
        match self.0.length.load(Relaxed) {
            0 => None,
            length => Some(bytes / length),
        }
    }
}
