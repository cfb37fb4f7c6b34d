//! A batch that can still be joined.

use tokio::sync::oneshot;

use super::{
    keys::Keys,
    waiters::{Waiter, Waiters},
};
use crate::few::Few;

/// The reads of an open batch.
#[derive(Debug)]
pub(super) struct PendingReads<A> {
    pub(super) keys: Keys,
    first: Vec<Waiter<A>>,
    more: Vec<(usize, Waiter<A>)>,
    /// Whether a caller waits for several answers.
    together: bool,
    /// Whether a caller asked for the server's time.
    timed: bool,
}

impl<A> PendingReads<A> {
    /// With room for so many keys.
    pub(super) fn with_capacity(capacity: usize) -> PendingReads<A> {
        let (first, more) = (Vec::with_capacity(capacity), Vec::new());
        let keys = Keys::with_capacity(capacity);
        PendingReads { keys, first, more, together: false, timed: false }
    }

    pub(super) fn add(&mut self, key: [&[u8]; 3], timed: bool) -> oneshot::Receiver<A> {
        self.timed |= timed;
        let (sender, receiver) = oneshot::channel();
        match self.keys.index_or_insert(key) {
            Some(place) => self.more.push((place, Waiter::One(sender))),
            None => self.first.push(Waiter::One(sender)),
        }
        receiver
    }

    pub(super) fn add_together<'k>(
        &mut self,
        keys: impl Iterator<Item = [&'k [u8]; 3]>,
        timed: bool,
    ) -> oneshot::Receiver<(A, Few<A>)> {
        self.timed |= timed;
        self.together = true;
        let (sender, receiver) = oneshot::channel();
        let (mut own, mut others) = (None, Few::default());
        for key in keys {
            let known = self.keys.index_or_insert(key);
            if known.is_none() {
                self.first.push(Waiter::Nobody);
            }
            let place = known.unwrap_or(self.first.len() - 1);
            if own.is_none() {
                own = Some((place, known.is_none()));
            } else {
                others.push(place);
            }
        }
        let waiter = Waiter::Several { others, sender };
        match own {
            Some((place, true)) => self.first[place] = waiter,
            Some((place, false)) => self.more.push((place, waiter)),
            None => {}
        }
        receiver
    }

    /// Number of callers that wait for it.
    pub(super) fn waiting(&self) -> usize {
        self.first.len() + self.more.len()
    }

    /// What is to be read, who waits for it, and whether the server's time is asked for.
    pub(super) fn close(self) -> (Keys, Waiters<A>, bool) {
        let PendingReads { keys, first, more, together, timed } = self;
        (keys, Waiters { first: first.into(), more, together, sent: false }, timed)
    }
}
