//! Who waits for the answers of a batch.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::few::Few;

/// Who waits for the answers of a batch.
#[derive(Debug)]
pub(super) struct Waiters<A> {
    /// The first caller of each key.
    pub(super) first: VecDeque<Waiter<A>>,
    /// Further callers of a key, with the index of that key.
    pub(super) more: Vec<(usize, Waiter<A>)>,
    /// Whether a caller waits for several answers.
    pub(super) together: bool,
    /// The task of the batch has run.
    pub(super) sent: bool,
}

/// A caller of a key.
#[derive(Debug)]
pub(super) enum Waiter<A> {
    /// It waits for the answer of this key.
    One(oneshot::Sender<A>),
    /// It waits for the answers of further keys as well, which have these indices.
    Several { others: Few<usize>, sender: oneshot::Sender<(A, Few<A>)> },
    /// The key is a further one of callers that wait elsewhere.
    Nobody,
}

impl<A: Clone> Waiters<A> {
    /// For each first caller that waits for several answers: those of its further keys.
    pub(super) fn others(&self, answers: &[A]) -> VecDeque<Few<A>> {
        if !self.together {
            return VecDeque::new();
        }
        self.first
            .iter()
            .filter(|waiter| waiter.is_of_several())
            .map(|waiter| waiter.others(answers))
            .collect()
    }
}

impl<A: Clone> Waiter<A> {
    /// The answers of its further keys.
    pub(super) fn others(&self, answers: &[A]) -> Few<A> {
        match self {
            Waiter::Several { others, .. } => {
                others.iter().filter_map(|place| answers.get(*place).cloned()).collect()
            }
            Waiter::One(_) | Waiter::Nobody => Few::default(),
        }
    }
}

impl<A> Waiter<A> {
    pub(super) fn is_of_several(&self) -> bool {
        matches!(self, Waiter::Several { .. })
    }

    /// Whether nobody waits any more.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Waiter::One(sender) => sender.is_closed(),
            Waiter::Several { sender, .. } => sender.is_closed(),
            Waiter::Nobody => true,
        }
    }

    /// Gives it the answer of its key, and those of its further keys.
    pub(super) fn answer(self, answer: A, others: Few<A>) {
        // A caller that has gone away needs no answer.
        match self {
            Waiter::One(sender) => drop(sender.send(answer)),
            Waiter::Several { sender, .. } => drop(sender.send((answer, others))),
            Waiter::Nobody => {}
        }
    }
}
