//! The writers inside a guard.

use std::time::Duration;

use crate::{
    Token,
    field::{number, time},
    format::{GUARD, GUARD_LOCAL_LEN, LONGEST, LONGEST_LOCAL, MAGIC, OVERLAPPED, SLOT_LEN, SLOTS_AT},
};

/// The writers inside a guard: the same arithmetic as in the scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writers {
    /// Writers have overlapped since the guard was placed.
    pub overlapped: bool,
    /// Until when local copies of what the guard has replaced may be used, by the server's clock; `None` if there are none.
    pub local_until: Option<Duration>,
    slots: Vec<(Token, Duration)>,
}

impl Writers {
    /// The writers of the guard in `bytes`, or `None` if that is no guard.
    pub fn read(bytes: &[u8]) -> Option<Writers> {
        let rest = bytes.strip_prefix(&MAGIC)?.strip_prefix(&[GUARD])?;
        let (marks, slots) = rest.split_first().unwrap_or((&0, &[]));
        let slots = slots.chunks_exact(SLOT_LEN);
        let rest = slots.remainder();
        let local_until = (rest.len() == GUARD_LOCAL_LEN).then(|| Duration::from_millis(number(rest)));
        let slots = slots
            .filter_map(|slot| {
                let (token, deadline) = slot.split_first_chunk::<{ Token::LEN }>()?;
                Some((Token::from_bytes(*token), Duration::from_millis(number(deadline))))
            })
            .collect();
        Some(Writers { overlapped: marks & OVERLAPPED != 0, local_until, slots })
    }

    /// The guard as it is stored.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLOTS_AT + self.slots.len() * SLOT_LEN + GUARD_LOCAL_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[GUARD, if self.overlapped { OVERLAPPED } else { 0 }]);
        for (token, deadline) in &self.slots {
            bytes.extend_from_slice(token.as_bytes());
            bytes.extend_from_slice(&time(*deadline));
        }
        bytes.extend(self.local_until.iter().flat_map(|until| time(*until)));
        bytes
    }

    /// Removes the writers whose deadlines have passed, and what is over of the local copies. No deadline is further ahead than
    /// [`LONGEST`], nor the end of the copies than [`LONGEST_LOCAL`].
    pub fn expire(&mut self, now: Duration) {
        self.local_until =
            self.local_until.map(|until| until.min(now + LONGEST_LOCAL)).filter(|until| *until > now);
        self.slots.retain_mut(|(_, deadline)| {
            *deadline = (*deadline).min(now + LONGEST);
            *deadline > now
        });
    }

    /// Adds a writer. If others are inside, the guard is marked.
    pub fn enter(&mut self, token: Token, deadline: Duration) {
        self.leave(token);
        self.overlapped |= !self.slots.is_empty();
        self.slots.push((token, deadline));
    }

    /// Adds a writer that was inside before, without a mark.
    pub fn stay(&mut self, token: Token, deadline: Duration) {
        self.slots.push((token, deadline));
    }

    /// Removes a writer. Gives its deadline, if it was inside.
    pub fn leave(&mut self, token: Token) -> Option<Duration> {
        let is_it = |(inside, _): &(Token, Duration)| *inside == token;
        let deadline = self.slots.iter().filter(|slot| is_it(slot)).map(|(_, deadline)| *deadline).max();
        self.slots.retain(|slot| !is_it(slot));
        deadline
    }

    /// The tokens of the writers.
    pub fn tokens(&self) -> impl Iterator<Item = Token> {
        self.slots.iter().map(|(token, _)| *token)
    }

    /// When the guard ends: with its last deadline or the local copies, whichever is later. `None` if no writer is inside and there
    /// are no copies.
    pub fn until(&self) -> Option<Duration> {
        self.slots.iter().map(|(_, deadline)| *deadline).chain(self.local_until).max()
    }
}
