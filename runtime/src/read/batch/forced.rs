//! Forced batches, as `refresh(…)` makes them: the rights to store are taken from whoever has them, for all keys together.

use bytes::Bytes;
use cached_aside_protocol::{
    Step, Token, entry,
    steps::{Acquire, Acquired, Elect},
};

use super::{
    super::{
        forced::{ATTEMPTS, Asked, Replaced, taken},
        site::Call,
    },
    group::{Group, Load, State},
    look::is_silent,
};
use crate::{
    engine::{
        flight::{Epoch, Ticket},
        lease::{Right, StoreRight, several::StoreRights},
    },
    store::Answer,
};

/// A key whose entry is to be replaced: with which right, and what was there.
type Over = (usize, Ticket, Right, Bytes);

impl<V, E> Group<V, E> {
    /// Takes the rights to store from whoever has them.
    pub(super) async fn take_over(&mut self, mut forced: Vec<(usize, Ticket)>) {
        for _ in 0..ATTEMPTS {
            if forced.is_empty() {
                return;
            }
            forced = self.try_to_take_over(forced).await;
        }
        for (index, ticket) in forced {
            self.loads_with(index, ticket, None);
        }
    }

    /// The same once. With those whose entries have changed meanwhile.
    async fn try_to_take_over(&mut self, forced: Vec<(usize, Ticket)>) -> Vec<(usize, Ticket)> {
        let answers = self.read_to_replace(&forced).await;
        let (mut leases, mut refreshes) = (Vec::new(), Vec::new());
        for ((index, ticket), there) in forced.into_iter().zip(answers) {
            let site = self.of.site();
            match Call::new(&site, &self.of.keys[index]).right_to_replace(there) {
                Some((right @ Right::Lease, there)) => leases.push((index, ticket, right, there)),
                Some((right, there)) => refreshes.push((index, ticket, right, there)),
                None => self.loads_with(index, ticket, None),
            }
        }
        let hold = self.of.function.settings.lease;
        let mut changed = Vec::new();
        if !leases.is_empty() {
            let acquire = |expected, token| Acquire { expected, token, lease: hold };
            let is_look = |answer: &Acquired| matches!(answer, Acquired::No(_));
            changed.extend(self.replace(leases, acquire, is_look, taken).await);
        }
        if !refreshes.is_empty() {
            let elect = |expected, token| Elect { expected, token, hold, force: true };
            changed.extend(self.replace(refreshes, elect, |_| false, |answer| answer).await);
        }
        changed
    }

    async fn read_to_replace(&mut self, forced: &[(usize, Ticket)]) -> Vec<Answer<Option<Bytes>>> {
        for (_, ticket) in forced {
            ticket.next_epoch();
        }
        let within = match self.budget.begin() {
            Ok(within) => within,
            Err(error) => return vec![Err(error); forced.len()],
        };
        let keys: Vec<&str> = forced.iter().map(|(index, _)| self.of.key(*index)).collect();
        let answers = self.of.cache.read_all(&keys, false, within).await;
        self.budget.end(is_silent(&answers));
        answers.into_iter().map(|answer| answer.map(|(there, _)| there)).collect()
    }

    /// Asks for the places of what is there. With those where something else is by now.
    async fn replace<S: Step>(
        &mut self,
        over: Vec<Over>,
        step: impl Fn(Bytes, Token) -> S,
        is_look: fn(&S::Answer) -> bool,
        won: fn(Asked<S::Answer>) -> Asked<bool>,
    ) -> Vec<(usize, Ticket)> {
        // They exist before they are won: dropped while that is being asked, they give up what may have been won.
        let rights = self.rights(over.iter().map(|(_, ticket, right, _)| (ticket.key().clone(), *right)));
        let expected = over.iter().map(|(.., there)| entry::header_of(there));
        let steps = expected.zip(rights.tokens()).map(|(expected, token)| step(expected, token)).collect();
        let indices: Vec<usize> = over.iter().map(|(index, ..)| *index).collect();
        let answers = self.ask(&indices, steps, is_look).await;
        let (mut changed, mut not_won) = (Vec::new(), StoreRights::default());
        for (((index, ticket, _, there), mut right), answer) in
            over.into_iter().zip(rights.each()).zip(answers)
        {
            let site = self.of.site();
            let replaced =
                Call::new(&site, &self.of.keys[index]).replaced(&mut right, &there, answer.map(won));
            match replaced {
                Replaced::Yes => {
                    self.loads_with(index, ticket, Some(right));
                    continue;
                }
                Replaced::Never => self.loads_with(index, ticket, None),
                Replaced::Changed => changed.push((index, ticket)),
            }
            not_won.push(right);
        }
        changed
    }

    fn loads_with(&mut self, index: usize, ticket: Ticket, held: Option<StoreRight>) {
        let ticket = Some(ticket);
        self.states[index] = State::Loads(Load { ticket, held, stale: None, began: Epoch::NONE });
    }
}
